//! The driver's session with both rings, in virtual time, with a backend that a test controls.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use driver::backend::Backend;
use driver::hardware;
use driver::session::{Dma, SessionEnd, SessionOutcome, Setup, SteppedSession, serve_both};
use futures_util::future::join4;
use proptest::prelude::*;
use shared::connection::{CloseReason, Connection};
use shared::control::{Bye, ByeReason, Control};
use shared::exec::{Clock, Park, Readiness, Signal, Virtual, run};
use shared::ring::loopback::{LoopbackConsumer, LoopbackProducer, ring};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, MAX_FRAME, Producer, Status};
use shared::units::Nanos;

/// 1514 B at 1 Gbit/s, on the wire.
const FULL_NS: u64 = 12_304;

/// The interface, as the test sees it.
#[derive(Debug, Default)]
struct Interface {
    /// Frames that have arrived and were not read.
    arrived: RefCell<VecDeque<Vec<u8>>>,
    /// When the session tried to read.
    reads: RefCell<Vec<u64>>,
    /// How many frames it takes before it is blocked; `None` is any number.
    takes: Cell<Option<u64>>,
    sent: RefCell<Vec<(Vec<u8>, u64)>>,
    failure: RefCell<Option<String>>,
    readiness: Rc<Readiness>,
}

impl Interface {
    fn arrive(&self, frame: Vec<u8>) {
        self.arrived.borrow_mut().push_back(frame);
        self.readiness.notify();
    }

    /// Takes this many more frames.
    fn take(&self, frames: Option<u64>) {
        self.takes.set(frames);
        self.readiness.notify();
    }
}

struct Fake(Rc<Interface>);

impl Backend for Fake {
    fn sent(&mut self, frame: &[u8], at: Nanos) -> bool {
        match self.0.takes.get() {
            Some(0) => return false,
            left => self.0.takes.set(left.map(|left| left - 1)),
        }
        self.0.sent.borrow_mut().push((frame.to_vec(), at.0));
        true
    }

    fn receives(&self) -> bool {
        true
    }

    fn receive(&mut self, into: &mut [u8], now: Nanos) -> Option<usize> {
        self.0.reads.borrow_mut().push(now.0);
        let frame = self.0.arrived.borrow_mut().pop_front()?;
        let fits = frame.len().min(into.len());
        into[..fits].copy_from_slice(&frame[..fits]);
        Some(frame.len())
    }

    fn failed(&self) -> Option<String> {
        self.0.failure.borrow().clone()
    }
}

/// The stack's ends of both rings, and the interface.
struct Stack {
    down: Producer<LoopbackProducer>,
    up: LoopbackConsumer,
    clock: Clock,
    interface: Rc<Interface>,
    completions: RefCell<Vec<Completion>>,
    completed: Signal,
    taken: Cell<u64>,
}

impl Stack {
    async fn send(&self, sequence: u64, frame: &[u8]) {
        let permit = self.down.reserve().await;
        let submitted = self.clock.now();
        permit.submit(Descriptor { len: frame.len() as u32, flow: 0, sequence, submitted }, frame, b"");
    }

    /// Waits until `frames` that were sent have completed.
    async fn completed(&self, frames: usize) {
        self.completed.wait_for(|| (self.completions.borrow().len() >= frames).then_some(())).await;
    }

    /// Takes the next frame that arrives, without completing it.
    async fn take(&self) -> (Descriptor, Vec<u8>) {
        let mut buffer = [0; MAX_FRAME];
        let taken = || self.up.take(Some(&mut buffer)).map(|(descriptor, frame)| (descriptor, frame.to_vec()));
        self.up.connection().arrived().wait_for(taken).await
    }

    /// Completes the oldest frame that was taken.
    fn complete(&self) {
        let (position, at) = (self.taken.get(), self.clock.now());
        self.taken.set(position + 1);
        self.up.complete(Completion { position, status: Status::Sent, taken: at, at });
    }

    async fn wait_until(&self, at: u64) {
        self.clock.sleep_until(Nanos(at)).await;
    }

    async fn receive_bye(&self) -> Bye {
        let connection = self.down.connection();
        match connection.arrived().wait_for(|| connection.next_control()).await {
            Control::Bye(bye) => *bye,
            other => panic!("not a farewell: {other:?}"),
        }
    }

