#!/usr/bin/env bash
# Kills at random moments: scripts/kills.sh [--count N] [--seed N] [--first N]
#
# Builds, then disturbs two thousand runs, over both transports, under all policies, under a lab and by hand with a
# driver that goes on: KILL, TERM, INT or QUIT to the driver, the stack or the lab, or STOP and a while later CONT.
# After each, all that is left has to end with the right status, reports have to balance, no process, file or folder may
# be left, and the next start has to work. Prints the seed, a line for each violation with the flags that draw that case
# again (the moment is the same, what the machine does then is not), and a table of exit statuses. Exit status: 0 if
# there is no violation, 1 if there is one, 2 for wrong usage.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
exec "$lab" stress kills "$@"
