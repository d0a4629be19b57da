//! The stack's side of the socket, as a test plays it.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use shared::exec::{Clock, IdleMode, Interrupt, RealPark, Signal, monotonic_now, run};
use shared::ring::socket::SocketProducer;
use shared::ring::{Completion, Depth, Descriptor, MAX_FRAME, Port, Producer};
use shared::wire::{
    Accept, Bye, ByeReason, Control, Direction, Hello, Parsed, Refuse, RingInfo, TransportKind, encode_control, parse,
    preamble,
};

/// Long enough for the slowest machine; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection to a driver.
pub(crate) struct Client(UnixStream);

pub(crate) fn ring(depth: u32) -> RingInfo {
    RingInfo { direction: Direction::Transmit, queue: 0, depth, slot_size: MAX_FRAME as u32 }
}

impl Client {
    pub(crate) fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(stream)
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    pub(crate) fn hello(&mut self, rings: Vec<RingInfo>) {
        self.send(&preamble());
        let hello = Control::Hello(Hello { transport: TransportKind::Socket, rings });
        self.send(&encode_control(&hello).unwrap());
    }

    /// Connects and asks for one ring.
    pub(crate) fn greet(socket: &Path, depth: u32) -> Self {
        let mut client = Self::connect(socket);
        client.hello(vec![ring(depth)]);
        client
    }

    /// The next message, read byte by byte so that nothing behind it is lost; `None` if the driver
    /// hung up.
    pub(crate) fn control(&mut self) -> Option<Control> {
        let mut bytes = Vec::new();
        loop {
            let mut next = [0];
            // Unlike a plain read, it goes on after an interruption.
            match self.0.read_exact(&mut next) {
                Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                    assert!(bytes.is_empty(), "the driver hung up in the middle of a message");
                    return None;
                }
                read => read.unwrap(),
            }
            bytes.push(next[0]);
            if let Some((record, _)) = parse(&bytes).unwrap() {
                let Parsed::Control(message) = record else { panic!("not a control message: {record:?}") };
                return Some(message);
            }
        }
    }

    pub(crate) fn accepted(&mut self) -> Accept {
        match self.control() {
            Some(Control::Accept(accept)) => *accept,
            other => panic!("not accepted: {other:?}"),
        }
    }

    pub(crate) fn refused(&mut self) -> Refuse {
        match self.control() {
            Some(Control::Refuse(refuse)) => refuse,
            other => panic!("not refused: {other:?}"),
        }
    }

    pub(crate) fn bye(&mut self) -> Bye {
        match self.control() {
            Some(Control::Bye(bye)) => *bye,
            other => panic!("no farewell: {other:?}"),
        }
    }

    /// Says farewell after nothing was sent.
    pub(crate) fn leave(mut self) -> Bye {
        let bye = Bye { reason: ByeReason::Finished, frames: 0, report: None };
        self.send(&encode_control(&Control::Bye(Box::new(bye))).unwrap());
        self.bye()
    }

    /// Sends `frames`, waits for all completions and says farewell, as a stack does.
    pub(crate) fn transmit(self, depth: u32, frames: Vec<Vec<u8>>) -> (Vec<Completion>, Bye) {
        let depth = Depth::new(depth).unwrap();
        let port = Rc::new(SocketProducer::new(self.0.into(), depth).unwrap());
        let clock = Clock::starting_at(monotonic_now());
        let park = RealPark::new(Rc::clone(&port), Rc::new(Interrupt::never()), IdleMode::Hybrid);
        let ring = Rc::new(Producer::new(Rc::clone(&port), depth, clock.clone()));
        let inner = clock.clone();
        run(&clock, park, |tasks| async move {
            let total = frames.len();
            let (done, count) = (Rc::new(Signal::default()), Rc::new(std::cell::RefCell::new(Vec::new())));
            let (taker, tell, log) = (Rc::clone(&ring), Rc::clone(&done), Rc::clone(&count));
            tasks.spawn(async move {
                while log.borrow().len() < total {
                    let (_, completion) = taker.port().arrived().wait_for(|| taker.next_completion()).await;
                    log.borrow_mut().push(completion);
                    tell.notify();
                }
            });
            for (sequence, frame) in frames.iter().enumerate() {
                let submitted = inner.now();
                let descriptor = Descriptor { len: frame.len() as u32, flow: 0, sequence: sequence as u64, submitted };
                ring.reserve().await.submit(descriptor, frame, b"");
            }
            done.wait_for(|| (count.borrow().len() == total).then_some(())).await;
            let bye = Bye { reason: ByeReason::Finished, frames: total as u64, report: None };
            port.send_control(&Control::Bye(Box::new(bye)));
            match port.arrived().wait_for(|| port.next_control()).await {
                Control::Bye(bye) => (count.take(), *bye),
                other => panic!("no farewell: {other:?}"),
            }
        })
        .unwrap()
    }
}