    async fn bye(&self) -> Bye {
        let frames = self.down.stats().submitted;
        let bye = Bye { reason: ByeReason::Finished, frames, report: None };
        self.down.connection().send_control(&Control::Bye(Box::new(bye)));
        self.receive_bye().await
    }

    fn times(&self) -> Vec<u64> {
        self.completions.borrow().iter().map(|completion| completion.at.0).collect()
    }
}

/// Takes completions as they arrive, until the session is over.
async fn pump(stack: Rc<Stack>) {
    loop {
        let connection = stack.down.connection();
        let next = || stack.down.next_completion().map(Some).or_else(|| connection.closed().map(|_| None));
        let Some(completion) = connection.arrived().wait_for(next).await else { return };
        stack.completions.borrow_mut().push(completion);
        stack.completed.notify();
    }
}

/// The two sides of a session on rings of `depths` slots: the stack, and what the driver's session needs.
struct Sides {
    stack: Rc<Stack>,
    clock: Clock,
    consumer: LoopbackConsumer,
    producer: Producer<LoopbackProducer>,
    setup: Setup<Fake>,
}

fn sides(link: &str, (depth, rx_depth): (u32, u32)) -> Sides {
    let (depth, rx_depth) = (Depth::new(depth).unwrap(), Depth::new(rx_depth).unwrap());
    let clock = Clock::default();
    let (left, right) = Connection::in_process();
    let (down, consumer) = ring(&left, &right, depth);
    let (producer, up) = ring(&right, &left, rx_depth);
    let interface: Rc<Interface> = Rc::default();
    let hardware = hardware::Config::new(Depth::new(4).unwrap(), link.parse().unwrap());
    let setup = Setup::new(hardware, depth, Dma::Copy, Fake(Rc::clone(&interface))).unwrap();
    let setup = Setup { readiness: Rc::clone(&interface.readiness), ..setup };
    let stack = Rc::new(Stack {
        down: Producer::new(down, depth, clock.clone()),
        up,
        clock: clock.clone(),
        interface,
        completions: RefCell::default(),
        completed: Signal::default(),
        taken: Cell::new(0),
    });
    let producer = Producer::new(producer, rx_depth, clock.clone());
    Sides { stack, clock, consumer, producer, setup }
}

/// Runs a session on rings of `depths` slots with a stack that does what `play` does.
fn session<T: 'static, F: Future<Output = T> + 'static>(
    link: &str,
    depths: (u32, u32),
    play: impl FnOnce(Rc<Stack>) -> F + 'static,
) -> (SessionOutcome<Fake>, T) {
    let Sides { stack, clock, consumer, producer, setup } = sides(link, depths);
    let inner = clock.clone();
    let served = run(&clock, Virtual::default(), |tasks| async move {
        let played = Rc::new(RefCell::new(None));
        let slot = Rc::clone(&played);
        tasks.spawn(pump(Rc::clone(&stack)));
        tasks.spawn(async move {
            let value = play(Rc::clone(&stack)).await;
            slot.replace(Some(value));
            stack.down.connection().close(CloseReason::PeerGone);
        });
        (serve_both(consumer, Some(producer), inner, setup).await, played)
    });
    let (served, played) = served.unwrap();
    let played = played.take().unwrap();
    (served, played)
}

/// A park beside a session that it steps, as a simulation does.
struct Beside(Virtual, SteppedSession<Fake, LoopbackProducer>);

impl Park for Beside {
    fn now(&mut self) -> Nanos {
        self.0.now()
    }

    fn step(&mut self) -> bool {
        self.1.step(self.0.now())
    }

    fn exchange(&mut self) -> bool {
        self.0.exchange()
    }

    fn next_turn(&mut self, timer: Option<Nanos>) -> Option<Nanos> {
        match timer {
            Some(timer) => Some(self.1.needed_by(timer).unwrap_or(timer)),
            None => self.1.next_completion(),
        }
    }

    fn park(&mut self, deadline: Option<Nanos>) -> bool {
        self.0.park(deadline)
    }
}

/// The same with a session that is stepped. Returns what `play` does.
fn stepped<T: 'static, F: Future<Output = T> + 'static>(
    link: &str,
    depths: (u32, u32),
    play: impl FnOnce(Rc<Stack>) -> F + 'static,
) -> T {
    let Sides { stack, clock, consumer, producer, setup } = sides(link, depths);
    let session = SteppedSession::with_both(consumer, producer, clock.clone(), setup);
    run(&clock, Beside(Virtual::default(), session), |tasks| {
        tasks.spawn(pump(Rc::clone(&stack)));
        play(stack)
    })
    .unwrap()
}

