#!/usr/bin/env bash
# Predicts with simulations, confirms with runs: scripts/predict.sh [FLAGS OF lab predict]
#
# Builds, then holds a grid of policies, loads, depths and transports against its simulation: loss, rate, latencies,
# slots held and time blocked, each within 2 % and the lateness of this machine's wake-ups. That takes some minutes on
# a machine that is otherwise idle. FLAGs: --depths 4,64, --loads 0.9,1.3, --jobs 8, --json FILE.
# Exit status: 0 if all points agree, 1 if not.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
exec "$lab" predict "$@"
