//! A driver that lies to a whole stack: the run ends with a report, whose ledger balances and which
//! names the reason in one word. Bounds are on what the stack used, not on how long it took.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::thread;

use rustix::fs::SealFlags;
use shared::control::{Bye, ByeReason, Control};
use shared::report::{Ending, RunReport, WarningCode};
use shared::testing::{COMPLETED, Driver, Lie, PRODUCED, PRODUCER_EVENT, Parcel, Scribbler, listen, size_of_ring};

use super::{command, report};

/// A run that would take a minute if nothing ended it.
const RUN: [&str; 4] = ["--transport=shm", "--depth=8", "--duration=60s", "--idle=sleep"];

/// Runs the stack against `part`, and checks what must hold for every run that the driver breaks.
fn broken_by(part: impl FnOnce(Driver) + Send + 'static) -> RunReport {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, part);
    let (status, report) = report(&socket, &RUN);
    driver.join().unwrap();
    assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    assert_eq!(status, Some(3), "{:?}", report.ending);
    assert!(matches!(report.ending, Ending::PeerFailed(_)), "{:?}", report.ending);
    assert!(report.process.idle.sleeps < 10_000, "{} sleeps", report.process.idle.sleeps);
    report
}

#[test]
fn every_lie_ends_the_run_for_its_own_reason() {
    let liars = Lie::BY_DRIVER.map(|lie| {
        thread::spawn(move || {
            let report = broken_by(move |driver| {
                let mut peer = driver.share();
                lie.commit(&mut peer);
                peer.wire.read_to_end();
            });
            assert_eq!(report.violation.as_deref(), Some(lie.reason()), "{lie:?}: {:?}", report.ending);
        })
    });
    liars.into_iter().for_each(|liar| liar.join().unwrap());
}

#[test]
fn scribbling_over_every_shared_word_ends_in_a_reason() {
    for seed in 0..3 {
        let report = broken_by(move |driver| {
            let mut peer = driver.share();
            peer.full_ring();
            let scribbler = Scribbler::start(&peer.ring, seed);
            peer.wire.doorbells(32);
            peer.wire.read_to_end();
            drop(scribbler);
        });
        let known = ["INDEX_TOO_FAR", "INDEX_WENT_BACK", "UNKNOWN_STATUS", "DOORBELL_STORM"];
        assert!(known.contains(&report.violation.as_deref().unwrap_or_default()), "{:?}", report.ending);
    }
}

/// Runs the stack against `part`, which lets no session begin. The stack prints one line with the reason, and exits
/// with the status for a failed peer.
fn refused_with(says: &str, part: impl FnOnce(Driver) + Send + 'static) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, part);
    let output = command(&socket, &RUN).args(["--connect-timeout=500ms"]).output().unwrap();
    driver.join().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), said.lines().count()), (Some(3), 1), "{said}");
    assert!(said.contains(says), "{says} is not in: {said}");
}

fn refused_parcel(says: &str, parcel: impl FnOnce(u32, u64) -> Parcel + Send + 'static) {
    refused_with(says, |mut driver| {
        driver.hand_over(parcel);
        driver.wire.read_to_end();
    });
}

#[test]
fn memory_that_is_no_ring_is_refused_with_the_name_of_the_fault() {
    refused_parcel("not sealed", |depth, _| Parcel::unsealed(depth));
    let all = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    refused_parcel("cannot be mapped for reading and writing", move |depth, _| {
        Parcel::memory(size_of_ring(depth), all | SealFlags::FUTURE_WRITE)
    });
    refused_parcel("for a ring that takes", |depth, _| Parcel::truncated(depth));
    refused_parcel("generation", |depth, generation| Parcel::honest(depth, generation - 1));
    refused_parcel("where it had to hand the ring over", |depth, at| Parcel::honest(depth, at).labelled(b"GET / HT"));
    for count in [0, 2, 3, 20] {
        refused_parcel("descriptors instead of one", move |depth, at| Parcel::several(count, depth, at));
    }
    refused_parcel("no memory file", |_, _| Parcel::of(vec![OwnedFd::from(File::open("/dev/null").unwrap())]));
    refused_parcel("no memory file", |_, _| Parcel::of(vec![OwnedFd::from(UnixStream::pair().unwrap().0)]));
    refused_parcel("no memory file", |_, _| Parcel::of(vec![rustix::pipe::pipe().unwrap().0]));
}

