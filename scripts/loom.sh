#!/usr/bin/env bash
# Runs the ring's wake-up protocol through every interleaving that loom finds: scripts/loom.sh [FLAGS OF A TEST BINARY]
#
# It runs the functions of the product, and checks that loom finds the lost wake-up when the fence is removed.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
need_cargo
cd "$root"
# Not `--cfg loom`: dependencies react to that flag.
RUSTFLAGS="--cfg pushback_loom ${RUSTFLAGS:-}" exec cargo test --release --package shared --test loom \
    --target-dir "${CARGO_TARGET_DIR:-target}/loom" -- "$@"
