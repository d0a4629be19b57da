#!/usr/bin/env bash
# Shows what dropping costs and what waiting costs: scripts/demo.sh [--out DIR]
#
# Builds, then sends the same packets through each policy: at twice what a link of 20 Mbit/s carries,
# and at 0.9 of it, evenly spaced and at random. That takes less than a minute. The tables, the
# exact figures (CSV) and the full reports (JSON) are left in a folder with a README:
# bench-results/<date>-<machine>, or DIR.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_out "$(default_out)" "$@"
((${#flags[@]} == 0)) || fail "unknown argument ${flags[0]}; see $me --help"

build
make_folder "$out"
readme=$out/README.md
# A sender that waits has room after one packet's time on the link at most, 0.62 ms: a deadline beyond
# that never comes, and would only show waiting once more.
flags=(--link 20Mbit --depth 64 --hw-queue 16 --seed 1 --policies 'wait,drop-newest,drop-oldest,deadline=500us')

cat >"$readme" <<TEXT
# Dropping or waiting: the demo

The same packets through each policy, with fresh processes for each: 64 slots between the stack and the driver, 16 of
them in the hardware, a link of 20 Mbit/s, UDP payloads of 1472 B.

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
compare cbr-twice "Twice what the link carries, evenly spaced" --app cbr:load=2 --packets 8000
compare cbr-below "0.9 of what the link carries, evenly spaced" --app cbr:load=0.9 --packets 3000
compare poisson-below "0.9 of what the link carries, at random" --app poisson:load=0.9 --packets 3000
"$lab" report --format csv "${reports[@]}" >"$out/demo.csv"
printf '\nResults: %s\n' "$out"