#[test]
fn a_greeting_that_the_driver_does_not_complete_ends_after_a_timeout() {
    refused_with("did not answer within", |driver| driver.wire.wait_for_hang_up());
    refused_with("did not answer within", |mut driver| {
        driver.hello();
        driver.wire.send_bytes(&[3, 0, 0]);
        driver.wire.read_to_end();
    });
    refused_with("did not answer within", |mut driver| {
        driver.accept();
        driver.wire.read_to_end();
    });
}

/// The driver completes nothing and reads nothing.
#[test]
fn the_stack_sleeps_while_it_waits_for_a_driver_that_does_nothing_and_then_ends() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, |driver| {
        let peer = driver.share();
        peer.full_ring();
        peer.wire.wait_for_hang_up();
    });
    let flags = ["--transport=shm", "--depth=8", "--idle=sleep", "--duration=50ms", "--drain-timeout=50ms"];
    let (status, report) = report(&socket, &flags);
    driver.join().unwrap();
    assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    assert_eq!((status, report.totals.in_flight), (Some(3), 8));
    assert!(report.process.cpu_ns < 500_000_000, "2 s of waiting took {} ns of CPU", report.process.cpu_ns);
    assert!(report.process.idle.sleeps < 100, "{}", report.process.idle.sleeps);
}

/// The driver sends no message and moves no index: without the idle timeout, a run with `--packets` would never end.
#[test]
fn a_driver_that_is_silent_for_too_long_is_given_up() {
    for transport in ["--transport=shm", "--transport=socket"] {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("driver.sock");
        let driver = listen(&socket, move |mut driver| match transport {
            "--transport=shm" => {
                let mut peer = driver.share();
                peer.full_ring();
                peer.wire.read_to_end();
                assert!(peer.wire.alive > 0, "the stack has shown that it lives");
            }
            _ => {
                driver.accept();
                driver.wire.read_to_end();
            }
        });
        let flags = [transport, "--depth=8", "--packets=100", "--idle=sleep", "--idle-timeout=200ms"];
        let (status, report) = report(&socket, &flags);
        driver.join().unwrap();
        assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
        assert_eq!((status, report.violation.as_deref()), (Some(3), Some("PEER_SILENT")), "{:?}", report.ending);
        assert_eq!(report.totals.lost + report.totals.in_flight, report.totals.accepted);
    }
}

/// The driver sends signs of life, so no timeout ends the run: the lines name what is wrong while the run goes on.
#[test]
fn a_driver_that_lives_and_completes_nothing_is_named_on_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let (named, is_named) = std::sync::mpsc::channel();
    let driver = listen(&socket, move |mut driver| {
        driver.accept();
        is_named.recv().unwrap();
    });
    let flags = ["--transport=socket", "--depth=8", "--packets=100", "--idle=sleep", "--interval=200ms"];
    let mut stack = command(&socket, &flags).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(stack.stdout.take().unwrap()).lines().map(Result::unwrap);
    let line = lines.find(|line| line.contains("the driver has completed nothing for"));
    assert!(line.is_some_and(|line| line.contains("      8  ")), "8 slots are held");
    named.send(()).unwrap();
    driver.join().unwrap();
    lines.for_each(drop);
    assert_eq!(stack.wait().unwrap().code(), Some(3));
}

/// The driver serves the stack, but never rings: the watchdog wakes the stack, and counts each missing doorbell.
#[test]
fn the_doorbells_of_a_driver_that_never_rings_count_as_missed_and_no_packet_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("driver.sock");
    let driver = listen(&socket, |driver| {
        let mut peer = driver.share();
        (0..8).for_each(|place| peer.ring.completions(place, 1, 0, [99, 99]));
        for submitted in [8, 16, 24] {
            peer.ring.wait_for(PRODUCED, |count| count == submitted);
            peer.ring.wait_for(PRODUCER_EVENT, |event| event > 0);
            peer.ring.word(COMPLETED, submitted);
        }
        peer.bye();
        let report = Driver::honest_report(24, 24 * 1514);
        let bye = Bye { reason: ByeReason::Finished, frames: 24, report: Some(report) };
        peer.wire.send_control(&Control::Bye(Box::new(bye)));
        peer.wire.read_to_end();
    });
    let flags = ["--transport=shm", "--depth=8", "--idle=sleep", "--packets=24"];
    let (status, report) = report(&socket, &flags);
    driver.join().unwrap();
    assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    assert_eq!((status, report.totals.delivered, &report.ending), (Some(1), 24, &Ending::Finished));
    assert!((1..=3).contains(&report.doorbells.missed), "{:?}", report.doorbells);
    assert!(report.warnings.iter().any(|warning| warning.code == WarningCode::WakeUpsLost), "{:?}", report.warnings);
}
