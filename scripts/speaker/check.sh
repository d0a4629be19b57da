#!/usr/bin/env bash
# Runs the second implementation of the protocol against the real programs, in both roles, transports and directions.
#
# PUSHBACK_BIN_DIR is the folder with `driver` and `netstack`. One line is printed for each run; the exit status is 1
# if one of them failed. It takes some 6 s, at most 30 s.
set -u

here=${BASH_SOURCE[0]%/*}
[ "$here" != "${BASH_SOURCE[0]}" ] || here=.
here=$(cd "$here" && pwd)
if ! python3 -c 'import fcntl, os, socket; fcntl.F_ADD_SEALS, os.memfd_create, socket.send_fds' 2>/dev/null; then
    echo "skip speaker: there is no python3 of version 3.10 or later"
    exit 0
fi
bin=$(cd "${PUSHBACK_BIN_DIR:?must be the folder with driver and netstack}" && pwd) || exit 1
for program in driver netstack; do
    if [ ! -x "$bin/$program" ]; then
        echo "FAIL speaker: $bin/$program is missing"
        exit 1
    fi
done
# The flags of the real programs can be set in the environment; here they are not.
for name in "${!PUSHBACK_@}"; do unset "$name"; done

export PYTHONPATH=${here%/*} PYTHONDONTWRITEBYTECODE=1
top=$(mktemp -d)
packets=200
failed=0
pids=()

# Ends what runs: the two halves of this script, or the programs of a half. `timeout` passes the signal on to them.
finish() {
    [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null
    wait
}
trap 'finish; rm -rf "$top"' EXIT
trap 'exit 1' INT TERM

# start NAME COMMAND...: runs a program in the background, with its output in NAME.log and its report in NAME.json.
start() {
    local name=$1
    shift
    timeout -k 1 5 "$@" --socket "$dir/$name.sock" --json "$name.json" >"$name.log" 2>&1 </dev/null &
    pids+=($!)
    names+=("$name")
}

# connect NAME DRIVER COMMAND...: the same for a program that connects to the socket of DRIVER.
connect() {
    local name=$1 driver=$2
    shift 2
    timeout -k 1 5 "$@" --socket "$dir/$driver.sock" --json "$name.json" >"$name.log" 2>&1 </dev/null &
    pids+=($!)
    names+=("$name")
}

# judge TITLE [FILE EXPRESSION]...: waits for the programs, tests their exit statuses and values of their reports,
# and prints the line of the run.
judge() {
    local title=$1 wrong="" i status
    shift
    for i in "${!pids[@]}"; do
        wait "${pids[$i]}"
        status=$?
        [ $status -eq 0 ] || wrong+=" ${names[$i]} exits with $status: $(tail -n 1 "${names[$i]}.log");"
    done
    pids=()
    while [ -z "$wrong" ] && [ $# -ge 2 ]; do
        python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); sys.exit(not eval(sys.argv[2]))' "$1" "$2" \
            2>/dev/null || wrong=" $1: not $2"
        shift 2
    done
    if [ -z "$wrong" ]; then
        echo "ok   speaker as $title"
    else
        echo "FAIL speaker as $title:$wrong"
        failed=1
    fi
}

# begin TITLE: clears what the run before left. False, with a line, if the time is used up.
begin() {
    names=()
    rm -rf "${dir:?}"/*
    [ $SECONDS -lt 22 ] && return
    echo "FAIL speaker as $1: no time left"
    failed=1
    return 1
}

speaker=(python3 -m speaker)
stack_sends() {
    begin "$1" || return
    start driver "$bin/driver" --once --quiet --verify --backend model
    connect speaker driver "${speaker[@]}" stack --transport "$transport" --depth "$depth" --packets $packets
    judge "$1" speaker.json "r['by_status'] == [$packets, 0, 0, 0] and r['depth'] == $depth"
}

# Two drivers that are joined by a wire, with the speaker on one and the real stack on the other.
wired() {
    start near "$bin/driver" --once --quiet --backend "wire=$dir/wire"
    start far "$bin/driver" --once --quiet --backend "wire=$dir/wire"
    connect speaker near "${speaker[@]}" stack --transport "$transport" --depth "$depth" --rx-depth "$depth" "$@"
    connect netstack far "$bin/netstack" --quiet --transport "$transport" --depth "$depth" --rx-depth "$depth" \
        --address 10.0.0.2/24 --app "$app" --packets $packets
}

stack_reaches_sink() {
    begin "$1" || return
    app=sink:port=9
    wired --packets $packets
    judge "$1" netstack.json "r['up']['sockets'][0]['checked'] == $packets and r['up']['sockets'][0]['missing'] == 0"
}

stack_receives() {
    begin "$1" || return
    app=bulk:size=200B,to=10.0.0.1:9
    wired --receive $packets
    judge "$1" speaker.json "r['with_header'] == $packets and r['sequence_gaps'] == r['lost_up'] == 0"
}

driver_consumes() {
    begin "$1" || return
    start speaker "${speaker[@]}" driver --once
    connect netstack speaker "$bin/netstack" --quiet --transport "$transport" --depth "$depth" \
        --app bulk:size=200B --packets $packets
    judge "$1" speaker.json "r['with_header'] == $packets and r['depth'] == $depth" \
        netstack.json "r['totals']['delivered'] == $packets"
}

driver_sends() {
    begin "$1" || return
    start speaker "${speaker[@]}" driver --once --send $packets
    connect netstack speaker "$bin/netstack" --quiet --transport "$transport" --rx-depth "$depth" \
        --app sink:port=9 --packets $packets
    judge "$1" speaker.json "r['datagrams_sent_up'] == $packets and r['rx_depth'] == $depth" \
        netstack.json "r['up']['sockets'][0]['checked'] == $packets and r['up']['sockets'][0]['missing'] == 0"
}

# The runs of one transport, one after the other, in a folder of their own.
half() {
    pids=()
    trap finish EXIT
    trap 'exit 1' INT TERM
    dir=$top/$transport
    mkdir "$dir" && cd "$dir" || exit 1
    for depth in 1 16; do
        stack_sends "stack,  $transport, depth $depth: sends"
        stack_reaches_sink "stack,  $transport, depth $depth: sends to a real sink"
        stack_receives "stack,  $transport, depth $depth: receives"
        driver_consumes "driver, $transport, depth $depth: consumes"
        driver_sends "driver, $transport, depth $depth: sends up"
    done
    exit $failed
}

for transport in shm socket; do
    half &
    pids+=($!)
done
for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
pids=()
exit $failed
