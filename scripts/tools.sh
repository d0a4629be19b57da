# The tools that the checks need besides cargo, and how they are installed; scripts/test.sh sources this after
# common.sh. Not a program of its own.
# shellcheck shell=bash

# Each command, and the Debian package that has it. Tests need perf, unshare and script.
declare -A package_of=(
    [perf]=linux-perf
    [script]=bsdutils
    [shellcheck]=shellcheck
    [tshark]=tshark
    [unshare]=util-linux
    [valgrind]=valgrind
)

# Pinned: another version may know other keys of .deny.toml.
cargo_deny=0.20.2

# Why a tool is not there, by command.
declare -A missing=()

has_tool() {
    if [[ $1 == cargo-deny ]]; then
        # cargo also looks into its own folder, which need not be on the PATH.
        cargo deny --version >/dev/null 2>&1
    else
        command -v "$1" >/dev/null
    fi
}

# Fills $missing, with what to do about it.
find_tools() {
    local tool
    missing=()
    for tool in "${!package_of[@]}"; do
        has_tool "$tool" || missing[$tool]="install Debian's package ${package_of[$tool]}"
    done
    has_tool cargo-deny || missing[cargo-deny]="install it with: cargo install cargo-deny --locked --version $cargo_deny"
}

# Whether what a program said, which is standard input, means that it cannot reach the network.
is_offline() {
    grep -Eiq 'resolv(e|ing)|unreachable|timed out|(refused|reset) by|connection (refused|failed|reset|timed)|(unable|could ?n.t|could not|failed) to connect|--offline'
}

# Installs the tools that are missing, where that is possible; then $missing says why it is not. To fail though
# it is possible is the end.
install_tools() {
    local tool packages=()
    find_tools
    for tool in "${!missing[@]}"; do
        [[ $tool == cargo-deny ]] || packages+=("${package_of[$tool]}")
    done
    if ((${#packages[@]})); then
        install_packages "${packages[@]}"
    fi
    if [[ -n ${missing[cargo-deny]:-} ]]; then
        install_cargo_deny
    fi
}

# Packages of Debian: install_packages NAME ...
install_packages() {
    local why tool said
    if ((EUID)); then
        why="only root can install Debian's package"
    elif ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
        why="this is not Debian, which has it in its package"
    # Without the option, an index that cannot be reached is only worth a warning.
    elif ! said=$(apt-get update --option APT::Update::Error-Mode=any 2>&1); then
        echo "$said" >&2
        is_offline <<<"$said" || give_up "apt-get update failed, for the reason above"
        why="no network reaches Debian's packages, of which it needs"
    else
        DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" >&2 ||
            give_up "the packages $* could not be installed, for the reason above"
        find_tools
        for tool in "${!missing[@]}"; do
            [[ $tool == cargo-deny ]] || give_up "there is no $tool, though its package ${package_of[$tool]} was installed"
        done
        return
    fi
    for tool in "${!missing[@]}"; do
        [[ $tool == cargo-deny ]] || missing[$tool]="$why ${package_of[$tool]}"
    done
}

install_cargo_deny() {
    local said
    if ! said=$(cargo info --quiet "cargo-deny@$cargo_deny" 2>&1); then
        echo "$said" >&2
        is_offline <<<"$said" || give_up "cargo does not find cargo-deny $cargo_deny, for the reason above"
        missing[cargo-deny]="no network reaches the registry of crates"
        return
    fi
    cargo install cargo-deny --locked --version "$cargo_deny" >&2 ||
        give_up "cargo-deny could not be installed, for the reason above"
    has_tool cargo-deny || give_up "cargo does not find cargo-deny after its installation; put the folder above on the PATH"
    unset 'missing[cargo-deny]'
}