fn full(number: u8) -> Vec<u8> {
    vec![number; MAX_FRAME]
}

#[test]
fn frames_are_received_at_the_rate_of_the_link_and_an_idle_link_saves_nothing_up() {
    let (served, taken) = session("1Gbit", (4, 100), |stack| async move {
        let mut taken = Vec::new();
        stack.wait_until(50_000).await;
        for burst in 0..2 {
            for number in 0..3 {
                stack.interface.arrive(full(burst * 3 + number));
            }
            for _ in 0..3 {
                let (descriptor, frame) = stack.take().await;
                taken.push((descriptor.sequence, descriptor.submitted.0, frame[0], stack.clock.now().0));
                stack.complete();
            }
            stack.wait_until(1_000_000).await;
        }
        stack.bye().await;
        taken
    });
    let at = |base: u64, number: u64| base + number % 3 * FULL_NS;
    let expected: Vec<_> = (0..6)
        .map(|number| (number, at(if number < 3 { 50_000 } else { 1_000_000 }, number)))
        .map(|(number, at)| (number, at, number as u8, at))
        .collect();
    assert_eq!(taken, expected);
    let up = served.report.up.unwrap();
    assert_eq!((up.submitted, up.bytes, up.completed, up.no_slot_ns), (6, 6 * 1514, 6, 0));
    assert_eq!(served.report.backend.map(|backend| (backend.kind, backend.blocked_ns)), Some(("custom".to_owned(), 0)));
}

#[test]
fn a_full_ring_stops_reading_and_nothing_is_lost() {
    let (served, interface) = session("unlimited", (4, 3), |stack| async move {
        for number in 0..10 {
            stack.interface.arrive(full(number));
        }
        for _ in 0..3 {
            stack.take().await;
        }
        stack.wait_until(500).await;
        // Frames that arrive meanwhile are no reason to read.
        stack.interface.arrive(full(10));
        stack.wait_until(1_000).await;
        assert_eq!(stack.interface.arrived.borrow().len(), 8);
        for number in 3..11 {
            stack.complete();
            let (descriptor, frame) = stack.take().await;
            assert_eq!((descriptor.sequence, frame[0], descriptor.submitted), (number, number as u8, Nanos(1_000)));
        }
        stack.bye().await;
        Rc::clone(&stack.interface)
    });
    let up = served.report.up.unwrap();
    assert_eq!((up.submitted, up.completed, up.no_slot_ns), (11, 8, 1_000));
    let reads = interface.reads.borrow();
    // At the start it was empty once; then one read for each frame, and none while no slot was free.
    assert!(reads.iter().all(|at| [0, 1_000].contains(at)), "{reads:?}");
    assert!(reads.len() <= 12, "{reads:?}");
}

#[test]
fn a_ring_that_was_full_is_filled_again_at_the_rate_of_the_link() {
    let (served, times) = session("1Gbit", (4, 1), |stack| async move {
        for number in 0..4 {
            stack.interface.arrive(full(number));
        }
        let mut times = Vec::new();
        for pause in [1_000, 30_000, 5, 0] {
            let (descriptor, _) = stack.take().await;
            times.push(descriptor.submitted.0);
            stack.wait_until(stack.clock.now().0 + pause).await;
            stack.complete();
        }
        stack.bye().await;
        times
    });
    // Completed before the link was free; after 30 us; and again before the link was free.
    assert_eq!(times, [0, FULL_NS, FULL_NS + 30_000, 2 * FULL_NS + 30_000]);
    assert_eq!(served.report.up.unwrap().no_slot_ns, 30_000 - FULL_NS);
}

