#!/usr/bin/env bash
# Packets a second between two processes: scripts/bench.sh [--out DIR] [FLAG ...]
#
# Builds, then measures the whole stack and its peers in turn, several times, and prints the
# medians: only ratios of one run mean anything on a machine that others use too. Peers are a bare
# ring in shared memory (the limit of the machine), a Unix stream, UDP over loopback and, where
# dpdk-testpmd is installed, memif; and where valgrind is, instructions per packet are counted. The
# table, the exact figures (JSON) and a figure (SVG) are left in bench-results/<date>-<machine>, or
# DIR. FLAGs go to `lab bench`: --time 2s, --repetitions 9, --sizes 64B,1500B, --depth 1024.
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
