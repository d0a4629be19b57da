#!/usr/bin/env bash
# Connects the stack to the kernel through a TAP interface: scripts/real.sh [SECONDS]
#
# Builds, then runs both processes in a network namespace of their own, which needs no root: the driver makes the interface,
# the kernel has 10.0.0.2 and fd00::2 on it, and the stack 10.0.0.1 and fd00::1. The kernel pings the stack over IPv4 and
# IPv6, and sends datagrams to its sink; the stack sends requests to an echo of the kernel's side. After SECONDS (default 5)
# it prints what each side counted. Needs Linux with /dev/net/tun and user namespaces, iproute2, iputils-ping, python3 and
# util-linux. Everything is gone when the script ends.
set -euo pipefail
# shellcheck source=common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

offer_help "$@"
seconds=${1:-5}
[[ $seconds =~ ^[1-9][0-9]*$ && $# -le 1 ]] && ((seconds >= 4)) ||
    fail "$*: is not a number of seconds from 4 on, which the pings and the datagrams take; write one, as in $me 5"

# Gives up unless the command $1 is there, which is in the package $2.
need() {
    command -v "$1" >/dev/null || give_up "$1 is missing; install it (Debian package $2)"
}

# Outside of the namespace: checks, builds, and starts itself inside.
if [[ -z ${PUSHBACK_IN_NAMESPACE:-} ]]; then
    need ip iproute2
    need ping iputils-ping
    need python3 python3
    need unshare util-linux
    [[ -e /dev/net/tun ]] || give_up "/dev/net/tun is missing; load the module with: modprobe tun"
    build
    unshare --user --map-root-user --net true 2>/dev/null ||
        give_up "no network namespace can be made: run as root, or allow them with: sysctl kernel.unprivileged_userns_clone=1"
    programs=$(dirname "$lab")
    PUSHBACK_IN_NAMESPACE=$programs exec unshare --user --map-root-user --net "$0" "$@"
fi

programs=$PUSHBACK_IN_NAMESPACE
unset PUSHBACK_IN_NAMESPACE
work=$(mktemp -d)
children=()
# Ends what still runs, whatever happened; the interface goes with the namespace.
clean_up() {
    ((${#children[@]} == 0)) || kill "${children[@]}" 2>/dev/null || true
    rm -rf "$work"
}
trap clean_up EXIT

ip link set lo up
"$programs/driver" --socket "$work/socket" --backend tap=pushback0 --idle sleep --json "$work/driver.json" \
    --pcap "$work/frames.pcap" 2>"$work/driver.log" >"$work/ready" &
children+=($!)
driver=$!
until grep -q ready "$work/ready" "$work/driver.log" 2>/dev/null; do
    kill -0 "$driver" 2>/dev/null || give_up "the driver did not start: $(cat "$work/driver.log")"
    sleep 0.05
done
ip address add 10.0.0.2/24 dev pushback0
# Without nodad the kernel would wait for a second to see whether another host has the address.
ip address add fd00::2/64 dev pushback0 nodad
ip link set pushback0 up

# An echo on the kernel's side, as far end of the stack's requests.
python3 - "$work/echo" <<'PYTHON' &
import socket, sys
echo = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
echo.bind(("10.0.0.2", 7))
open(sys.argv[1], "w").close()
while True:
    payload, sender = echo.recvfrom(2048)
    echo.sendto(payload, sender)
PYTHON
children+=($!)
echo=$!
until [[ -e $work/echo ]]; do
    kill -0 "$echo" 2>/dev/null || give_up "the echo on the kernel's side did not start"
    sleep 0.05
done

"$programs/netstack" --socket "$work/socket" --idle sleep --quiet --duration "${seconds}s" --json "$work/stack.json" \
    --app reqresp:name=requests,via=echo,think=10ms,to=10.0.0.2:7 --app sink:name=sink,port=9 --app echo:name=echo,port=7 &
children+=($!)
stack=$!

echo "The kernel pings the stack:"
for address in 10.0.0.1 fd00::1; do
    # The first packet may have to wait for the stack to start.
    ping -c 1 -w 2 -q "$address" >/dev/null || true
    answered=$(ping -c 100 -i 0.005 -w 10 -q "$address") || give_up "$address does not answer: $answered"
    sed -n "/packets transmitted/s/^/  $address  /p; /rtt/s/^/  $address  /p" <<<"$answered"
done

echo "The kernel sends 10000 datagrams to the stack's sink:"
python3 - <<'PYTHON'
import socket, struct, time
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sender.connect(("10.0.0.1", 9))
begin = time.monotonic()
for number in range(10_000):
    # The header of the payloads of Pushback: magic, app, number, intended time.
    sender.send(struct.pack(">2sIQQ", b"PB", 1, number, time.monotonic_ns()) + bytes(100))
    # Slow enough for the interface's queue, which drops without a word.
    if number % 100 == 99:
        time.sleep(0.005)
print(f"  sent in {time.monotonic() - begin:.2f} s")
PYTHON

wait "$stack" || give_up "the stack failed with status $?"
# Read while there is an interface: it ends with the driver.
kernel=$(ip -s link show pushback0 | sed -n '3,6p')
kill -INT "$driver"
wait "$driver" || (($? == 130)) || give_up "the driver failed: $(cat "$work/driver.log")"

echo
echo "What the stack counted:"
python3 - "$work/stack.json" "$work/driver.json" <<'PYTHON'
import json, sys
stack, driver = (json.load(open(path)) for path in sys.argv[1:])
session = driver["sessions"][0]
up, down, own = stack["up"], stack["totals"], stack["stack"]
line = lambda name, text: print(f"  {name:<11}{text}")
reasons = lambda counts: ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"
line("down", f"offered {down['offered']} = accepted {down['accepted']} + refused {down['refused']}; "
     f"accepted = delivered {down['delivered']} + dropped {down['dropped']} + in flight {down['in_flight']} + lost {down['lost']}")
line("own", f"answers and requests: offered {own['offered']} = accepted {own['accepted']} + refused {own['refused']}")
totals = up["totals"]
line("up", f"received {totals['received']} = delivered {totals['delivered']} + consumed {totals['consumed']} "
     f"({reasons(up['consumed'])}) + dropped {totals['dropped']} ({reasons(up['drops'])}) + in flight {totals['in_flight']}")
for socket in up["sockets"]:
    line(socket["name"], f"port {socket['port']}: received {socket['received']}, missing {socket['missing']}, "
         f"reordered {socket['reordered']}, duplicates {socket['duplicates']}, dropped {socket['dropped']}")
line("balance", "the ledgers balance" if stack["ledger"]["balanced"] else f"NOT BALANCED: {stack['ledger']['violations']}")
print("What the driver counted:")
line("down", f"received {session['received']}, sent {session['sent']}")
line("up", f"submitted {session['up']['submitted']}, completed {session['up']['completed']}")
same = (session["up"]["submitted"] == totals["received"], session["sent"] == down["delivered"] + own["delivered"])
line("compared", "both sides agree" if all(same) else "THE SIDES DISAGREE")
sys.exit(not (all(same) and stack["ledger"]["balanced"]))
PYTHON
echo "What the kernel counted (it receives what the stack sends):"
echo "$kernel"
