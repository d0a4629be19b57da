#!/usr/bin/env bash
# Fuzzes the code that reads the bytes of a peer or of the network: scripts/fuzz.sh [TARGET] [FLAG OF libFuzzer ...]
#
# TARGET is control (records on the socket), slots (the ring's memory, seen from either end) or ingress (frames on their
# way up); without TARGET, all are fuzzed in turn. Needs cargo-fuzz (cargo install cargo-fuzz) and a C++ compiler. Runs each for ten million executions
# unless FLAGs change that, as in -runs=100000. Inputs found beyond the committed corpus are written to a folder below
# that of the build; a failing input is written there too, and its path printed. Without cargo-fuzz,
# `cargo test --package shared --test fuzz` and `cargo test --package netstack --test ingress` run the same targets over
# the corpus and seeded mutations of it.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

targets=(control slots ingress)
case ${1:-} in
-h | --help)
    help
    exit
    ;;
control | slots | ingress)
    targets=("$1")
    shift
    ;;
-*) ;;
?*) fail "unknown target $1; use control, slots or ingress" ;;
esac
need_cargo
command -v cargo-fuzz >/dev/null || give_up "cargo-fuzz is missing; install it with: cargo install cargo-fuzz"

work=${CARGO_TARGET_DIR:-target}/fuzz
[[ $work == /* ]] || work=$root/$work
# The sanitizers' flags are unstable; this lets the stable compiler accept them.
export RUSTC_BOOTSTRAP=1
for target in "${targets[@]}"; do
    mkdir -p "$work/corpus/$target"
    crate=shared
    [[ $target != ingress ]] || crate=netstack
    # libFuzzer writes new inputs to the first folder.
    (cd "$root/$crate" && cargo fuzz run --target-dir "$work" "$target" \
        "$work/corpus/$target" "fuzz/corpus/$target" -- -runs=10000000 "-artifact_prefix=$work/" "$@") ||
        give_up "$target failed, as shown above"
done
