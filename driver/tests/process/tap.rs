//! The TAP backend, in a network namespace of its own: the tests run themselves again under `unshare -rn`, which needs no
//! root.

use std::env;
use std::fs;
use std::net::UdpSocket;
use std::process::Command;
use std::thread;
use std::time::Duration;

use etherparse::{PacketBuilder, SlicedPacket, TransportSlice};
use shared::control::TransportKind;
use shared::testing::skipped;

use super::driver::{Driver, command, folder};
use super::one_line_error;
use super::two_rings::Play;

/// Set in the process that runs in the namespace.
const INSIDE: &str = "PUSHBACK_TEST_INSIDE";

/// The addresses of the kernel's side, and of ours.
const KERNEL: &str = "10.9.0.1";
const OURS: &str = "10.9.0.2";
const OUR_MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

/// Runs the test `name` of this file in a namespace, and returns `true` if this process is there already. `false` also
/// if it had to be skipped.
fn in_namespace(name: &str) -> bool {
    if env::var_os(INSIDE).is_some() {
        return true;
    }
    if !fs::exists("/dev/net/tun").unwrap() {
        skipped("this system has no /dev/net/tun");
        return false;
    }
    let works = |program: &str, args: &[&str]| {
        Command::new(program).args(args).output().is_ok_and(|output| output.status.success())
    };
    if !works("unshare", &["-rn", "true"]) {
        skipped("unshare -rn is not possible here");
        return false;
    }
    if !works("ip", &["-V"]) {
        skipped("there is no program ip (iproute2)");
        return false;
    }
    let test = format!("tap::{name}");
    let mut inside = Command::new("unshare");
    inside.arg("-rn").arg(env::current_exe().unwrap()).args(["--exact", &test, "--nocapture"]).env(INSIDE, "1");
    let output = inside.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

fn ip(args: &str) {
    let output = Command::new("ip").args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {args}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A datagram from our side to a port of the kernel's side, whose link address is `mac`.
fn datagram(mac: [u8; 6], port: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let [from, to] = [OURS, KERNEL].map(|address| address.parse::<std::net::Ipv4Addr>().unwrap().octets());
    let builder = PacketBuilder::ethernet2(OUR_MAC, mac).ipv4(from, to, 64).udp(9, port);
    builder.write(&mut bytes, payload).unwrap();
    bytes
}

/// The payload of a datagram to port 9.
fn payload(frame: &[u8]) -> Option<Vec<u8>> {
    match SlicedPacket::from_ethernet(frame).ok()?.transport? {
        TransportSlice::Udp(udp) if udp.destination_port() == 9 => Some(udp.payload().to_vec()),
        _ => None,
    }
}

#[test]
fn datagrams_pass_between_a_kernel_socket_and_a_stack() {
    if !in_namespace("datagrams_pass_between_a_kernel_socket_and_a_stack") {
        return;
    }
    let folder = folder();
    for transport in [TransportKind::Shm, TransportKind::Socket] {
        let driver = Driver::start(&folder.path().join("driver.sock"), &["--backend=tap=tap7", "--link=10Gbit"]);
        ip(&format!("address add {KERNEL}/24 dev tap7"));
        ip(&format!("neighbour replace {OURS} lladdr 02:00:00:00:00:09 dev tap7"));
        let mac = mac_of("tap7");
        let socket = UdpSocket::bind((KERNEL, 0)).unwrap();
        let port = socket.local_addr().unwrap().port();
        // Only a test that fails waits as long.
        socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // As many as the queue of the interface and the buffer of the socket hold, so the kernel drops none.
        let numbers = 0..200u32;
        let feeder = socket.try_clone().unwrap();
        let sent = numbers.clone();
        let feed = thread::spawn(move || {
            for number in sent {
                feeder.send_to(&number.to_be_bytes(), (OURS, 9)).unwrap();
            }
        });
        let send = numbers.clone().map(|number| datagram(mac, port, &number.to_be_bytes())).collect();
        let counts = |frame: &[u8]| payload(frame).is_some();
        let play = Play { transport, depths: (16, 4), send, counts, expect: 200 };
        let played = play.with(&driver.socket);
        feed.join().unwrap();
        let received: Vec<_> = played.received.iter().filter_map(|frame| payload(frame)).collect();
        assert_eq!(received, numbers.clone().map(|number| number.to_be_bytes().to_vec()).collect::<Vec<_>>());
        for number in numbers {
            let mut bytes = [0; 4];
            socket.recv(&mut bytes).unwrap();
            assert_eq!(u32::from_be_bytes(bytes), number);
        }
        let report = played.bye.report.unwrap();
        let up = report.up.unwrap();
        assert!(up.submitted >= played.arrived && up.too_long == 0, "{up:?}");
        assert_eq!(report.backend.unwrap().kind, "tap");
        assert_eq!(driver.stop().status, Some(130));
    }
}

/// The link address of an interface, from what `ip` says of it.
fn mac_of(interface: &str) -> [u8; 6] {
    let output = Command::new("ip").args(["-brief", "link", "show", "dev", interface]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mac = text.split_whitespace().find(|word| word.matches(':').count() == 5).unwrap();
    let bytes: Vec<_> = mac.split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

#[test]
fn the_driver_gives_up_its_rights_and_says_what_is_wrong_with_an_interface() {
    if !in_namespace("the_driver_gives_up_its_rights_and_says_what_is_wrong_with_an_interface") {
        return;
    }
    let folder = folder();
    let socket = folder.path().join("driver.sock");
    let first = Driver::start(&socket, &["--backend=tap=tap1"]);
    let threads = fs::read_dir(format!("/proc/{}/task", first.pid())).unwrap();
    for thread in threads {
        let status = fs::read_to_string(thread.unwrap().path().join("status")).unwrap();
        let none = |line: &str| status.lines().any(|found| found.split_whitespace().eq(line.split_whitespace()));
        assert!(
            none("CapEff: 0000000000000000") && none("CapPrm: 0000000000000000") && none("NoNewPrivs: 1"),
            "{status}"
        );
    }
    let other = folder.path().join("other.sock");
    let wrong = |name: &str, parts: &[&str]| {
        let backend = format!("--backend=tap={name}");
        one_line_error(&["--socket", other.to_str().unwrap(), &backend], parts);
    };
    wrong("tap1", &["tap=tap1", "another process is attached"]);
    wrong("lo", &["no TAP interface", "ip link del lo"]);
    ip("tuntap add dev tun3 mode tun");
    wrong("tun3", &["no TAP interface"]);

    // A persistent interface: a large MTU is refused and left as it is; with the usual one, the interface is brought up.
    ip("tuntap add dev tap2 mode tap");
    ip("link set tap2 mtu 9000");
    wrong("tap2", &["MTU of 9000", "ip link set tap2 mtu 1500"]);
    ip("link set tap2 mtu 1500");
    let second = Driver::start(&other, &["--backend=tap=tap2"]);
    let shown = Command::new("ip").args(["link", "show", "dev", "tap2"]).output().unwrap();
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(",UP"), "{shown}");

    // An interface that vanishes in a session ends the driver.
    let mut client = shared::testing::Stack::connect(&second.socket);
    client.hello(TransportKind::Socket, vec![shared::testing::ring(4), shared::testing::receiving(4)]);
    client.accepted();
    ip("link del tap2");
    let bye = client.bye();
    assert!(matches!(&bye.reason, shared::control::ByeReason::Fault(why) if why.contains("tap2 is gone")), "{bye:?}");
    drop(client);
    let exit = second.wait();
    assert_eq!(exit.status, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains("the interface tap2 is gone; start the driver again"), "{}", exit.stderr);
}

#[test]
fn without_the_right_the_driver_says_which_one_is_missing() {
    if !in_namespace("without_the_right_the_driver_says_which_one_is_missing") {
        return;
    }
    let folder = folder();
    let socket = folder.path().join("driver.sock");
    // The driver itself gives up its capabilities, so `setpriv` or a second user is not needed to be without them: a
    // process in a new user namespace has none over the network of the old one.
    let mut unprivileged = Command::new("unshare");
    let plain = command(&["--backend=tap=tap5", "--socket", socket.to_str().unwrap()]);
    unprivileged.arg("-U").arg(plain.get_program()).args(plain.get_args());
    let output = unprivileged.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("CAP_NET_ADMIN") && said.contains("ip tuntap add dev tap5 mode tap user $USER"), "{said}");
}
