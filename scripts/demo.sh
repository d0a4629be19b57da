#!/usr/bin/env bash
# Shows what dropping costs and what waiting costs: scripts/demo.sh [--out DIR]
#
# Builds, then sends the same packets through each policy, over a link of 20 Mbit/s: at twice what it
# carries; at 0.8 of that on average, in bursts; and at 0.95, at random, through a ring of 8 slots. That
# takes less than a minute. The tables, the exact figures (CSV) and the full reports (JSON) are left in
# a folder with a README: bench-results/<date>-<machine>, or DIR.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_out "$(default_out)" "$@"
((${#flags[@]} == 0)) || fail "unknown argument ${flags[0]}; see $me --help"

build
make_folder "$out"
readme=$out/README.md
# A sender that waits has room after one packet's time on the link at most, 0.62 ms. A deadline beyond that never
# comes, and would only show waiting once more; one just below it would show how exact this machine's timers are.
flags=(--link 20Mbit --seed 1 --policies 'wait,drop-newest,drop-oldest,deadline=200us')

cat >"$readme" <<TEXT
# Dropping or waiting: the demo

The same packets through each policy, with fresh processes for each, over a link of 20 Mbit/s; UDP payloads of 1472 B.
The depth is the slots between the stack and the driver; as many of them as \`--hw-queue\` says are in the hardware.

$(machine)
- made by \`scripts/demo.sh\`; \`demo.csv\` has every figure exactly, the JSON files have the full reports, and
  \`lab run --from\` repeats a single one

How to read it: **offered** packets are those that the apps wanted to send; **accepted** ones reached the device;
**refused** ones stayed with their sender; **dropped** ones died, and the loss is their share of the accepted. Times
*from acceptance* are what a meter inside the stack sees, times *from intended time* are what the app sees: the
difference is the wait at the sender. The hardware is **starved** while it stands idle and the ring holds frames: that is
time of the machine, not of the model. CPU is the share of one CPU.
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
printf '\nResults: %s\n' "$out"
