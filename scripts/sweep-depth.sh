#!/usr/bin/env bash
# Loss and latency by depth, in real time: scripts/sweep-depth.sh [FLAGS OF lab sweep]
#
# Builds, then runs both processes at each depth under each policy, as scripts/plans/depth-by-policy.toml says, and
# leaves the report of each run, points.csv, points.md and a page in bench-results/<date>-<machine>. To change the plan:
#
#   scripts/sweep-depth.sh --vary depth=1,4,16 --vary policy=wait,deadline=5ms --link 10Mbit --out DIR
#   scripts/sweep-depth.sh --clock virtual
#
# Exit status: 0 if every run was made, 1 if one failed, 2 for wrong usage, 130 if interrupted.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

take_out "$(default_out)/depth-by-policy" "$@"
build
status=0
"$lab" sweep "$root/scripts/plans/depth-by-policy.toml" --clock real "${flags[@]}" --out "$out" || status=$?
# Also if a run failed or a threshold was crossed: the page shows the others.
if ((status <= 1)); then
    "$lab" report "$out" --format html --out "$out/page.html"
    printf 'A page: %s\n' "$out/page.html"
fi
exit "$status"
