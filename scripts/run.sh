#!/usr/bin/env bash
# Builds, then runs both processes once: scripts/run.sh [FLAGS OF lab run]
#
#   scripts/run.sh --app bulk --link 1Gbit --depth 64 --duration 3s
#   scripts/run.sh --from run.json
#
# All flags: scripts/run.sh --flags
# Exit status: 0 fine, 1 a failure of this program, 2 wrong flags, 3 a process failed, 4 the ledger does not balance,
# 130 interrupted.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
if [[ ${1:-} == --flags ]]; then
    exec "$lab" run --help
fi
exec "$lab" run "$@"
