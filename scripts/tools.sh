# The tools that the checks need besides cargo, and how to install them; scripts/test.sh sources this file after
# common.sh.
# shellcheck shell=bash

# Each command, and the Debian package that contains it. Tests need chromium, perf,
# unshare and script.
declare -A package_of=(
    [chromium]=chromium
    [perf]=linux-perf
    [script]=bsdutils
    [shellcheck]=shellcheck
    [tshark]=tshark
    [unshare]=util-linux
    [valgrind]=valgrind
)

# A fixed version: another one may need other keys in .deny.toml.
cargo_deny=0.20.2

# Why a tool is missing, by command.
declare -A missing=()

has_tool() {
    if [[ $1 == cargo-deny ]]; then
        # cargo also finds it in its own folder, which need not be on the PATH.
        cargo deny --version >/dev/null 2>&1
    else
        command -v "$1" >/dev/null
    fi
}

# Fills $missing with the way to install each missing tool.
find_tools() {
    local tool
    missing=()
    for tool in "${!package_of[@]}"; do
        has_tool "$tool" || missing[$tool]="install Debian's package ${package_of[$tool]}"
    done
    has_tool cargo-deny || missing[cargo-deny]="install it with: cargo install cargo-deny --locked --version $cargo_deny"
}

# Whether the output of a program, on standard input, means that the network cannot be reached.
is_offline() {
    grep -Eiq 'resolv(e|ing)|unreachable|timed out|(refused|reset) by|connection (refused|failed|reset|timed)|(unable|could ?n.t|could not|failed) to connect|--offline'
}

# Installs the missing tools where that is possible; for the others, $missing then holds the reason. Exits if an
# installation that is possible fails.
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

# Installs Debian packages: install_packages NAME ...
install_packages() {
    local why tool output
    if ((EUID)); then
        why="only root can install Debian's package"
    elif ! grep -qx 'ID=debian' /etc/os-release 2>/dev/null; then
        why="this is not Debian, which has it in its package"
    # Without this option, apt-get only warns of an index that cannot be reached, and succeeds.
    elif ! output=$(apt-get update --option APT::Update::Error-Mode=any 2>&1); then
        echo "$output" >&2
        is_offline <<<"$output" || give_up "apt-get update failed, for the reason above"
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
    local output
    if ! output=$(cargo info --quiet "cargo-deny@$cargo_deny" 2>&1); then
        echo "$output" >&2
        is_offline <<<"$output" || give_up "cargo does not find cargo-deny $cargo_deny, for the reason above"
        missing[cargo-deny]="no network reaches the registry of crates"
        return
    fi
    cargo install cargo-deny --locked --version "$cargo_deny" >&2 ||
        give_up "cargo-deny could not be installed, for the reason above"
    has_tool cargo-deny || give_up "cargo does not find cargo-deny after its installation; put the folder above on the PATH"
    unset 'missing[cargo-deny]'
}
