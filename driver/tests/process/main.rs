//! The driver as a process: what it prints, which clients it serves, how it ends. No test sleeps: each waits for output
//! of the process.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
#![allow(clippy::print_stderr, reason = "a test prints why it is skipped")]

mod accept_loop;
mod driver;
mod hostile;
mod tap;
mod two_rings;
mod wire;

use std::fs::{self, File};

use assert_cmd::assert::OutputAssertExt;
use etherparse::PacketBuilder;
use pcap_file::pcap::PcapReader;
use rustix::process::Signal;
use shared::control::TransportKind::Socket;
use shared::control::{ByeReason, PREAMBLE_LEN, RefuseCode, VERSION, preamble};
use shared::report::DriverFile;
use shared::ring::Status;
use shared::testing::{Stack, ring};

use driver::{Driver, command, folder, transmit};

fn datagram(payload: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(7, 9);
    builder.write(&mut bytes, &vec![0xab; payload]).unwrap();
    bytes
}

/// The driver fails with one line on standard error, which contains all of `parts`.
fn one_line_error(flags: &[&str], parts: &[&str]) {
    let output = command(flags).output().unwrap();
    let line = String::from_utf8(output.stderr.clone()).unwrap();
    output.assert().code(2).stdout("");
    assert_eq!(line.lines().count(), 1, "{line}");
    for part in parts {
        assert!(line.contains(part), "{part} is not in: {line}");
    }
}

#[test]
fn help_names_every_flag() {
    let output = command(&["--help"]).output().unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    output.assert().success().stderr("");
    for flag in ["--socket", "--depth", "--hw-queue", "--link", "--service", "--latency", "--stall", "--coalesce"] {
        assert!(text.contains(flag), "{flag}");
    }
    for flag in ["--dma", "--verify", "--idle", "--seed", "--once", "--pcap", "--json", "PUSHBACK_HW_QUEUE"] {
        assert!(text.contains(flag), "{flag}");
    }
}

#[test]
fn wrong_flags_are_one_line_with_the_remedy() {
    one_line_error(&["--depth", "0"], &["--depth", "'0'", "1 to 65536"]);
    one_line_error(&["--depth", "65537"], &["65537", "1 to 65536"]);
    one_line_error(&["--link", "1000"], &["--link", "1000", "1000kbit"]);
    one_line_error(&["--bandwidth", "1"], &["--bandwidth", "--help"]);
    one_line_error(&["--service", "random"], &["random", "fixed, exponential"]);
    one_line_error(&["--stall", "every=1ms,for=2ms"], &["--stall", "shorter"]);
    one_line_error(&["--dma", "none", "--verify"], &["--dma none", "--verify", "drop one"]);
}

#[test]
fn files_that_cannot_be_written_are_an_error_at_the_start() {
    let folder = folder();
    let socket = folder.path().join("driver.sock");
    let socket = socket.to_str().unwrap();
    one_line_error(&["--socket", socket, "--json", "/missing/out.json"], &["--json /missing/out.json", "folder"]);
    one_line_error(&["--socket", socket, "--pcap", "/missing/out.pcap"], &["--pcap /missing/out.pcap", "folder"]);
    one_line_error(&["--socket", "/proc/driver.sock"], &["--socket /proc/driver.sock", "folder"]);
    assert!(!folder.path().join("driver.sock").exists());
}

#[test]
fn a_signal_ends_the_driver_which_writes_its_report_and_removes_its_socket() {
    for signal in [Signal::INT, Signal::TERM] {
        let folder = folder();
        let json = folder.path().join("out.json");
        let driver = Driver::start(&folder.path().join("driver.sock"), &["--json", json.to_str().unwrap()]);
        driver.signal(signal);
        let socket = driver.socket.clone();
        assert_eq!(driver.wait().status, Some(130));
        assert!(!socket.exists());
        let file: DriverFile = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
        assert_eq!((file.schema.as_str(), file.sessions.len()), ("pushback.driver/2", 0));
        assert_eq!(file.config["hw_queue"], 256);
    }
}

#[test]
fn a_live_driver_keeps_its_path() {
    let folder = folder();
    let mut first = Driver::start(&folder.path().join("driver.sock"), &[]);
    let path = first.socket.to_str().unwrap().to_owned();
    one_line_error(&["--socket", &path], &[&path, "a driver listens there already", "another path"]);
    assert!(
        first.next_line().contains("closed the connection"),
        "the first driver has seen the connection of the second"
    );
    Stack::greet(&first.socket, Socket, 4).accepted();
}

