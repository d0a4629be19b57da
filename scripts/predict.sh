#!/usr/bin/env bash
# Compares simulations with runs: scripts/predict.sh [FLAGS OF lab predict]
#
# Builds, then compares a grid of policies, loads, depths and transports with its simulation: loss, rate, latencies,
# slots held and time blocked must each agree within 2 % plus the lateness of this machine's wake-ups. This takes some
# minutes on an otherwise idle machine. FLAGS: --depths 4,64, --loads 0.9,1.3, --jobs 8, --json FILE.
# Exit status: 0 if all points agree, 1 if not.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
exec "$lab" predict "$@"
