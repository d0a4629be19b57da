//! The driver's session in virtual time, with the ring's own producer on the other side.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::cell::RefCell;
use std::rc::Rc;

use driver::backend::Backend;
use driver::hardware::{self, Service};
use driver::session::{Dma, SessionEnd, SessionOutcome, Setup, Tables, serve};
use etherparse::PacketBuilder;
use proptest::prelude::*;
use proptest::sample::select;
use shared::connection::CloseReason;
use shared::control::{Bye, ByeReason, Control, Hello, TransportKind};
use shared::exec::{Clock, Interrupt, Signal, StopHandle, Tasks, Virtual, run};
use shared::ring::loopback::{LoopbackProducer, pair};
use shared::ring::{Completion, Depth, Descriptor, Producer, Status, WakePoint};
use shared::units::Nanos;

/// 1514 B at 1 Gbit/s, on the wire.
const FULL_NS: u64 = 12_304;

/// Keeps what was sent.
#[derive(Debug, Default)]
struct Recorder(Vec<(Vec<u8>, Nanos)>);

impl Backend for Recorder {
    fn sent(&mut self, frame: &[u8], at: Nanos) -> bool {
        self.0.push((frame.to_vec(), at));
        true
    }
}

/// The stack's end, as a test plays it.
struct Stack {
    ring: Producer<LoopbackProducer>,
    clock: Clock,
    interrupt: Rc<Interrupt>,
    completions: RefCell<Vec<Completion>>,
    completed: Signal,
}

impl Stack {
    async fn send(&self, sequence: u64, frame: &[u8]) {
        let permit = self.ring.reserve().await;
        let submitted = self.clock.now();
        let descriptor = Descriptor { len: frame.len() as u32, flow: 0, sequence, submitted };
        permit.submit(descriptor, frame, b"");
    }

    /// Waits until `frames` have completed.
    async fn completed(&self, frames: usize) {
        self.completed.wait_for(|| (self.completions.borrow().len() >= frames).then_some(())).await;
    }

    async fn bye(&self, reason: ByeReason) -> Bye {
        let frames = self.ring.stats().submitted;
        self.ring.connection().send_control(&Control::Bye(Box::new(Bye { reason, frames, report: None })));
        self.receive_bye().await
    }

    async fn receive_bye(&self) -> Bye {
        let received = self.ring.connection().arrived().wait_for(|| self.ring.connection().next_control()).await;
        match received {
            Control::Bye(bye) => *bye,
            other => panic!("not a farewell: {other:?}"),
        }
    }

    fn times(&self) -> Vec<u64> {
        self.completions.borrow().iter().map(|completion| completion.at.0).collect()
    }
}

/// Takes completions as they arrive, until the session is over.
async fn pump(stack: Rc<Stack>) {
    loop {
        let connection = stack.ring.connection();
        let next = || stack.ring.next_completion().map(Some).or_else(|| connection.closed().map(|_| None));
        let Some(completion) = connection.arrived().wait_for(next).await else { return };
        stack.completions.borrow_mut().push(completion);
        stack.completed.notify();
        assert!(stack.ring.outstanding() <= stack.ring.depth().get());
    }
}

fn hardware(queue: u32, link: &str) -> hardware::Config {
    hardware::Config::new(Depth::new(queue).unwrap(), link.parse().unwrap())
}

fn setup(hardware: hardware::Config, depth: u32) -> Setup<Recorder> {
    setup_with(hardware, depth, Interrupt::never())
}

fn setup_with(hardware: hardware::Config, depth: u32, interrupt: Interrupt) -> Setup<Recorder> {
    let setup = Setup::new(hardware, Depth::new(depth).unwrap(), Dma::Copy, Recorder::default()).unwrap();
    Setup { interrupt: Rc::new(interrupt), ..setup }
}

