#!/usr/bin/env bash
# Runs the shared-memory ring at full rate for a long time: scripts/soak.sh [--minutes 10] [--out DIR]
#
# Builds, then runs both processes in turn at depth 3, 64 and 65536, with and without stalls of the hardware, in each
# idle mode that sleeps. In each run the ledger must balance to the packet, nothing may be dropped or lost, no sender
# may wait for nearly a second, and the watchdog of each process must not find a lost wake-up. Leaves the full reports
# (JSON) in DIR; without --out, nowhere.
# Exit status: 0 if all that holds, 1 if not, 2 for wrong usage.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

minutes=10
take_out '' "$@"
set -- "${flags[@]}"
while (($#)); do
    case $1 in
    --minutes)
        minutes=${2:-}
        [[ $minutes =~ ^[1-9][0-9]*$ ]] || fail "--minutes ${minutes:-}: use a whole number of at least 1, as in --minutes 10"
        shift
        ;;
    *) fail "unknown argument $1; see $me --help" ;;
    esac
    shift
done

build
if [[ -z $out ]]; then
    out=$(mktemp -d)
    trap 'rm -rf "$out"' EXIT
fi
make_folder "$out"

depths=(3 64 65536)
# A stalled driver sleeps, and then the stack sleeps too: only sleeping processes can lose a wake-up.
stalls=('' 'every=10ms,for=3ms' 'every=1ms,for=200us')
idles=(hybrid sleep)
each=$((minutes * 60 * 1000 / (${#depths[@]} * ${#stalls[@]} * ${#idles[@]})))
bad=0

# Prints a figure of a report, the first of its name at that indentation: figure FILE KEY INDENTATION
figure() {
    sed -n "s/^$3\"$2\": \([a-z0-9]*\),\{0,1\}$/\1/p" "$1" | head -n 1
}

# Prints the longest wait of a sender for room, in nanoseconds: longest_wait FILE
longest_wait() {
    sed -n '/"room": {/,/^ \{6\}}/ s/^ *"max": \([0-9]*\).*/\1/p' "$1" | head -n 1
}

# 0.9 s. A sleep ends after one second at the latest, so only a sender whose wake-up was lost waits this long.
too_long=900000000

printf '| depth | idle | stall | delivered | dropped + lost + in flight | doorbells | lost wake-ups | longest wait, us | verdict |\n'
printf '|--:|---|---|--:|--:|--:|--:|--:|---|\n'
for depth in "${depths[@]}"; do
    for stall in "${stalls[@]}"; do
        for idle in "${idles[@]}"; do
            report=$out/soak-$depth-$idle-${stall//[^a-z0-9]/-}.json
            status=0
            "$lab" run --app bulk:size=64B --link unlimited --policy wait --depth "$depth" --idle "$idle" \
                ${stall:+--stall "$stall"} --duration "${each}ms" --quiet --json "$report" >"$out/log" 2>&1 || status=$?
            if ((status)); then
                cat "$out/log" >&2
            fi
            [[ -s $report ]] || give_up "the run at depth $depth left no report"
            delivered=$(figure "$report" delivered '    ')
            gone=$(($(figure "$report" dropped '    ') + $(figure "$report" lost '    ') + $(figure "$report" in_flight '    ')))
            balanced=$(figure "$report" balanced '    ')
            rung=$(figure "$report" rung '    ')
            missed=$(figure "$report" missed '    ')
            waited=$(longest_wait "$report")
            verdict=fine
            if ((status || gone || missed || ! delivered || waited >= too_long)) || [[ $balanced != true ]]; then
                verdict="FAILED (status $status, ledger balanced: $balanced)"
                bad=1
            fi
            printf '| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' \
                "$depth" "$idle" "${stall:-none}" "$delivered" "$gone" "$rung" "$missed" "$((waited / 1000))" "$verdict"
        done
    done
done
exit "$bad"
