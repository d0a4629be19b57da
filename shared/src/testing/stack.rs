//! The stack's side.

use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Heard, Peer, RawRing, Wire};
use crate::liveness::DEFAULT_TIMEOUT;
use crate::ring::MAX_FRAME;
use crate::ring::WakePoint;
use crate::ring::shm::receive;
use crate::wire::{Accept, Bye, ByeReason, Control, Direction, Hello, Refuse, RingInfo, TransportKind, preamble};

/// A connection to a driver.
#[derive(Debug)]
pub struct Stack(pub Wire);

/// One ring that transmits.
pub fn ring(depth: u32) -> RingInfo {
    RingInfo { direction: Direction::Transmit, queue: 0, depth, slot_size: MAX_FRAME as u32 }
}

impl Stack {
    /// Connects, and says nothing yet.
    pub fn connect(socket: &Path) -> Self {
        Self(Wire::new(UnixStream::connect(socket).unwrap()))
    }

    /// Asks for rings.
    pub fn hello(&mut self, transport: TransportKind, rings: Vec<RingInfo>) {
        self.0.say(&preamble());
        self.0.tell(&Control::Hello(Hello {
            transport,
            rings,
            wake: WakePoint::Each,
            idle_timeout_ns: DEFAULT_TIMEOUT.0,
        }));
    }

    /// Connects and asks for one ring.
    pub fn greet(socket: &Path, transport: TransportKind, depth: u32) -> Self {
        let mut stack = Self::connect(socket);
        stack.hello(transport, vec![ring(depth)]);
        stack
    }

    /// Connects, asks for one ring in shared memory, and gets it.
    pub fn share(socket: &Path, depth: u32) -> Peer {
        let mut stack = Self::greet(socket, TransportKind::Shm, depth);
        let granted = stack.accepted().rings[0].depth;
        let file = loop {
            match receive(&stack.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                received => break received.unwrap().unwrap(),
            }
        };
        Peer { ring: RawRing::new(file, granted), wire: stack.0 }
    }

    /// The driver's grant.
    pub fn accepted(&mut self) -> Accept {
        match self.0.hear() {
            Some(Heard::Control(Control::Accept(accept))) => *accept,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// The driver's refusal.
    pub fn refused(&mut self) -> Refuse {
        match self.0.hear() {
            Some(Heard::Control(Control::Refuse(refuse))) => refuse,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// The driver's farewell, whatever comes before it.
    pub fn bye(&mut self) -> Bye {
        match self.0.control() {
            Some(Control::Bye(bye)) => *bye,
            other => panic!("no farewell: {other:?}"),
        }
    }

    /// Says farewell after `frames`, and hears the driver's.
    pub fn leave(mut self, frames: u64) -> Bye {
        self.0.tell(&Self::farewell(frames));
        self.bye()
    }

    /// A farewell.
    pub fn farewell(frames: u64) -> Control {
        Control::Bye(Box::new(Bye { reason: ByeReason::Finished, frames, report: None }))
    }
}