#[test]
fn the_socket_of_a_dead_driver_is_replaced() {
    let folder = folder();
    let dead = Driver::start(&folder.path().join("driver.sock"), &[]);
    let socket = dead.socket.clone();
    dead.signal(Signal::KILL);
    assert_eq!(dead.wait().status, None);
    assert!(socket.exists());
    let next = Driver::start(&socket, &[]);
    Stack::greet(&next.socket, Socket, 4).accepted();
}

#[test]
fn other_protocols_and_garbage_do_not_harm_other_clients() {
    let folder = folder();
    let mut driver = Driver::start(&folder.path().join("driver.sock"), &[]);
    let mut half_open = Stack::connect(&driver.socket);
    half_open.0.send_bytes(&preamble()[..3]);

    let mut stranger = Stack::connect(&driver.socket);
    stranger.0.send_bytes(b"GET / HTTP/1.1\r\n\r\n");
    assert!(driver.next_line().contains("does not speak this protocol"));

    let refused = |bytes: &[u8]| {
        let mut client = Stack::connect(&driver.socket);
        client.0.send_bytes(&[&preamble()[..], bytes].concat());
        let refuse = client.refused();
        assert!(client.0.receive().is_none(), "the driver hangs up");
        (refuse.code, refuse.reason)
    };
    let too_long = refused(&[3, 0, 0, 0, 255, 255, 255, 255]);
    assert!(too_long.0 == RefuseCode::BadGreeting && too_long.1.contains("65536"), "{too_long:?}");
    let garbage = refused(&[3, 0, 0, 0, 4, 0, 0, 0, 99, 99, 99, 99]);
    assert_eq!(garbage.0, RefuseCode::BadGreeting);
    assert_eq!(refused(&[1; 32]).0, RefuseCode::BadGreeting, "a frame before the greeting");

    let mut fine = Stack::greet(&driver.socket, Socket, 4);
    assert_eq!(fine.accepted().rings, [ring(4)]);
}

#[test]
fn another_version_is_refused_with_both_versions() {
    let folder = folder();
    let driver = Driver::start(&folder.path().join("driver.sock"), &[]);
    let mut client = Stack::connect(&driver.socket);
    let mut future = preamble();
    future[4..PREAMBLE_LEN].copy_from_slice(&(VERSION + 1).to_le_bytes());
    client.0.send_bytes(&future);
    let refuse = client.refused();
    assert_eq!(refuse.code, RefuseCode::Version);
    assert!(refuse.reason.contains(&format!("version {VERSION}, not {}", VERSION + 1)), "{}", refuse.reason);
}

#[test]
fn invalid_rings_are_refused_with_the_remedy() {
    let folder = folder();
    let driver = Driver::start(&folder.path().join("driver.sock"), &[]);
    for rings in [vec![], vec![ring(0)], vec![ring(65_537)], vec![ring(8); 2]] {
        let mut client = Stack::connect(&driver.socket);
        client.hello(Socket, rings);
        let refuse = client.refused();
        assert_eq!(refuse.code, RefuseCode::InvalidRing);
        assert!(refuse.reason.contains("ask for") || refuse.reason.contains("1 to 65536"), "{}", refuse.reason);
    }
}

