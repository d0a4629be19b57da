#!/bin/sh
# Runs the ring's wake-up protocol through every interleaving that loom can find. The flag has a name
# of its own, because dependencies take `--cfg loom` personally.
set -eu
cd "$(dirname "$0")/.."
RUSTFLAGS="--cfg pushback_loom ${RUSTFLAGS:-}" exec cargo test --release --package shared --test loom \
    --target-dir "${CARGO_TARGET_DIR:-target}/loom" -- "$@"