/// Runs a session with a stack that does what `play` does. Returns the outcome of the session and the result of `play`.
fn session<T: 'static, F: Future<Output = T> + 'static>(
    setup: Setup<Recorder>,
    play: impl FnOnce(Rc<Stack>) -> F + 'static,
) -> (SessionOutcome<Recorder>, T) {
    let clock = Clock::default();
    let (producer, consumer) = pair(setup.depth);
    let stack = Rc::new(Stack {
        ring: Producer::new(producer, setup.depth, clock.clone()),
        clock: clock.clone(),
        interrupt: Rc::clone(&setup.interrupt),
        completions: RefCell::default(),
        completed: Signal::default(),
    });
    let inner = clock.clone();
    let served = run(&clock, Virtual::default(), |tasks: Tasks| async move {
        let played = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&played);
        tasks.spawn(pump(Rc::clone(&stack)));
        tasks.spawn(async move {
            let value = play(Rc::clone(&stack)).await;
            slot.replace(Some(value));
            stack.ring.connection().close(CloseReason::PeerGone);
        });
        let served = serve(consumer, inner, setup).await;
        (served, played)
    });
    let (served, played) = served.unwrap();
    let report = &served.report;
    let counted = report.sent + report.bad_length + report.bad_header + report.bad_checksum + report.discarded;
    assert_eq!(report.received, counted);
    assert_eq!(served.backend.0.len() as u64, report.sent);
    let played = played.take().unwrap();
    (served, played)
}

fn datagram(payload: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(7, 9);
    builder.write(&mut bytes, &vec![0xab; payload]).unwrap();
    bytes
}

#[test]
fn the_link_is_kept_busy_at_every_depth() {
    for depth in [1, 2, 3, 16, 1024] {
        for queue in [1, 2, 256] {
            let (served, times) = session(setup(hardware(queue, "1Gbit"), depth), |stack| async move {
                for n in 0..3000 {
                    stack.send(n, &[0; 1514]).await;
                }
                stack.completed(3000).await;
                stack.bye(ByeReason::Finished).await;
                stack.times()
            });
            let expected: Vec<u64> = (1..=3000).map(|n| n * FULL_NS).collect();
            assert_eq!(times, expected, "depth {depth}, queue {queue}");
            let report = served.report;
            assert_eq!((report.received, report.sent, report.sent_bytes), (3000, 3000, 3000 * 1514));
            assert_eq!((report.ended.as_str(), report.held_max), ("finished", depth));
            assert_eq!(report.hardware.occupancy_max, queue.min(depth));
            let hardware = report.hardware;
            assert_eq!(
                (hardware.starved_ns, hardware.busy_ns, hardware.active_ns),
                (0, 3000 * FULL_NS, 3000 * FULL_NS)
            );
        }
    }
}

#[test]
fn a_completion_says_when_the_hardware_took_the_frame_and_when_it_completed_it() {
    for (queue, taken) in [(1, [0, 1, 2, 3]), (2, [0, 0, 1, 2]), (4, [0; 4])] {
        let (_, completions) = session(setup(hardware(queue, "1Gbit"), 4), |stack| async move {
            for n in 0..4 {
                stack.send(n, &[0; 1514]).await;
            }
            stack.completed(4).await;
            stack.bye(ByeReason::Finished).await;
            stack.completions.take()
        });
        let times: Vec<_> = completions.iter().map(|each| (each.taken.0, each.at.0)).collect();
        let expected: Vec<_> = (1..).zip(taken).map(|(at, taken)| (taken * FULL_NS, at * FULL_NS)).collect();
        assert_eq!(times, expected, "a queue of {queue}");
    }
}

#[test]
fn an_unlimited_link_completes_at_once() {
    let (served, times) = session(setup(hardware(1, "unlimited"), 3), |stack| async move {
        for n in 0..100 {
            stack.send(n, &[0; 60]).await;
        }
        stack.completed(100).await;
        stack.bye(ByeReason::Finished).await;
        stack.times()
    });
    assert_eq!(times, [0; 100]);
    assert_eq!((served.report.sent, served.ended), (100, SessionEnd::Finished));
}

#[test]
fn the_bytes_that_were_sent_are_those_that_were_submitted() {
    let send = |stack: Rc<Stack>| async move {
        for n in 0..20 {
            stack.send(n, &[n as u8; 60]).await;
        }
        stack.completed(20).await;
        stack.bye(ByeReason::Finished).await;
    };
    let (served, ()) = session(setup(hardware(3, "1Gbit"), 7), send);
    for (n, (bytes, at)) in served.backend.0.iter().enumerate() {
        assert_eq!((bytes.as_slice(), at.0), (&[n as u8; 60][..], (n as u64 + 1) * 84 * 8));
    }
    let tables = Tables::obtain(&hardware(3, "1Gbit"), Depth::new(7).unwrap(), Dma::None).unwrap();
    let (served, ()) = session(Setup { tables, ..setup(hardware(3, "1Gbit"), 7) }, send);
    assert!(served.backend.0.iter().all(|(bytes, _)| bytes.is_empty()));
}