#[test]
fn a_second_stack_is_refused_as_busy_and_served_later() {
    let folder = folder();
    let mut driver = Driver::start(&folder.path().join("driver.sock"), &["--depth", "7"]);
    let mut first = Stack::greet(&driver.socket, Socket, 100);
    let accept = first.accepted();
    assert_eq!((accept.generation, accept.rings[0].depth), (1, 7));
    assert_eq!(accept.link_bits_per_second, Some(1_000_000_000));
    assert!(accept.settings.contains(r#""hw_queue":256"#), "{}", accept.settings);
    let refuse = Stack::greet(&driver.socket, Socket, 4).refused();
    assert_eq!(refuse.code, RefuseCode::Busy);
    assert_eq!(first.leave(0).reason, ByeReason::Finished);
    assert!(std::iter::repeat_with(|| driver.next_line()).any(|line| line.contains("session 1: finished")));
    let second = Stack::greet(&driver.socket, Socket, 4).accepted();
    assert_eq!((second.generation, second.rings[0].depth), (2, 4));
    assert_eq!(driver.stop().status, Some(130));
}

#[test]
fn a_session_over_the_socket_is_served_and_reported() {
    let folder = folder();
    let (json, pcap) = (folder.path().join("out.json"), folder.path().join("out.pcap"));
    let flags = ["--once", "--verify", "--json", json.to_str().unwrap(), "--pcap", pcap.to_str().unwrap()];
    let driver = Driver::start(&folder.path().join("driver.sock"), &flags);
    let mut frames: Vec<_> = (0..3_000).map(|n| datagram(n % 1_400)).collect();
    frames[1_000][40] ^= 0xff;
    let mut client = Stack::greet(&driver.socket, Socket, 64);
    client.accepted();
    let (completions, bye) = transmit(client, 64, frames.clone());
    let exit = driver.wait();
    assert_eq!(exit.status, Some(0), "{}", exit.stderr);
    assert!(exit.stdout.is_empty() && exit.stderr.contains("session 1: finished; 3000 frames"), "{exit:?}");

    let bad: Vec<_> = completions.iter().filter(|c| c.status != Status::Sent).collect();
    assert_eq!(bad.iter().map(|c| (c.position, c.status)).collect::<Vec<_>>(), [(1_000, Status::BadChecksum)]);
    assert!(completions.is_sorted_by_key(|completion| completion.at));
    let report = bye.report.unwrap();
    assert_eq!((report.received, report.sent, report.bad_checksum, report.discarded), (3_000, 2_999, 1, 0));
    assert!(report.held_max <= 64 && report.hardware.occupancy_max <= 64);
    assert!(report.process.cpu_ns > 0);
    let file: DriverFile = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(file.sessions, [report]);

    let mut capture = PcapReader::new(File::open(pcap).unwrap()).unwrap();
    let good = frames.iter().enumerate().filter(|(n, _)| *n != 1_000);
    for (n, frame) in good {
        assert_eq!(*capture.next_packet().unwrap().unwrap().data, **frame, "frame {n}");
    }
    assert!(capture.next_packet().is_none());
}

#[test]
fn a_report_on_standard_output_is_the_only_text_there() {
    let folder = folder();
    let socket = folder.path().join("driver.sock");
    let mut command = command(&["--json", "-", "--once"]);
    command.arg("--socket").arg(&socket).stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let mut ready = String::new();
    std::io::BufRead::read_line(&mut stderr, &mut ready).unwrap();
    assert!(ready.contains("ready on"), "{ready}");
    let mut client = Stack::greet(&socket, Socket, 4);
    client.accepted();
    client.leave(0);
    let output = child.wait_with_output().unwrap();
    let file: DriverFile = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((file.sessions.len(), output.status.code()), (1, Some(0)));
}

#[test]
fn a_report_that_cannot_be_written_at_the_end_is_not_a_usage_error() {
    let folder = folder();
    let exit = Driver::start(&folder.path().join("driver.sock"), &["--json", "/dev/full"]).stop();
    assert_eq!(exit.status, Some(1), "{}", exit.stderr);
    assert!(exit.stderr.contains("--json /dev/full"), "{}", exit.stderr);
}

#[test]
fn an_interrupted_driver_sends_its_farewell() {
    let folder = folder();
    let driver = Driver::start(&folder.path().join("driver.sock"), &[]);
    let mut client = Stack::greet(&driver.socket, Socket, 4);
    client.accepted();
    driver.signal(Signal::INT);
    let bye = client.bye();
    assert_eq!(bye.reason, ByeReason::Interrupted);
    assert_eq!(bye.report.map(|report| report.ended).as_deref(), Some("the driver was interrupted"));
    drop(client);
    let exit = driver.wait();
    assert_eq!(exit.status, Some(130), "{}", exit.stderr);
}

#[test]
fn with_once_the_exit_status_shows_that_the_stack_failed() {
    let folder = folder();
    let socket = folder.path().join("driver.sock");
    let gone = Driver::start(&socket, &["--once"]);
    Stack::greet(&socket, Socket, 4).accepted();
    let exit = gone.wait();
    assert_eq!(exit.status, Some(3));
    assert!(exit.stderr.contains("the peer closed the connection"), "{}", exit.stderr);

    let violated = Driver::start(&socket, &["--once"]);
    let mut client = Stack::greet(&socket, Socket, 4);
    client.accepted();
    client.0.send_bytes(&[77; 100]);
    assert!(matches!(client.bye().reason, ByeReason::Violation(what) if what.contains("77")));
    assert_eq!(violated.wait().status, Some(3));

    let miscounted = Driver::start(&socket, &["--once"]);
    let mut client = Stack::greet(&socket, Socket, 4);
    client.accepted();
    client.0.send_control(&Stack::farewell(5));
    let bye = client.bye();
    assert!(matches!(&bye.reason, ByeReason::Violation(what) if what.contains("5 frames")), "{:?}", bye.reason);
    assert_eq!(bye.frames, 0);
    drop(client);
    assert_eq!(miscounted.wait().status, Some(3), "its own books balance");
}
