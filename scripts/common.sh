# Functions that the scripts share; they source this file.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
me=$(basename "$0")

# Prints what is wrong with the usage and how to correct it; exits with status 2.
fail() {
    echo "$me: $*" >&2
    exit 2
}

# Prints why a step failed although the usage is correct; exits with status 1.
give_up() {
    echo "$me: $*" >&2
    exit 1
}

# Prints the comment at the top of the script, which is its help, and for scripts that build where programs come from.
help() {
    sed -n '2,/^[^#]/ s/^# \{0,1\}//p' "$0"
    if grep -q '^ *build$' "$0"; then
        printf '\nPrograms that are up to date are not built again. PUSHBACK_BIN_DIR=DIR uses the programs in DIR as they are.\n'
    fi
}

# Handles --help for scripts that have no other flag: offer_help "$@"
offer_help() {
    case ${1:-} in
    -h | --help)
        help
        exit
        ;;
    esac
}

# Creates the folder of --out: make_folder DIR
make_folder() {
    mkdir -p "$1" || fail "--out $1: cannot be created; name a path in a folder that you may write to"
}

need_cargo() {
    command -v cargo >/dev/null || give_up "cargo is missing; install Rust 1.95 or later (see rustup) and put cargo on the PATH"
}

# Sets $lab to the path of the lab: in the folder that PUSHBACK_BIN_DIR names, where the lab looks for the other two
# programs too, or where cargo builds all three.
build() {
    if [[ -n ${PUSHBACK_BIN_DIR:-} ]]; then
        local name
        for name in lab driver netstack; do
            [[ -x $PUSHBACK_BIN_DIR/$name ]] ||
                fail "PUSHBACK_BIN_DIR=$PUSHBACK_BIN_DIR: there is no program $name in it; name a folder that has lab, driver and netstack, or unset the variable"
        done
        lab=$PUSHBACK_BIN_DIR/lab
        return
    fi
    local folder
    folder=$(build_folder release)
    if is_up_to_date "$folder/lab" && is_up_to_date "$folder/driver" && is_up_to_date "$folder/netstack"; then
        echo "$me: uses the programs in $folder, which are up to date; PUSHBACK_BIN_DIR names another folder" >&2
        # shellcheck disable=SC2034  # used by the scripts that source this file
        lab=$folder/lab
        return
    fi
    build_program release lab --package lab --package driver --package netstack
    # shellcheck disable=SC2034  # used by the scripts that source this file
    lab=$program
}

# Prints the folder of the programs that cargo builds: build_folder PROFILE
build_folder() {
    local target=${CARGO_TARGET_DIR:-target}
    [[ $target == /* ]] || target=$root/$target
    echo "$target/$1"
}

# Whether nothing that a program is made from has changed since it was built: is_up_to_date PROGRAM. cargo lists the
# files in PROGRAM.d, in one line, with a backslash before each blank in a name.
is_up_to_date() {
    local program=$1 file files=()
    # What the compiler is told may have changed too, and only cargo knows.
    [[ -x $program && -r $program.d && -z ${RUSTFLAGS:-} ]] || return 1
    # shellcheck disable=SC2162  # read removes the backslashes
    read -a files <"$program.d" || return 1
    for file in "${files[@]:1}" "$root"/Cargo.{toml,lock} "$root"/*/Cargo.toml "$root"/scripts/*/Cargo.toml; do
        [[ -e $file && ! $file -nt $program ]] || return 1
    done
}

# Builds programs, and sets $program to the path of one: build_program PROFILE NAME FLAG-OF-CARGO ...
build_program() {
    local profile=$1 name=$2
    shift 2
    need_cargo
    # The output of the build goes to standard error: standard output is for the results of the script.
    (cd "$root" && cargo build --profile "$profile" "$@") >&2 || give_up "the build failed, for the reason above"
    program=$(build_folder "$profile")/$name
    [[ -x $program ]] || give_up "the build left no program $program; if cargo builds elsewhere, set CARGO_TARGET_DIR to that folder"
}

# Prints the folder for today's results, which --out replaces.
default_out() {
    echo "$root/bench-results/$(date +%F)-$(uname -n)"
}

# For scripts that write results: take_out DEFAULT "$@" sets $out to the folder of --out, and $flags to all other
# arguments.
# shellcheck disable=SC2034  # used by the scripts that source this file
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
        --out=?*) out=${1#--out=} ;;
        *) flags+=("$1") ;;
        esac
        shift
    done
}

# Prints a description of the machine in Markdown.
machine() {
    local cpu revision
    cpu=$(sed -n 's/^model name[[:space:]]*: //p' /proc/cpuinfo 2>/dev/null | head -n 1)
    revision=$(git -C "$root" describe --always --dirty --abbrev=12 2>/dev/null || echo unknown)
    echo "- machine: $(uname -n), $(nproc) CPUs (${cpu:-$(uname -m)}), $(uname -s) $(uname -r)"
    echo "- date: $(date -u '+%F %H:%M UTC'); git revision $revision; release build"
}