#[test]
fn a_frame_that_the_backend_does_not_take_stays_in_the_hardware_and_completes_when_it_does() {
    let (served, (times, interface)) = session("1Gbit", (8, 4), |stack| async move {
        stack.interface.take(Some(1));
        for number in 0..8 {
            stack.send(number, &full(number as u8)).await;
        }
        stack.wait_until(100_000).await;
        assert_eq!(stack.times(), [FULL_NS]);
        stack.interface.take(Some(2));
        stack.wait_until(150_000).await;
        assert_eq!(stack.times(), [FULL_NS, 100_000, 100_000]);
        stack.interface.take(None);
        stack.completed(8).await;
        stack.bye().await;
        (stack.times(), Rc::clone(&stack.interface))
    });
    // At 100 us two are taken, and two others enter the hardware, which the link sends before 150 us.
    let late = [100_000, 100_000, 150_000, 150_000, 150_000, 150_000, 150_000 + FULL_NS];
    assert_eq!(times, [&[FULL_NS], &late[..]].concat());
    let sent = interface.sent.borrow();
    assert!(sent.iter().map(|(frame, _)| frame[0]).eq(0..8));
    assert!(sent.iter().map(|(_, at)| *at).eq(times.iter().copied()), "{sent:?} {times:?}");
    let report = served.report;
    assert_eq!((report.sent, report.discarded, report.hardware.occupancy_max), (8, 0, 4));
    assert_eq!(report.backend.unwrap().blocked_ns, 150_000 - 2 * FULL_NS, "from the second frame's end on the link");
}

#[test]
fn a_session_that_ends_while_the_backend_is_blocked_discards_what_waits() {
    let (served, bye) = session("1Gbit", (8, 4), |stack| async move {
        stack.interface.take(Some(0));
        for number in 0..8 {
            stack.send(number, &full(0)).await;
        }
        stack.wait_until(100_000).await;
        stack.bye().await
    });
    let report = bye.report.unwrap();
    assert_eq!((report.received, report.sent, report.discarded), (8, 0, 8));
    assert_eq!(report.backend.unwrap().blocked_ns, 100_000 - FULL_NS);
    assert_eq!(served.ended, SessionEnd::Finished);
}

#[test]
fn frames_of_a_length_that_no_slot_holds_are_left_out_and_counted() {
    let (served, taken) = session("1Gbit", (4, 4), |stack| async move {
        for len in [1_515, 60, 3_000, 13, 14, 1_514] {
            stack.interface.arrive(vec![9; len]);
        }
        let mut taken = Vec::new();
        for _ in 0..3 {
            let (descriptor, frame) = stack.take().await;
            taken.push((descriptor.sequence, frame.len()));
            stack.complete();
        }
        stack.bye().await;
        taken
    });
    assert_eq!(taken, [(0, 60), (1, 14), (2, 1_514)]);
    let up = served.report.up.unwrap();
    assert_eq!((up.submitted, up.too_long, up.too_short), (3, 2, 1));
    assert!(served.report.warnings[0].text.contains("limit the MTU"), "{:?}", served.report.warnings);
}

#[test]
fn a_backend_that_fails_ends_the_session_with_the_reason() {
    let (served, bye) = session("1Gbit", (4, 4), |stack| async move {
        stack.send(0, &full(0)).await;
        stack.wait_until(100).await;
        stack.interface.failure.replace(Some("the interface tap0 is gone".to_owned()));
        stack.interface.readiness.notify();
        stack.receive_bye().await
    });
    assert_eq!(bye.reason, ByeReason::Fault("the interface tap0 is gone".to_owned()));
    assert_eq!(served.ended, SessionEnd::BackendFailed("the interface tap0 is gone".to_owned()));
    assert!(!served.ended.peer_failed() && !served.ended.is_fault());
    assert_eq!((served.report.received, served.report.discarded), (1, 1));
}

#[test]
fn nothing_is_read_behind_the_farewell() {
    let (served, (bye, left)) = session("1Gbit", (4, 4), |stack| async move {
        stack.interface.arrive(full(0));
        let bye = stack.bye().await;
        stack.interface.arrive(full(1));
        stack.wait_until(1_000_000).await;
        (bye, stack.interface.arrived.borrow().len() as u64)
    });
    assert_eq!((bye.report.unwrap().up, bye.reason), (served.report.up, ByeReason::Finished));
    assert_eq!(served.report.up.unwrap().submitted + left, 2);
    assert!(left >= 1);
}

#[test]
fn a_completion_that_the_stack_may_not_send_ends_the_session() {
    let (served, bye) = session("1Gbit", (4, 4), |stack| async move {
        stack.interface.arrive(full(0));
        stack.take().await;
        let at = stack.clock.now();
        stack.up.complete(Completion { position: 7, status: Status::Sent, taken: at, at });
        stack.receive_bye().await
    });
    assert!(matches!(&bye.reason, ByeReason::Violation(what) if what.contains("position 7")), "{bye:?}");
    assert!(matches!(served.ended, SessionEnd::Failed(CloseReason::Index(_))));
}

