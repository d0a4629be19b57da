#!/usr/bin/env bash
# Loss and latency by depth: scripts/sweep-depth.sh [--depths N,...] [--policies P,...] [--out DIR] [FLAGS OF lab run]
#
# Builds, then runs each policy at each depth. Prints a table, the settings of the runs and their warnings, and leaves
# these in a folder with the exact figures (sweep-depth.csv) and each run's report (JSON):
# bench-results/<date>-<machine>, or DIR.
#
#   --depths    1,2,4,...,4096 by default
#   --policies  wait,drop-newest by default
#
# Other flags are passed to `lab run`, with these defaults: --link 20Mbit --hw-queue 16 --app poisson:load=0.9
# --packets 3000. To list them all: scripts/run.sh --flags
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

depths=1,2,4,8,16,32,64,128,256,512,1024,2048,4096
policies=wait,drop-newest
out=$(default_out)
flags=()
while (($#)); do
    case $1 in
    -h | --help)
        help
        exit
        ;;
    --depths | --policies | --out)
        [[ -n ${2:-} ]] || fail "$1 needs a value; see $me --help"
        declare "${1#--}=$2"
        shift
        ;;
    --depth | --depth=* | --policy | --policy=* | --json | --json=*)
        fail "${1%%=*} is set by this script; see $me --help"
        ;;
    *) flags+=("$1") ;;
    esac
    shift
done

build
make_folder "$out"

# The environment replaces these defaults, and flags replace both.
export PUSHBACK_LINK=${PUSHBACK_LINK:-20Mbit} PUSHBACK_HW_QUEUE=${PUSHBACK_HW_QUEUE:-16}
export PUSHBACK_APP=${PUSHBACK_APP:-poisson:load=0.9}
if [[ -z ${PUSHBACK_DURATION:-} ]]; then
    export PUSHBACK_PACKETS=${PUSHBACK_PACKETS:-3000}
fi

reports=()
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for policy in ${policies//,/ }; do
    for depth in ${depths//,/ }; do
        [[ ! -t 2 ]] || printf '\r\033[2K%s, depth %s ...' "$policy" "$depth" >&2
        report=$out/sweep-${policy/=/-}-$depth.json
        # Warnings are in the report, and shown below the table.
        "$lab" run --quiet --policy "$policy" --depth "$depth" "${flags[@]}" --json "$report" >"$log" 2>&1 || {
            status=$?
            cat "$log" >&2
            exit "$status"
        }
        reports+=("$report")
    done
done
[[ ! -t 2 ]] || printf '\r\033[2K' >&2

"$lab" report --format csv "${reports[@]}" >"$out/sweep-depth.csv"
{
    printf '# Loss and latency by depth\n\n%s\n\n' "$(machine)"
    "$lab" report "${reports[@]}"
    printf '\nSojourn is from acceptance to completion; latency is from intended time to completion.\n'
} | tee "$out/sweep-depth.md"
printf '\nResults: %s\n' "$out"
