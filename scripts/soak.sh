#!/usr/bin/env bash
# Runs the shared-memory ring at full rate for ten minutes: scripts/soak.sh [FLAGS OF lab sweep]
#
# Builds, then runs both processes as scripts/plans/soak.toml says: at depth 3, 64 and 65536, with and without stalls of
# the hardware, in each idle mode that sleeps. In each run the ledger must balance to the packet, nothing may be dropped
# or lost, no sender may wait for nearly a second, and the watchdog of each process must not find a lost wake-up. Leaves
# the reports in bench-results/<date>-<machine>/soak, or in --out DIR. Each of the 18 runs takes 33 s, or --duration.
#
# Exit status: 0 if all that holds, 1 if not, 2 for wrong usage.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
exec "$lab" sweep "$root/scripts/plans/soak.toml" --out "$(default_out)/soak" "$@"
