#!/usr/bin/env bash
# Starts and ends, one right after the other: scripts/starts.sh [--count N] [--depths N,...]
#
# Builds, then starts a thousand stacks, each of which sends a packet and ends, at depth 1 and at depth 65536: first
# all with one driver, then each with a driver of its own. None may be refused as BUSY or fail, no process may
# outlive its parent, and no file may be left. Prints a line for each violation, and counts and times at the end.
# Exit status: 0 if there is no violation, 1 if there is one, 2 for wrong usage.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
exec "$lab" stress starts "$@"
