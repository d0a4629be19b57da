#!/usr/bin/env bash
# Honest clients beside silent ones: scripts/crowd.sh [--clients N] [--starts N]
#
# Builds, then times fifty stacks from start to end, first alone with a driver and then while a thousand clients of the
# same user connect to it, send nothing, and connect again when the driver closes the connection. Prints median and
# worst. Exit status: 0 if every stack was served, 1 if not, 2 for wrong usage.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
exec "$lab" stress crowd "$@"
