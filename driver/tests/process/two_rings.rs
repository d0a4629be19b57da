//! A stack with both rings, for the tests.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::rc::Rc;

use shared::connection::Connection;
use shared::control::{Accept, Bye, ByeReason, Control, Direction, TransportKind};
use shared::exec::{Clock, IdleMode, Interrupt, RealPark, Signal, monotonic_now, run};
use shared::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::socket::{SocketConsumer, SocketProducer, Tables};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, MAX_FRAME, Need, Producer, ProducerPort, Status};
use shared::testing::{Stack, receiving, ring};

/// What a stack does in a session: it sends frames, and takes frames, and leaves once all is done.
#[derive(Debug, Clone)]
pub(crate) struct Play {
    pub(crate) transport: TransportKind,
    /// Slots of the ring that transmits, and of the one that receives.
    pub(crate) depths: (u32, u32),
    pub(crate) send: Vec<Vec<u8>>,
    /// Which of the frames that arrive count.
    pub(crate) counts: fn(&[u8]) -> bool,
    /// How many of those it waits for.
    pub(crate) expect: usize,
}

/// What happened in it.
#[derive(Debug)]
pub(crate) struct Played {
    /// The frames that count, in the order in which they arrived.
    pub(crate) received: Vec<Vec<u8>>,
    /// All frames that arrived.
    pub(crate) arrived: u64,
    /// The driver's farewell.
    pub(crate) bye: Bye,
}

impl Play {
    /// Plays it with the driver at `socket`.
    pub(crate) fn with(self, socket: &Path) -> Played {
        let mut stack = Stack::connect(socket);
        stack.hello(self.transport, vec![ring(self.depths.0), receiving(self.depths.1)]);
        let accept = stack.accepted();
        let directions: Vec<_> = accept.rings.iter().map(|ring| ring.direction).collect();
        assert_eq!(directions, [Direction::Transmit, Direction::Receive]);
        let [depth, rx_depth] = [0, 1].map(|at| Depth::new(accept.rings[at].depth).unwrap());
        match self.transport {
            TransportKind::Socket => {
                let connection = Connection::over_socket(OwnedFd::from(stack.0)).unwrap();
                let down = SocketProducer::on(&connection, Tables::producer(depth).unwrap()).unwrap();
                let up = SocketConsumer::on(&connection, Tables::consumer(rx_depth, 1).unwrap()).unwrap();
                self.on(accept, down, up)
            }
            TransportKind::Shm => {
                let memory = |depth| SharedMemory::open(stack.receive_memory(), depth, accept.generation).unwrap();
                let (down, up) = (memory(depth), memory(rx_depth));
                let connection = Connection::beside_memory(OwnedFd::from(stack.0)).unwrap();
                let down = ShmProducer::on(&connection, down).unwrap();
                let up = ShmConsumer::on(&connection, up).unwrap();
                self.on(accept, down, up)
            }
        }
    }

    fn on(self, accept: Accept, down: impl ProducerPort + 'static, up: impl ConsumerPort + 'static) -> Played {
        let connection = Rc::clone(down.connection());
        let clock = Clock::starting_at(monotonic_now());
        let park = RealPark::new(vec![Rc::clone(&connection) as _], Rc::new(Interrupt::never()), IdleMode::Hybrid);
        down.before_sleep_ask(Box::new(|| Need::Completion));
        let ring = Rc::new(Producer::new(down, Depth::new(accept.rings[0].depth).unwrap(), clock.clone()));
        let (done, inner) = (Rc::new(Signal::default()), clock.clone());
        let (received, arrived) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Cell::new(0)));
        let (kept, count, tell) = (Rc::clone(&received), Rc::clone(&arrived), Rc::clone(&done));
        let take_all = async move {
            let mut buffer = [0; MAX_FRAME];
            loop {
                let taken = || up.take(Some(&mut buffer)).map(|(descriptor, frame)| (descriptor, frame.to_vec()));
                let (descriptor, frame) = up.connection().arrived().wait_for(taken).await;
                let (position, at) = (count.get(), inner.now());
                assert_eq!((descriptor.sequence, descriptor.len as usize), (position, frame.len()));
                assert!(descriptor.submitted <= at);
                up.complete(Completion { position, status: Status::Sent, taken: at, at });
                count.set(position + 1);
                if (self.counts)(&frame) {
                    kept.borrow_mut().push(frame);
                }
                tell.notify();
            }
        };
        let (completed, tell, taker, inner) =
            (Rc::new(Cell::new(0)), Rc::clone(&done), Rc::clone(&ring), clock.clone());
        let counted = Rc::clone(&completed);
        let complete_all = async move {
            loop {
                let completion = taker.connection().arrived().wait_for(|| taker.next_completion()).await;
                assert_eq!(completion.status, Status::Sent);
                counted.set(counted.get() + 1);
                tell.notify();
            }
        };
        let bye = run(&clock, park, |tasks| async move {
            tasks.spawn(take_all);
            tasks.spawn(complete_all);
            for (sequence, frame) in self.send.iter().enumerate() {
                let submitted = inner.now();
                let descriptor = Descriptor { len: frame.len() as u32, flow: 0, sequence: sequence as u64, submitted };
                ring.reserve().await.submit(descriptor, frame, b"");
            }
            let all = || completed.get() == self.send.len() && received.borrow().len() >= self.expect;
            done.wait_for(|| all().then_some(())).await;
            let frames = self.send.len() as u64;
            connection.send_control(&Control::Bye(Box::new(Bye { reason: ByeReason::Finished, frames, report: None })));
            match connection.control_arrived().wait_for(|| connection.next_control()).await {
                Control::Bye(bye) => (*bye, received.take(), arrived.get()),
                other => panic!("no farewell: {other:?}"),
            }
        });
        let (bye, received, arrived) = bye.unwrap();
        Played { received, arrived, bye }
    }
}
