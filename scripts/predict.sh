#!/usr/bin/env bash
# Predicts with `lab simulate`, confirms with `lab run`: scripts/predict.sh [FLAGS OF lab run]
#
# The same settings in virtual and in real time: 1 Gbit/s, 1024 slots, 256 of them in the hardware,
# 5 s. Prints both, and exits with 1 if the delivered rate or the loss differ by more than 2 %.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
build
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

# name, app, policy
settings='bulk-wait bulk wait
cbr-wait cbr:load=1.5 wait
cbr-drop cbr:load=1.5 drop-newest'

# The input is a descriptor of its own, so that nothing in the loop reads from it.
while read -r name app policy <&3; do
    # A run in which the machine starved the hardware model confirms nothing either way: try again.
    for how in simulate run run run; do
        echo "$name: lab $how ..." >&2
        "$lab" "$how" --app "$app" --policy "$policy" --depth 1024 --hw-queue 256 --link 1Gbit \
            "$@" --json "$results/$name-$how.json" >"$results/log" 2>&1 ||
            { cat "$results/log" >&2; exit 1; }
        if [[ $how == run ]]; then
            grep '^Warning .*this machine set the result' "$results/log" >&2 || break
        fi
    done
done 3<<SETTINGS
$settings
SETTINGS

echo "$settings" | while read -r name _; do
    "$lab" report --format csv "$results/$name-simulate.json" "$results/$name-run.json" | sed "s/^/$name,/"
done | awk -F, '
    function apart(real, predicted) {
        difference = real > predicted ? real - predicted : predicted - real
        # A loss that was predicted to be none has nothing to be relative to.
        return 100 * (predicted > 0 ? difference / predicted : difference)
    }
    # Quoted fields hold commas, and none of them is of interest.
    { gsub(/"[^"]*"/, "-") }
    $2 == "policy" {
        for (i = 2; i <= NF; i++) column[$i] = i
        next
    }
    {
        rate[$column["clock"]] = $column["packets_per_second"]
        loss[$column["clock"]] = $column["loss_ratio"]
    }
    $column["clock"] == "real" {
        if (!headed++) print "| setting | predicted | measured | apart | loss predicted | measured | apart |\n|---|--:|--:|--:|--:|--:|--:|"
        r = apart(rate["real"], rate["virtual"]); l = apart(loss["real"], loss["virtual"])
        printf "| %s | %.0f pps | %.0f pps | %.2f %% | %.3f %% | %.3f %% | %.2f %% |\n", $1, rate["virtual"], rate["real"], r, 100 * loss["virtual"], 100 * loss["real"], l
        if (r > 2 || l > 2) far = 1
    }
    END {
        if (far) print "predict: more than 2 % apart; is the machine busy?"
        exit far
    }'