#[test]
fn a_session_that_is_stepped_gives_the_same_report_as_one_that_is_a_task() {
    async fn play(stack: Rc<Stack>) -> (Bye, Vec<(u64, usize)>, Vec<u64>) {
        stack.interface.take(Some(3));
        for number in 0..9 {
            stack.interface.arrive(full(number));
        }
        let mut taken = Vec::new();
        for number in 0..9 {
            stack.send(number, &full(0)).await;
            let (descriptor, frame) = stack.take().await;
            taken.push((descriptor.submitted.0, frame.len()));
            stack.wait_until(stack.clock.now().0 + number * 3_000).await;
            stack.complete();
            if number == 3 {
                stack.interface.take(None);
            }
        }
        stack.interface.arrive(vec![1; 60]);
        taken.push((stack.take().await.0.submitted.0, 60));
        stack.completed(9).await;
        (stack.bye().await, taken, stack.times())
    }
    for link in ["unlimited", "1Gbit", "100Mbit"] {
        for depths in [(1, 1), (2, 3), (9, 9)] {
            let (served, expected) = session(link, depths, play);
            assert_eq!(expected.0.report, Some(served.report), "{link} {depths:?}");
            assert_eq!(stepped(link, depths, play), expected, "{link} {depths:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Traffic both ways at any depths, with a backend that is blocked now and then and a stack that is slow: every
    /// frame arrives, in order, in both directions, and neither direction stops the other.
    #[test]
    fn every_frame_arrives_in_both_directions(
        depth in 1u32..6,
        rx_depth in 1u32..6,
        link in prop_oneof![Just("unlimited"), Just("1Gbit"), Just("30Mbit")],
        down in proptest::collection::vec((14usize..1515, 0u64..20_000), 0..60),
        arrivals in proptest::collection::vec((14usize..1515, 0u64..20_000), 0..60),
        slow in 0u64..30_000,
        blocks in proptest::collection::vec((0u64..4, 0u64..50_000), 0..10),
    ) {
        let (sends, arrives) = (down.len(), arrivals.len());
        let lengths = |all: &[(usize, u64)]| all.iter().map(|(len, _)| *len).collect::<Vec<_>>();
        let (sent_lengths, arrived_lengths) = (lengths(&down), lengths(&arrivals));
        let (served, (received, sent)) = session(link, (depth, rx_depth), move |stack| async move {
            let answers = async {
                let mut received = Vec::new();
                for _ in 0..arrives {
                    let (descriptor, frame) = stack.take().await;
                    assert!(descriptor.submitted <= stack.clock.now());
                    received.push(frame.len());
                    stack.wait_until(stack.clock.now().0 + slow).await;
                    stack.complete();
                }
                received
            };
            let feeds = async {
                for (len, pause) in arrivals {
                    stack.wait_until(stack.clock.now().0 + pause).await;
                    stack.interface.arrive(vec![0; len]);
                }
            };
            let blocking = async {
                for (frames, pause) in blocks {
                    stack.interface.take(Some(frames));
                    stack.wait_until(stack.clock.now().0 + pause).await;
                }
                stack.interface.take(None);
            };
            let sending = async {
                for (sequence, (len, pause)) in down.into_iter().enumerate() {
                    stack.wait_until(stack.clock.now().0 + pause).await;
                    stack.send(sequence as u64, &vec![1; len]).await;
                }
                stack.completed(sends).await;
            };
            let (received, (), (), ()) = join4(answers, feeds, blocking, sending).await;
            stack.bye().await;
            let sent = stack.interface.sent.borrow().iter().map(|(frame, _)| frame.len()).collect::<Vec<_>>();
            assert!(stack.times().is_sorted());
            (received, sent)
        });
        prop_assert_eq!(received, arrived_lengths);
        prop_assert_eq!(sent, sent_lengths);
        let up = served.report.up.unwrap();
        prop_assert_eq!((up.submitted, up.completed), (arrives as u64, arrives as u64));
        prop_assert_eq!((served.report.sent, served.report.discarded), (sends as u64, 0));
        prop_assert!(served.report.held_max <= depth);
    }
}
