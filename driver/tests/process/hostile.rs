//! Stacks that break the protocol: the session ends for the reason that belongs to the violation, the report counts it,
//! and the next stack is served. A driver that waits for such a stack to close its connection sleeps: the tests limit
//! the CPU time that it uses, not the time that passes.

use std::thread;
use std::time::Duration;

use rustix::fs::{FallocateFlags, fallocate, ftruncate};
use shared::control::{ByeReason, Control, TransportKind, preamble};
use shared::report::DriverFile;
use shared::testing::{COMPLETED, Lie, PRODUCED, PRODUCER_EVENT, Peer, Scribbler, Stack, cpu_time};
use tempfile::TempDir;

use super::driver::{Driver, folder};

/// The most CPU time in which a driver starts, serves a lying and an honest stack, and waits for a second. Without
/// sleep it would use that second.
const MOST_CPU: Duration = Duration::from_millis(400);

/// Starts a driver whose hardware needs no time, with its report in the same folder.
fn start() -> (TempDir, Driver) {
    let folder = folder();
    let json = folder.path().join("out.json");
    let flags = ["--link=unlimited", "--idle=sleep", "--json", json.to_str().unwrap()];
    let driver = Driver::start(&folder.path().join("driver.sock"), &flags);
    (folder, driver)
}

/// Runs a session without a violation.
fn serve_honestly(driver: &Driver) {
    let mut peer = Stack::share(&driver.socket, 8);
    peer.send(100);
    peer.wire.send_control(&Stack::farewell(100));
    let bye = peer.bye();
    assert_eq!((bye.reason, bye.frames), (ByeReason::Finished, 100));
}

fn wait_for(driver: &mut Driver, what: &str) {
    assert!(std::iter::repeat_with(|| driver.next_line()).any(|line| line.contains(what)));
}

/// Serves an honest stack, interrupts the driver, and returns its report.
fn finish((folder, mut driver): (TempDir, Driver), sessions: u32) -> DriverFile {
    serve_honestly(&driver);
    wait_for(&mut driver, &format!("session {sessions}: finished"));
    assert!(cpu_time(driver.pid()) < MOST_CPU, "{:?} of CPU", cpu_time(driver.pid()));
    let exit = driver.stop();
    assert_eq!(exit.status, Some(130), "{}", exit.stderr);
    assert!(!exit.stderr.contains("panicked"), "{}", exit.stderr);
    serde_json::from_slice(&std::fs::read(folder.path().join("out.json")).unwrap()).unwrap()
}

/// Runs a session with a stack that does `lie` and does not close its connection. Returns the driver's report.
fn report_of(lie: impl FnOnce(&mut Peer)) -> DriverFile {
    let (folder, mut driver) = start();
    let mut peer = Stack::share(&driver.socket, 8);
    lie(&mut peer);
    wait_for(&mut driver, "session 1: ");
    let file = finish((folder, driver), 2);
    assert_eq!(file.sessions.len(), 2);
    let sleeps = file.sessions[0].process.idle.sleeps;
    assert!(sleeps < 5_000, "{sleeps} sleeps");
    file
}

#[test]
fn every_violation_ends_its_session_for_its_own_reason() {
    let liars = Lie::BY_STACK.map(|lie| {
        thread::spawn(move || {
            let file = report_of(|peer| {
                lie.commit(peer);
                let bye = peer.bye();
                assert!(matches!(bye.reason, ByeReason::Violation(_)), "{lie:?}: {:?}", bye.reason);
            });
            let count = |name| file.endings.get(name).copied();
            assert_eq!((count(lie.reason()), count("FINISHED")), (Some(1), Some(1)), "{lie:?}: {:?}", file.endings);
        })
    });
    liars.into_iter().for_each(|liar| liar.join().unwrap());
}

#[test]
fn scribbling_over_every_shared_word_ends_in_a_reason() {
    for seed in 0..3 {
        let file = report_of(|peer| {
            let scribbler = Scribbler::start(&peer.ring, seed);
            peer.wire.doorbells(32);
            assert!(matches!(peer.bye().reason, ByeReason::Violation(_)));
            drop(scribbler);
        });
        let known = ["INDEX_TOO_FAR", "INDEX_WENT_BACK", "SLOT_LENGTH", "DOORBELL_STORM"];
        assert!(known.iter().any(|name| file.endings.contains_key(*name)), "{:?}", file.endings);
    }
}

#[test]
fn memory_cannot_be_truncated_and_zeroed_memory_is_an_index_that_goes_back() {
    let file = report_of(|peer| {
        assert_eq!(ftruncate(peer.ring.file(), 0), Err(rustix::io::Errno::PERM));
        peer.send(8);
        let all = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        fallocate(peer.ring.file(), all, 0, peer.ring.large_at(8)).unwrap();
        peer.wire.doorbells(1);
        assert!(matches!(peer.bye().reason, ByeReason::Violation(_)));
    });
    assert_eq!(file.endings.get("INDEX_WENT_BACK"), Some(&1), "{:?}", file.endings);
}