#[test]
fn a_refused_frame_keeps_its_place_and_costs_the_link_nothing() {
    let (served, completions) = session(setup(hardware(8, "1Gbit"), 8), |stack| async move {
        for (n, len) in [1514, 13, 1514, 0, 0, 1514].into_iter().enumerate() {
            stack.send(n as u64, &vec![0; len]).await;
        }
        stack.completed(6).await;
        stack.bye(ByeReason::Finished).await;
        stack.completions.take()
    });
    let seen: Vec<_> = completions.iter().map(|c| (c.status, c.at.0)).collect();
    let (sent, bad) = (Status::Sent, Status::BadLength);
    let expected = [(sent, 1), (bad, 1), (sent, 2), (bad, 2), (bad, 2), (sent, 3)];
    assert_eq!(seen, expected.map(|(status, n)| (status, n * FULL_NS)));
    assert_eq!((served.report.bad_length, served.report.hardware.occupancy_max), (3, 3));
}

#[test]
fn nothing_but_refused_frames_is_no_deadlock() {
    let (served, times) = session(setup(hardware(1, "1Gbit"), 2), |stack| async move {
        for n in 0..50 {
            stack.send(n, b"short").await;
        }
        stack.completed(50).await;
        stack.bye(ByeReason::Finished).await;
        stack.times()
    });
    assert_eq!((times, served.report.bad_length), (vec![0; 50], 50));
}

#[test]
fn headers_and_checksums_are_checked_only_if_asked_for() {
    let play = |stack: Rc<Stack>| async move {
        let (good, mut header, mut checksum) = (datagram(100), datagram(100), datagram(100));
        header[12] = 0;
        checksum[99] ^= 1;
        for (n, frame) in [good.clone(), header, checksum, good].into_iter().enumerate() {
            stack.send(n as u64, &frame).await;
        }
        stack.completed(4).await;
        stack.bye(ByeReason::Finished).await.report.unwrap()
    };
    let (_, report) = session(Setup { verify: true, ..setup(hardware(4, "1Gbit"), 4) }, play);
    assert_eq!((report.sent, report.bad_header, report.bad_checksum), (2, 1, 1));
    let (_, report) = session(setup(hardware(4, "1Gbit"), 4), play);
    assert_eq!((report.sent, report.bad_header, report.bad_checksum), (4, 0, 0));
}

#[test]
fn a_farewell_is_answered_with_a_report_of_everything() {
    let (served, bye) = session(setup(hardware(2, "1Gbit"), 8), |stack| async move {
        for n in 0..8 {
            stack.send(n, &[0; 1514]).await;
        }
        stack.clock.sleep_until(Nanos(3 * FULL_NS)).await;
        stack.bye(ByeReason::Interrupted).await
    });
    assert_eq!((served.report.sent, served.report.discarded, served.report.received), (3, 5, 8));
    assert_eq!(served.ended, SessionEnd::StackInterrupted);
    assert_eq!((bye.frames, bye.report), (8, Some(served.report)));
}

#[test]
fn a_stack_that_vanishes_ends_the_session() {
    let (served, ()) = session(setup(hardware(2, "1Gbit"), 8), |stack| async move {
        for n in 0..8 {
            stack.send(n, &[0; 1514]).await;
        }
        stack.clock.sleep_until(Nanos(FULL_NS)).await;
    });
    assert_eq!(served.ended, SessionEnd::Failed(CloseReason::PeerGone));
    assert!(served.ended.peer_failed());
    assert_eq!((served.report.sent, served.report.received), (1, 8));
}

