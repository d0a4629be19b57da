//! The stack's side of a session, for tests of the driver.

use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;

use super::{Peer, RawRing, Received, Wire};
use crate::control::{Accept, Bye, ByeReason, Control, Direction, Hello, Refuse, RingInfo, TransportKind, preamble};
use crate::liveness::DEFAULT_TIMEOUT;
use crate::ring::MAX_FRAME;
use crate::ring::WakePoint;
use crate::ring::shm::receive;

/// A connection to a driver.
#[derive(Debug)]
pub struct Stack(pub Wire);

/// A transmit ring of `depth` slots, as HELLO lists it.
pub fn ring(depth: u32) -> RingInfo {
    RingInfo { direction: Direction::Transmit, queue: 0, depth, slot_size: MAX_FRAME as u32 }
}

/// A ring of `depth` slots for frames that arrive, as HELLO lists it.
pub fn receiving(depth: u32) -> RingInfo {
    RingInfo { direction: Direction::Receive, ..ring(depth) }
}

impl Stack {
    /// Connects, and sends nothing yet.
    pub fn connect(socket: &Path) -> Self {
        Self(Wire::new(UnixStream::connect(socket).unwrap()))
    }

    /// Sends the preamble and HELLO, which requests `rings`.
    pub fn hello(&mut self, transport: TransportKind, rings: Vec<RingInfo>) {
        self.0.send_bytes(&preamble());
        self.0.send_control(&Control::Hello(Hello {
            transport,
            rings,
            wake: WakePoint::Each,
            idle_timeout_ns: DEFAULT_TIMEOUT.0,
        }));
    }

    /// Connects and requests one ring.
    pub fn greet(socket: &Path, transport: TransportKind, depth: u32) -> Self {
        let mut stack = Self::connect(socket);
        stack.hello(transport, vec![ring(depth)]);
        stack
    }

    /// Connects, requests one ring in shared memory, and receives it.
    pub fn share(socket: &Path, depth: u32) -> Peer {
        let mut stack = Self::greet(socket, TransportKind::Shm, depth);
        let granted = stack.accepted().rings[0].depth;
        let file = stack.receive_memory();
        Peer { ring: RawRing::new(file, granted), wire: stack.0 }
    }

    /// Receives the descriptor of a ring's memory, which follows ACCEPT.
    pub fn receive_memory(&self) -> OwnedFd {
        loop {
            match receive(&self.0) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::yield_now(),
                received => return received.unwrap().unwrap(),
            }
        }
    }

    /// Reads the driver's ACCEPT.
    pub fn accepted(&mut self) -> Accept {
        match self.0.receive() {
            Some(Received::Control(Control::Accept(accept))) => *accept,
            other => panic!("not accepted: {other:?}"),
        }
    }

    /// Reads the driver's REFUSE.
    pub fn refused(&mut self) -> Refuse {
        match self.0.receive() {
            Some(Received::Control(Control::Refuse(refuse))) => refuse,
            other => panic!("not refused: {other:?}"),
        }
    }

    /// Reads until the driver's BYE.
    pub fn bye(&mut self) -> Bye {
        match self.0.control() {
            Some(Control::Bye(bye)) => *bye,
            other => panic!("not a BYE: {other:?}"),
        }
    }

    /// Sends BYE after `frames` frames, and reads the driver's.
    pub fn leave(mut self, frames: u64) -> Bye {
        self.0.send_control(&Self::farewell(frames));
        self.bye()
    }

    /// A BYE after `frames` frames.
    pub fn farewell(frames: u64) -> Control {
        Control::Bye(Box::new(Bye { reason: ByeReason::Finished, frames, report: None }))
    }
}
