# What the scripts share; they source it. Not a program of its own.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=$(basename "$0")

# Says what is wrong and what to do, and ends with the status for wrong usage.
fail() {
    echo "$me: $*" >&2
    exit 2
}

# Says what went wrong here, though the flags are fine, and ends with the status for that.
give_up() {
    echo "$me: $*" >&2
    exit 1
}

# The comment at the top of the script is its help.
help() {
    sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0"
}

# For scripts that take no flags of their own but --help: offer_help "$@"
offer_help() {
    case ${1:-} in
    -h | --help)
        help
        exit
        ;;
    esac
}

# The folder of --out: make_folder DIR
make_folder() {
    mkdir -p "$1" || fail "--out $1: cannot be made; name a folder in one that you may write to"
}

need_cargo() {
    command -v cargo >/dev/null || give_up "cargo is missing; install Rust 1.95 or later (see rustup) and put cargo on the PATH"
}

# Builds all three programs, and names the lab's: $lab.
build() {
    build_program release lab --package lab --package driver --package netstack
    # shellcheck disable=SC2034  # whoever sources this uses it
    lab=$program
}

# Builds, and names one of the programs: $program. build_program PROFILE NAME FLAG-OF-CARGO ...
build_program() {
    local profile=$1 name=$2
    shift 2
    need_cargo
    # Progress and errors of the build are no part of a script's output.
    (cd "$root" && cargo build --profile "$profile" "$@") >&2 || give_up "the build failed, for the reason above"
    local target=${CARGO_TARGET_DIR:-target}
    [[ $target == /* ]] || target=$root/$target
    program=$target/$profile/$name
    [[ -x $program ]] || give_up "there is no program $program after the build; if cargo builds elsewhere, say where in CARGO_TARGET_DIR"
}

# The folder of today's results, unless --out names another.
default_out() {
    echo "$root/bench-results/$(date +%F)-$(uname -n)"
}

# For scripts that leave results: take_out DEFAULT "$@" sets $out, the folder of --out, and $flags, all other arguments.
# shellcheck disable=SC2034  # who sources this reads both
take_out() {
    out=$1
    shift
    flags=()
    while (($#)); do
        case $1 in
        -h | --help)
            help
            exit
            ;;
        --out)
            [[ -n ${2:-} ]] || fail "--out needs a folder, as in --out results"
            out=$2
            shift
            ;;
        *) flags+=("$1") ;;
        esac
        shift
    done
}

# The machine, in a few lines of Markdown.
machine() {
    local cpu revision
    cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
    revision=$(git -C "$root" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
    echo "- machine: $(uname -n), $(nproc) CPUs (${cpu:-$(uname -m)}), $(uname -s) $(uname -r)"
    echo "- date: $(date -u '+%F %H:%M UTC'); git revision $revision; release build"
}