#[test]
fn an_interrupt_is_reported_to_the_stack() {
    let handle = StopHandle::new().unwrap();
    let setup = setup_with(hardware(2, "1Gbit"), 8, Interrupt::by(handle.clone()));
    let (served, bye) = session(setup, move |stack| async move {
        stack.send(0, &[0; 1514]).await;
        stack.clock.sleep_until(Nanos(5)).await;
        handle.stop();
        assert!(stack.interrupt.notice(), "as the real executor does in each turn");
        stack.receive_bye().await
    });
    assert_eq!((served.ended, bye.reason), (SessionEnd::Interrupted, ByeReason::Interrupted));
    assert_eq!(bye.report.map(|report| report.discarded), Some(1));
}

#[test]
fn a_message_that_does_not_belong_is_a_violation() {
    let (served, bye) = session(setup(hardware(2, "1Gbit"), 8), |stack| async move {
        let hello =
            Hello { transport: TransportKind::Socket, rings: Vec::new(), wake: WakePoint::Each, idle_timeout_ns: 1 };
        stack.ring.connection().send_control(&Control::Hello(hello));
        stack.receive_bye().await
    });
    assert!(served.ended.peer_failed());
    assert!(served.report.ended.contains("hello"), "{}", served.report.ended);
    assert_eq!(bye.reason, ByeReason::Violation(served.report.ended));
}

#[test]
fn a_stack_that_never_hangs_up_does_not_keep_the_driver() {
    let (served, ()) = session(setup(hardware(2, "1Gbit"), 8), |stack| async move {
        stack.bye(ByeReason::Finished).await;
        stack.clock.sleep_until(Nanos::from_secs(1)).await;
    });
    assert_eq!(served.ended, SessionEnd::Finished);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// For any hardware, any depth and any mix of frames: all frames complete, in order, none too early, and no bound
    /// is exceeded.
    #[test]
    fn every_frame_comes_back_in_order(
        depth in 1u32..40,
        queue in 1u32..40,
        link in prop_oneof![Just("unlimited"), Just("1Gbit"), Just("10Gbit"), Just("30Mbit")],
        exponential: bool,
        latency in prop_oneof![0u64..100, 0u64..100_000],
        stall in proptest::option::of(Just("every=70us,for=30us")),
        batch in prop_oneof![Just("frames=1,for=0ns"), Just("frames=8,for=40us")],
        // Frames of any length at any time, or of one length at one time; some of them are refused.
        frames in proptest::collection::vec(
            prop_oneof![1 => (0usize..1515, 0u64..40_000), 9 => (select(vec![60, 60, 60, 61, 3]), Just(0))],
            1..200,
        ),
    ) {
        let hardware = hardware::Config {
            service: if exponential { Service::Exponential } else { Service::Fixed },
            latency: Nanos(latency),
            stall: stall.map(|stall| stall.parse().unwrap()),
            coalesce: batch.parse().unwrap(),
            ..hardware(queue, link)
        };
        let total = frames.len();
        let lens: Vec<usize> = frames.iter().map(|(len, _)| *len).collect();
        let (served, completions) = session(setup(hardware, depth), move |stack| async move {
            for (n, (len, pause)) in frames.into_iter().enumerate() {
                if pause > 0 {
                    stack.clock.sleep_until(stack.clock.now() + Nanos(pause)).await;
                }
                stack.send(n as u64, &vec![n as u8; len]).await;
            }
            stack.completed(total).await;
            stack.bye(ByeReason::Finished).await;
            stack.completions.take()
        });
        prop_assert!(completions.iter().map(|c| c.position).eq(0..total as u64));
        prop_assert!(completions.is_sorted_by_key(|c| c.at));
        for (completion, len) in completions.iter().zip(&lens) {
            prop_assert_eq!(completion.status == Status::BadLength, *len < 14);
        }
        let sent = lens.iter().enumerate().filter(|(_, len)| **len >= 14).map(|(n, len)| vec![n as u8; *len]);
        prop_assert!(served.backend.0.iter().map(|(bytes, _)| bytes.clone()).eq(sent));
        let report = served.report;
        prop_assert_eq!((report.received, report.discarded), (total as u64, 0));
        prop_assert!(report.held_max <= depth && report.hardware.occupancy_max <= queue.min(depth));
        prop_assert_eq!(report.hardware.starved_ns, 0, "in virtual time no task is late");
    }
}
