#!/usr/bin/env bash
# Runs the ring's wake-up protocol through every interleaving that loom can find: scripts/loom.sh [FLAGS OF A TEST BINARY]
#
# It runs the functions that the product ships, and checks that loom finds the lost wake-up when the
# fence is taken out.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
need_cargo
cd "$root"
# The flag has a name of its own, because dependencies take `--cfg loom` personally.
RUSTFLAGS="--cfg pushback_loom ${RUSTFLAGS:-}" exec cargo test --release --package shared --test loom \
    --target-dir "${CARGO_TARGET_DIR:-target}/loom" -- "$@"
