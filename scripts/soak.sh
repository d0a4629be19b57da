#!/usr/bin/env bash
# Runs the shared-memory ring at full rate for long: scripts/soak.sh [--minutes 10] [--out DIR]
#
# Builds, then runs both processes in turn at depth 3, 64 and 65536, with stalls of the hardware and without,
# under each way to wait for the peer that sleeps at all. For each run the ledger has to balance to the packet,
# nothing may be dropped or lost, no sender may wait for nearly a second, and the watchdog of each process may
# not have found a wake-up that nobody rang for. The full reports (JSON) go to DIR, or nowhere.
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
# A stalled driver sleeps, and so does the stack behind it: that is when wake-ups can be lost.
stalls=('' 'every=10ms,for=3ms' 'every=1ms,for=200us')
idles=(hybrid sleep)
each=$((minutes * 60 * 1000 / (${#depths[@]} * ${#stalls[@]} * ${#idles[@]})))
bad=0

# A figure of a report, the first of its name at that indentation: figure FILE KEY INDENTATION
figure() {
    sed -n "s/^$3\"$2\": \([a-z0-9]*\),\{0,1\}$/\1/p" "$1" | head -n 1
}

# The longest wait of a sender for room, in nanoseconds: longest_wait FILE
longest_wait() {
    sed -n '/"room": {/,/^ \{6\}}/ s/^ *"max": \([0-9]*\).*/\1/p' "$1" | head -n 1
}

# No wait comes near this unless somebody sleeps who was not woken: no sleep lasts longer than a second.
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
