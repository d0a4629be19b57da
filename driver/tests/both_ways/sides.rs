//! A session with both rings in virtual time: the stack, as a test plays it, and a backend that the test controls.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use driver::backend::Backend;
use driver::hardware;
use driver::session::{Dma, SessionOutcome, Setup, SteppedSession, serve_both};
use shared::connection::{CloseReason, Connection};
use shared::control::{Bye, ByeReason, Control};
use shared::exec::{Clock, Park, Readiness, Signal, Virtual, run};
use shared::ring::loopback::{LoopbackConsumer, LoopbackProducer, ring};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, MAX_FRAME, Producer, Status};
use shared::units::Nanos;

/// The interface, as the test sees it.
#[derive(Debug, Default)]
pub(crate) struct Interface {
    /// Frames that have arrived and were not read.
    pub(crate) arrived: RefCell<VecDeque<Vec<u8>>>,
    /// When the session tried to read.
    pub(crate) reads: RefCell<Vec<u64>>,
    /// How many frames it takes before it is blocked; `None` is any number.
    takes: Cell<Option<u64>>,
    pub(crate) sent: RefCell<Vec<(Vec<u8>, u64)>>,
    pub(crate) failure: RefCell<Option<String>>,
    pub(crate) readiness: Rc<Readiness>,
}

impl Interface {
    pub(crate) fn arrive(&self, frame: Vec<u8>) {
        self.arrived.borrow_mut().push_back(frame);
        self.readiness.notify();
    }

    /// Takes this many more frames.
    pub(crate) fn take(&self, frames: Option<u64>) {
        self.takes.set(frames);
        self.readiness.notify();
    }
}

pub(crate) struct Fake(Rc<Interface>);

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
pub(crate) struct Stack {
    down: Producer<LoopbackProducer>,
    pub(crate) up: LoopbackConsumer,
    pub(crate) clock: Clock,
    pub(crate) interface: Rc<Interface>,
    completions: RefCell<Vec<Completion>>,
    completed: Signal,
    taken: Cell<u64>,
}

impl Stack {
    pub(crate) async fn send(&self, sequence: u64, frame: &[u8]) {
        let permit = self.down.reserve().await;
        let submitted = self.clock.now();
        permit.submit(Descriptor { len: frame.len() as u32, flow: 0, sequence, submitted }, frame, b"");
    }

    /// Waits until `frames` that were sent have completed.
    pub(crate) async fn completed(&self, frames: usize) {
        self.completed.wait_for(|| (self.completions.borrow().len() >= frames).then_some(())).await;
    }

    /// Takes the next frame that arrives, without completing it.
    pub(crate) async fn take(&self) -> (Descriptor, Vec<u8>) {
        let mut buffer = [0; MAX_FRAME];
        let taken = || self.up.take(Some(&mut buffer)).map(|(descriptor, frame)| (descriptor, frame.to_vec()));
        self.up.connection().arrived().wait_for(taken).await
    }

    /// Completes the oldest frame that was taken.
    pub(crate) fn complete(&self) {
        let (position, at) = (self.taken.get(), self.clock.now());
        self.taken.set(position + 1);
        self.up.complete(Completion { position, status: Status::Sent, taken: at, at });
    }

    pub(crate) async fn wait_until(&self, at: u64) {
        self.clock.sleep_until(Nanos(at)).await;
    }

    pub(crate) async fn receive_bye(&self) -> Bye {
        let connection = self.down.connection();
        match connection.arrived().wait_for(|| connection.next_control()).await {
            Control::Bye(bye) => *bye,
            other => panic!("not a farewell: {other:?}"),
        }
    }

    pub(crate) async fn bye(&self) -> Bye {
        let frames = self.down.stats().submitted;
        let bye = Bye { reason: ByeReason::Finished, frames, report: None };
        self.down.connection().send_control(&Control::Bye(Box::new(bye)));
        self.receive_bye().await
    }

    pub(crate) fn times(&self) -> Vec<u64> {
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
pub(crate) fn session<T: 'static, F: Future<Output = T> + 'static>(
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
pub(crate) fn stepped<T: 'static, F: Future<Output = T> + 'static>(
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
