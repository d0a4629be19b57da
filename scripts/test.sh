#!/usr/bin/env bash
# Everything that CI checks: scripts/test.sh
#
# Format, lints (warnings are errors), docs, tests, simulated means against queueing theory, the
# examples, a capture of real frames that an independent analyser must find clean, and instructions per
# packet against a ceiling. A step whose tool (tshark, valgrind, cargo-deny, shellcheck) is not installed
# says so in one line and is skipped. To accept other counts of instructions as the ceiling:
# target/release/lab count --ceilings scripts/ceilings.json --accept
# Exit status: 0 if all is well, that of the first step that failed otherwise, 2 for wrong usage.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

case ${1:-} in
-h | --help)
    help
    exit
    ;;
?*) fail "unknown argument $1; see $me --help" ;;
esac
need_cargo
cd "$root"

step() {
    printf '\n== %s\n' "$*"
}

# Whether the tool is there: has COMMAND WHAT
has() {
    command -v "$1" >/dev/null || {
        printf '\n== skipped: %s (%s is not installed)\n' "$2" "$1"
        return 1
    }
}

# Frames as an independent analyser sees them: both address families, several sizes.
check_capture() {
    local folder
    folder=$(mktemp -d)
    # shellcheck disable=SC2064  # the folder is known now, and not at the end
    trap "rm -rf '$folder'" EXIT
    build
    "$lab" run --quiet --link unlimited --packets 500 --pcap "$folder/frames.pcap" \
        --app bulk:size=1472B --app bulk:size=1B,name=small --app 'bulk:size=333B,to=[fd00::2]:9,name=six' >/dev/null
    # Payloads are arbitrary bytes, in which the analyser must not look for protocols.
    local checked=(-o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -d "udp.port==9,data")
    local frames wrong
    frames=$(tshark -r "$folder/frames.pcap" "${checked[@]}" \
        -Y 'udp.checksum.status == "Good" && (ipv6 || ip.checksum.status == "Good")' | wc -l)
    wrong=$(tshark -r "$folder/frames.pcap" "${checked[@]}" \
        -Y '_ws.malformed || _ws.expert.severity >= 6291456 || ip.checksum.status == "Bad" || udp.checksum.status == "Bad"' | sed -n 1,20p)
    if [[ -n $wrong || $frames != 1500 ]]; then
        echo "$me: of 1500 frames, $frames have good checksums; wrong are (the first 20): ${wrong:-none}" >&2
        return 1
    fi
    echo "1500 frames, none malformed, all checksums good"
}

step format
cargo fmt --all --check

step clippy
cargo clippy --workspace --all-targets -- -D warnings

step docs
RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps

step tests
cargo test --workspace

# Means against queueing theory, in virtual time: millions of packets, so optimised.
step "theory"
cargo test --release --package lab --test theory_table -- --include-ignored

for example in */examples/*.rs; do
    [[ -e $example ]] || continue
    step "example $example"
    cargo run --quiet --package "${example%%/*}" --example "$(basename "$example" .rs)"
done

if has tshark "frames in a protocol analyser"; then
    step "frames in a protocol analyser"
    check_capture
fi

if has valgrind "instructions per packet"; then
    step "instructions per packet"
    build
    "$lab" count --ceilings "$root/scripts/ceilings.json"
fi

if has cargo-deny "advisories, licences and sources of dependencies"; then
    step "advisories, licences and sources of dependencies"
    cargo deny check
fi

if has shellcheck "shell scripts"; then
    step "shell scripts"
    shellcheck --severity=warning --external-sources --source-path=SCRIPTDIR scripts/*.sh .ci/run
fi

printf '\nAll checks passed.\n'
