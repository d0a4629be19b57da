//! Two drivers that are joined by a wire, each with a stack of its own.

use std::fs;
use std::path::Path;
use std::thread;

use rustix::process::Signal;
use shared::control::{ByeReason, TransportKind, encode_completion};
use shared::report::DriverFile;
use shared::ring::Completion;
use shared::testing::{Stack, receiving, ring};

use super::driver::{Driver, folder};
use super::one_line_error;
use super::two_rings::{Play, Played};

/// Frames that carry their number.
fn frames(count: u32) -> Vec<Vec<u8>> {
    let frame = |number: u32| [&[2; 12][..], &number.to_be_bytes(), &vec![7; number as usize % 1_400]].concat();
    (0..count).map(frame).collect()
}

/// The flags of a driver whose wire is `wire` in `folder`.
fn flags(folder: &Path) -> [String; 2] {
    [format!("--backend=wire={}", folder.join("wire.sock").display()), "--link=10Gbit".to_owned()]
}

fn driver(folder: &Path, name: &str, more: &[&str]) -> Driver {
    let flags = flags(folder);
    let flags: Vec<_> = flags.iter().map(String::as_str).chain(more.iter().copied()).collect();
    Driver::start(&folder.join(name), &flags)
}

/// Plays the same with both drivers at the same time. Returns what happened in each.
fn both(drivers: [&Driver; 2], play: &Play) -> [Played; 2] {
    thread::scope(|scope| {
        drivers.map(|driver| scope.spawn(|| play.clone().with(&driver.socket))).map(|played| played.join().unwrap())
    })
}

#[test]
fn both_stacks_get_every_frame_of_the_other_in_order_at_every_depth() {
    let folder = folder();
    let json = folder.path().join("first.json");
    let first = driver(folder.path(), "first.sock", &["--json", json.to_str().unwrap()]);
    let second = driver(folder.path(), "second.sock", &[]);
    let send = frames(1_000);
    for transport in [TransportKind::Shm, TransportKind::Socket] {
        for depths in [(1, 1), (2, 2), (64, 3), (3, 64)] {
            let play = Play { transport, depths, send: send.clone(), counts: |_| true, expect: 1_000 };
            let reports = both([&first, &second], &play).map(|played| {
                assert!(played.received == send, "{depths:?}: {} frames arrived", played.received.len());
                played.bye.report.unwrap()
            });
            for report in reports {
                let up = report.up.unwrap();
                assert_eq!((up.submitted, up.completed, up.too_long + up.too_short), (1_000, 1_000, 0));
                assert_eq!(
                    (up.bytes, report.sent_bytes),
                    (report.sent_bytes, send.iter().map(|f| f.len() as u64).sum())
                );
                assert_eq!((report.sent, report.backend.unwrap().kind.as_str()), (1_000, "wire"));
            }
        }
    }
    assert_eq!(second.stop().status, Some(130));
    assert_eq!(first.stop().status, Some(130));
    let file: DriverFile = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!((file.sessions.len(), file.sessions[0].up.unwrap().submitted), (8, 1_000));
    assert!(file.config["backend"].as_str().unwrap().starts_with("wire="));
    assert!(!folder.path().join("wire.sock").exists());
}

#[test]
fn a_third_driver_is_refused_and_a_peer_that_was_killed_is_replaced() {
    let folder = folder();
    let first = driver(folder.path(), "first.sock", &[]);
    let second = driver(folder.path(), "second.sock", &[]);
    let third = folder.path().join("third.sock");
    let socket = ["--socket", third.to_str().unwrap()];
    let wire = flags(folder.path());
    one_line_error(&[&socket[..], &[&wire[0]]].concat(), &["wire.sock", "two drivers are joined there already"]);
    let play = Play { transport: TransportKind::Shm, depths: (8, 8), send: frames(50), counts: |_| true, expect: 50 };
    both([&first, &second], &play);
    // First the driver that connected, then the one that listens: the other one then takes its place.
    second.signal(Signal::KILL);
    second.wait();
    let second = loop_until_joined(folder.path());
    both([&first, &second], &play);
    first.signal(Signal::KILL);
    first.wait();
    let first = loop_until_joined(folder.path());
    for played in both([&first, &second], &play) {
        assert_eq!(played.received, frames(50));
    }
}

/// Starts a driver. Until the other side has noticed that its peer is gone, it is refused.
fn loop_until_joined(folder: &Path) -> Driver {
    static NEXT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        if let Some(driver) = Driver::try_start(
            &folder.join(format!("{number}.sock")),
            &flags(folder).each_ref().map(|flag| flag.as_str()),
        ) {
            return driver;
        }
    }
}

#[test]
fn frames_wait_in_the_hardware_until_there_is_a_peer() {
    let folder = folder();
    let first = driver(folder.path(), "first.sock", &["--hw-queue=4"]);
    let send = frames(20);
    let play = Play { transport: TransportKind::Shm, depths: (8, 8), send, counts: |_| true, expect: 0 };
    let alone = thread::spawn({
        let (socket, play) = (first.socket.clone(), play.clone());
        move || play.with(&socket)
    });
    let second = driver(folder.path(), "second.sock", &[]);
    let other = Play { send: Vec::new(), expect: 20, ..play }.with(&second.socket);
    assert_eq!(other.received, frames(20));
    let report = alone.join().unwrap().bye.report.unwrap();
    assert!(report.hardware.occupancy_max <= 4 && report.held_max <= 8);
    assert!(report.backend.is_some() && report.sent == 20);
}

#[test]
fn a_completion_of_a_frame_that_was_not_submitted_ends_the_session() {
    let folder = folder();
    let wired = driver(folder.path(), "wired.sock", &[]);
    for (rings, says) in [(vec![ring(4), receiving(4)], "completed position 0"), (vec![ring(4)], "completion")] {
        let mut client = Stack::connect(&wired.socket);
        client.hello(TransportKind::Socket, rings);
        client.accepted();
        client.0.send_bytes(&encode_completion(&Completion::default()));
        let bye = client.bye();
        assert!(matches!(&bye.reason, ByeReason::Violation(what) if what.contains(says)), "{bye:?}");
    }
}

#[test]
fn a_driver_that_receives_nothing_leaves_the_ring_out() {
    let folder = folder();
    let model = Driver::start(&folder.path().join("model.sock"), &[]);
    let mut client = Stack::connect(&model.socket);
    client.hello(TransportKind::Shm, vec![receiving(8), ring(8)]);
    assert_eq!(client.accepted().rings, [ring(8)]);
    client.receive_memory();
    let report = client.leave(0).report.unwrap();
    assert_eq!((report.up, report.backend.unwrap().kind.as_str()), (None, "model"));
    let wired = driver(folder.path(), "wired.sock", &["--rx-depth=5"]);
    let mut client = Stack::connect(&wired.socket);
    client.hello(TransportKind::Shm, vec![receiving(8), ring(8)]);
    assert_eq!(client.accepted().rings, [ring(8), receiving(5)]);
    drop((client.receive_memory(), client.receive_memory()));
    assert_eq!(client.leave(0).report.unwrap().up.unwrap().submitted, 0);
}