#[test]
fn the_memory_of_a_session_that_is_over_has_no_effect() {
    let (folder, mut driver) = start();
    let mut peer = Stack::share(&driver.socket, 8);
    let stale = peer.ring.again();
    peer.wire.send_control(&Stack::farewell(0));
    assert_eq!(peer.bye().reason, ByeReason::Finished);
    drop(peer);
    wait_for(&mut driver, "session 1: finished");
    let _scribbler = Scribbler::start(&stale, 1);
    let file = finish((folder, driver), 2);
    assert_eq!(file.endings.get("FINISHED"), Some(&2), "{:?}", file.endings);
}

/// The driver's doorbells fill the socket, because the stack reads none of them. The driver goes on.
#[test]
fn a_stack_that_reads_nothing_from_its_socket_is_served() {
    let file = report_of(|peer| {
        for count in 1..=1_000u64 {
            peer.ring.word(PRODUCER_EVENT, count);
            peer.ring.frames(((count - 1) % 8) as u32, 60, 1);
            peer.ring.word(PRODUCED, count);
            peer.wire.doorbells(1);
            peer.ring.wait_for(COMPLETED, |completed| completed == count);
        }
        peer.wire.send_control(&Stack::farewell(1_000));
    });
    assert_eq!(file.endings.get("FINISHED"), Some(&2), "{:?}", file.endings);
    assert_eq!(file.sessions[0].sent, 1_000);
}

/// Without the idle timeout, a peer that is silent after the grant would keep all other stacks from being served.
#[test]
fn the_session_of_a_silent_stack_ends_and_the_next_stack_is_served() {
    let folder = folder();
    let json = folder.path().join("out.json");
    let flags = ["--link=unlimited", "--idle=sleep", "--idle-timeout=100ms", "--json", json.to_str().unwrap()];
    for transport in [TransportKind::Shm, TransportKind::Socket] {
        let mut driver = Driver::start(&folder.path().join("driver.sock"), &flags);
        let mut silent = Stack::greet(&driver.socket, transport, 8);
        silent.accepted();
        let bye = match transport {
            TransportKind::Shm => {
                while let Err(error) = shared::ring::shm::receive(&silent.0) {
                    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
                }
                silent.bye()
            }
            TransportKind::Socket => silent.bye(),
        };
        assert!(matches!(&bye.reason, ByeReason::Violation(what) if what.contains("silent for 100ms")), "{bye:?}");
        assert!(silent.0.alive > 0, "the driver has shown that it lives");
        drop(silent);
        wait_for(&mut driver, "session 1: the peer was silent");
        serve_honestly(&driver);
        assert_eq!(driver.stop().status, Some(130));
        let file: DriverFile = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!((file.endings.get("PEER_SILENT"), file.endings.get("FINISHED")), (Some(&1), Some(&1)));
    }
    let once = Driver::start(&folder.path().join("driver.sock"), &[&flags[..], &["--once"]].concat());
    let mut silent = Stack::greet(&once.socket, TransportKind::Socket, 8);
    silent.accepted();
    silent.bye();
    drop(silent);
    assert_eq!(once.wait().status, Some(3));
}

/// The stack sends no frame, only signs of life, until it has received several from the driver.
#[test]
fn a_stack_that_sends_only_signs_of_life_keeps_its_session() {
    let folder = folder();
    let driver = Driver::start(&folder.path().join("driver.sock"), &["--idle-timeout=2s", "--once"]);
    let mut alive = Stack::greet(&driver.socket, TransportKind::Socket, 8);
    alive.accepted();
    let mut ring = alive.0.try_clone();
    let seen = thread::spawn(move || {
        // The driver sends one every half second. After four of them without an answer, the session would be over.
        alive.0.wait_for_alive(5);
        alive
    });
    while !seen.is_finished() {
        ring.send_control(&Control::Alive);
        thread::park_timeout(Duration::from_millis(100));
    }
    assert_eq!(seen.join().unwrap().leave(0).reason, ByeReason::Finished);
    assert_eq!(driver.wait().status, Some(0));
}

#[test]
fn incomplete_greetings_do_not_delay_others_and_are_counted() {
    let (folder, mut driver) = start();
    let mut silent = Stack::connect(&driver.socket);
    silent.0.send_bytes(&preamble()[..3]);
    let mut greeted = Stack::connect(&driver.socket);
    greeted.0.send_bytes(&preamble());
    serve_honestly(&driver);
    wait_for(&mut driver, "session 1: finished");
    let mut gone = Stack::greet(&driver.socket, TransportKind::Shm, 8);
    gone.accepted();
    drop(gone);
    wait_for(&mut driver, "session 2: ");
    assert!(silent.0.receive().is_none() && greeted.0.receive().is_none(), "the driver hangs up");
    let file = finish((folder, driver), 3);
    assert_eq!(file.turned_away.get("SAID_NOTHING"), Some(&2), "{:?}", file.turned_away);
    assert_eq!(file.endings.get("PEER_GONE"), Some(&1), "{:?}", file.endings);
}
