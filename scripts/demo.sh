#!/usr/bin/env bash
# Shows what dropping packets costs and what waiting costs: scripts/demo.sh [--out DIR]
#
# Builds, then sends the same packets through each policy, over a link of 20 Mbit/s: at twice the rate of the link; at
# 0.8 of it on average, in bursts; and at 0.95 of it, at random, through a ring of 8 slots. Then it simulates how rate,
# loss and latency depend on the depth, waiting and dropping. This takes less than a minute. Leaves the tables, the exact
# figures (CSV), the full reports (JSON), and a page and its figures over the depth in a folder with a README:
# bench-results/<date>-<machine>, or DIR.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_out "$(default_out)" "$@"
((${#flags[@]} == 0)) || fail "unknown argument ${flags[0]}; see $me --help"

build
make_folder "$out"
readme=$out/README.md
# A waiting sender gets a slot after at most one packet's time on the link, 0.62 ms. A longer deadline would never
# expire and give the same result as wait; one just below 0.62 ms would measure the accuracy of this machine's timers.
flags=(--clock real --link 20Mbit --seed 1 --policies 'wait,drop-newest,drop-oldest,deadline=200us')

cat >"$readme" <<TEXT
# Dropping or waiting: the demo

The same packets through each policy, with fresh processes for each, over a link of 20 Mbit/s; UDP payloads of 1472 B.
The depth is the number of slots between the stack and the driver; \`--hw-queue\` of them may be in the hardware.

$(machine)
- made by \`scripts/demo.sh\`; \`demo.csv\` has every figure exactly, the JSON files have the full reports, and
  \`lab run --from\` repeats one of them

How to read it: **offered** packets are those that the apps wanted to send; **accepted** ones reached the device;
**refused** ones stayed with their sender; **dropped** ones are gone, and the loss is their share of the accepted. The
**sojourn**, from acceptance to completion, is what a meter inside the stack measures; the **latency**, from the intended
time to completion, is what the app experiences: the difference is the wait at the sender. The hardware is **starved**
while it is idle and the ring holds frames: then the machine, not the model, limits the rate. CPU is the share of one
CPU.
TEXT

# Compares the policies for one kind of traffic: compare NAME TITLE FLAGS...
compare() {
    local name=$1 title=$2
    shift 2
    printf '\n## %s\n\n`lab compare %s`\n\n' "$title" "${flags[*]} $*" >>"$readme"
    printf '\n%s\n\n' "$title"
    "$lab" compare "${flags[@]}" "$@" --json "$out/$name.json" | tee -a "$readme"
    reports+=("$out/$name.json")
}

reports=()
compare cbr-twice "Twice what the link carries, evenly spaced" --depth 64 --hw-queue 16 --app cbr:load=2 --packets 8000
compare bursts "0.8 of what the link carries, in bursts of twice that" \
    --depth 64 --hw-queue 16 --app onoff:load=2,on=100ms,off=150ms --packets 3000
compare random-short "0.95 of what the link carries, at random, through a short ring" \
    --depth 8 --hw-queue 8 --txqueue 8 --app poisson:load=0.95 --packets 3000
"$lab" report --format csv "${reports[@]}" >"$out/demo.csv"

# Simulated, so it takes a second, and is the same on every machine.
sweep=$(mktemp -d)
trap 'rm -rf "$sweep"' EXIT
"$lab" sweep "$root/scripts/plans/depth-by-policy.toml" --quiet --repetitions 10 --out "$sweep"
"$lab" report "$sweep" --format html --out "$out/depth.html"
"$lab" report "$sweep" --format svg --out "$out/depth"
cat >>"$readme" <<'TEXT'

## Over the depth, simulated

`lab sweep scripts/plans/depth-by-policy.toml --repetitions 10` and `lab report`: the page [depth.html](depth.html), and its
figures in [depth/](depth/).

![goodput over depth](depth/goodput.svg)
![loss over depth](depth/loss.svg)
![p99 latency over depth](depth/latency-p99.svg)
TEXT
printf '\nA page of rate, loss and latency over the depth: %s\nResults: %s\n' "$out/depth.html" "$out"
