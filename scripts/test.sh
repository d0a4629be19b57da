#!/usr/bin/env bash
# Everything that CI checks: scripts/test.sh [--install]
#
# Format, lints (warnings are errors), docs, tests, simulated means against queueing theory, the examples, a capture of
# real frames that an independent analyser must find clean, instructions per packet against a ceiling, dependencies, and
# the scripts themselves. The summary at the end names what ran and what was skipped and why: a check whose tool is not
# installed, with the package to install, and tests that need what this machine does not have. With --install, the tools
# are installed first (Debian's packages if this is root on Debian, cargo-deny by cargo); a tool that can be installed
# and is still missing then is an error. To accept other counts of instructions as the ceiling: target/release/lab count
# --ceilings scripts/ceilings.json --accept Exit status: 0 if all is well, that of the first step that failed otherwise,
# 2 for wrong usage.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
# shellcheck source=tools.sh
source "$root/scripts/tools.sh"

install=
case ${1:-} in
-h | --help)
    help
    exit
    ;;
--install) install=yes ;;
?*) fail "unknown argument $1; see $me --help" ;;
esac
(($# <= 1)) || fail "unknown argument $2; see $me --help"
need_cargo
cd "$root"

work=$(mktemp -d)
passed=()
skipped=()
step=

# Prints the summary at the end, also if a step failed.
summarise() {
    local status=$?
    rm -rf "$work"
    printf '\n== summary\n'
    ((${#passed[@]} == 0)) || printf 'passed: %s\n' "${passed[@]}"
    ((${#skipped[@]} == 0)) || printf 'skipped: %s\n' "${skipped[@]}"
    if ((status)); then
        printf 'FAILED: %s\n' "${step:-before the first check}"
    elif ((${#skipped[@]})); then
        printf '\nAll checks passed, but for those that were skipped.\n'
    else
        printf '\nAll checks passed.\n'
    fi
}
trap summarise EXIT

# Runs a check: check WHAT COMMAND ...
check() {
    step=$1
    shift
    local start=$SECONDS
    printf '\n== %s\n' "$step"
    "$@"
    passed+=("$step ($((SECONDS - start)) s)")
}

# Runs a check if its tool is installed: check_with TOOL WHAT COMMAND ...
check_with() {
    local tool=$1
    shift
    if [[ -n ${missing[$tool]:-} ]]; then
        skip "$1: there is no $tool; ${missing[$tool]}"
    else
        check "$@"
    fi
}

skip() {
    printf '\n== skipped: %s\n' "$1"
    skipped+=("$1")
}

run_docs() {
    RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps
}

# Tests that this machine cannot run append the reason to a file.
run_tests() {
    SKIPPED_TESTS=$work/skipped cargo test --workspace
    [[ ! -e $work/skipped ]] || mapfile -t -O "${#skipped[@]}" skipped < <(sort -u "$work/skipped")
}

# Frames as an independent analyser sees them: both address families, several sizes.
run_capture() {
    build
    "$lab" run --quiet --link unlimited --packets 500 --pcap "$work/frames.pcap" \
        --app bulk:size=1472B --app bulk:size=1B,name=small --app 'bulk:size=333B,to=[fd00::2]:9,name=six' >/dev/null
    # Payloads are arbitrary bytes, in which the analyser must not look for protocols.
    local checked=(-o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -d "udp.port==9,data")
    local frames wrong
    frames=$(tshark -r "$work/frames.pcap" "${checked[@]}" \
        -Y 'udp.checksum.status == "Good" && (ipv6 || ip.checksum.status == "Good")' | wc -l)
    wrong=$(tshark -r "$work/frames.pcap" "${checked[@]}" \
        -Y '_ws.malformed || _ws.expert.severity >= 6291456 || ip.checksum.status == "Bad" || udp.checksum.status == "Bad"' | sed -n 1,20p)
    if [[ -n $wrong || $frames != 1500 ]]; then
        echo "$me: of 1500 frames, $frames have good checksums; wrong are (the first 20): ${wrong:-none}" >&2
        return 1
    fi
    echo "1500 frames, none malformed, all checksums good"
}

run_count() {
    build
    local status=0
    "$lab" count --ceilings "$root/scripts/ceilings.json" 2>"$work/count" || status=$?
    cat "$work/count" >&2
    # The lab prints this for ceilings that were accepted on another kind of processor.
    if grep -q 'nothing is compared' "$work/count"; then
        skip "comparing instructions per packet: the ceilings are those of another kind of processor"
    fi
    return "$status"
}

run_shellcheck() {
    shellcheck --severity=warning --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
}

if [[ -n $install ]]; then
    check "tools" install_tools
else
    find_tools
fi
check "format" cargo fmt --all --check
check "clippy" cargo clippy --workspace --all-targets -- -D warnings
check "docs" run_docs
check "tests" run_tests
# Means against queueing theory, in virtual time: millions of packets, so optimised.
check "theory" cargo test --release --package lab --test theory_table -- --include-ignored
for example in */examples/*.rs; do
    [[ -e $example ]] || continue
    check "example $example" cargo run --quiet --package "${example%%/*}" --example "$(basename "$example" .rs)"
done
check_with tshark "frames in a protocol analyser" run_capture
check_with valgrind "instructions per packet" run_count
check_with cargo-deny "licences and sources of dependencies" cargo deny check bans licenses sources
if [[ -n ${missing[cargo-deny]:-} ]] || fetched=$(cargo deny fetch db 2>&1); then
    check_with cargo-deny "advisories of dependencies" cargo deny check advisories
elif is_offline <<<"$fetched"; then
    skip "advisories of dependencies: no network reaches their database"
else
    echo "$fetched" >&2
    step="advisories of dependencies"
    give_up "the database of advisories could not be fetched, for the reason above"
fi
check_with shellcheck "shell scripts" run_shellcheck
