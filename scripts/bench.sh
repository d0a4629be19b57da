#!/usr/bin/env bash
# Packets per second between two processes: scripts/bench.sh [--out DIR] [FLAG ...]
#
# Builds, then measures the whole stack and other programs in turn, several times, and prints the medians. Only ratios
# within one run are comparable on a machine that others use too. The other programs are a bare ring in shared memory
# (the limit of the machine), a Unix stream, UDP over loopback and, if dpdk-testpmd is installed, memif. If valgrind is
# installed, instructions per packet are counted. Leaves the table, the exact figures (JSON) and a figure (SVG) in
# bench-results/<date>-<machine>, or in DIR. Passes FLAGs to `lab bench`, such as --time 2s, --repetitions 9,
# --sizes 64B,1500B, --depth 1024.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_out "$(default_out)" "$@"

build
make_folder "$out"
{
    printf '# Packets a second between two processes\n\n%s\n- made by `scripts/bench.sh`; `bench.json` has every repetition, `bench.svg` the bars\n\n' "$(machine)"
    "$lab" bench "${flags[@]}" --json "$out/bench.json" --svg "$out/bench.svg"
} | tee "$out/bench.md"
printf '\nResults: %s\n' "$out"
