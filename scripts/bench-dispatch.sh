#!/usr/bin/env bash
# The cost of a call through five levels, in each way to call: scripts/bench-dispatch.sh [--out DIR] [FLAG ...]
#
# Builds 512 variants of every level, which takes minutes. Then measures time, instructions (where valgrind is
# installed), allocations and bytes, with one variant and with all of them in shuffled order, and with three leaves:
# one that is always ready, one that waits, and one that writes a header. Leaves the table and the exact figures (JSON)
# in bench-results/<date>-<machine>, or in DIR. Passes FLAGs to the benchmark, such as --quick (seconds instead of
# minutes, after the build) and --repetitions 31.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_out "$(default_out)" "$@"

build_program dispatch dispatch-bench --package dispatch-bench --features all-variants
make_folder "$out"
{
    printf '# What a call through five levels costs\n\n%s\n- compiler: %s\n' "$(machine)" "$(rustc --version)"
    printf -- '- made by `scripts/bench-dispatch.sh`; `dispatch-bench.json` has every repetition\n\n'
    "$program" "${flags[@]}" --json "$out/dispatch-bench.json"
} | tee "$out/dispatch-bench.md"
printf '\nResults: %s\n' "$out"
