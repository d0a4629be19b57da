//! The bounded receive queue of a socket.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::net::SocketAddr;

use shared::exec::Signal;
use shared::units::Nanos;

/// A datagram that an app receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Who sent it.
    pub source: SocketAddr,
    /// When it arrived in the stack.
    pub at: Nanos,
    /// Its payload.
    pub payload: Vec<u8>,
}

/// Datagrams that wait for an app, oldest first; at most a fixed number.
#[derive(Debug)]
pub struct Inbox {
    waiting: RefCell<VecDeque<Received>>,
    /// Buffers of datagrams that were received, to be used again: a datagram costs no allocation once there are enough.
    spare: RefCell<Vec<Vec<u8>>>,
    most: usize,
    /// Datagrams that the app has taken.
    taken: Cell<u64>,
    /// Datagrams for which there was no room.
    refused: Cell<u64>,
    arrived: Signal,
    closed: Cell<bool>,
}

impl Inbox {
    /// An empty queue for at most `most` datagrams.
    pub fn new(most: usize) -> Self {
        Self {
            waiting: RefCell::default(),
            spare: RefCell::default(),
            most,
            taken: Cell::new(0),
            refused: Cell::new(0),
            arrived: Signal::default(),
            closed: Cell::new(false),
        }
    }

    /// Appends a datagram and wakes the app. Returns `false` if there is no room, or the socket is closed.
    pub fn push(&self, source: SocketAddr, payload: &[u8], at: Nanos) -> bool {
        let mut waiting = self.waiting.borrow_mut();
        if waiting.len() >= self.most || self.closed.get() {
            self.refused.set(self.refused.get() + 1);
            return false;
        }
        let mut buffer = self.spare.borrow_mut().pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(payload);
        waiting.push_back(Received { source, at, payload: buffer });
        self.arrived.notify();
        true
    }

    /// The oldest datagram, if one waits.
    pub fn try_receive(&self) -> Option<Received> {
        let received = self.waiting.borrow_mut().pop_front()?;
        self.taken.set(self.taken.get() + 1);
        Some(received)
    }

    /// Waits for the next datagram; `None` once the socket is closed.
    pub async fn receive(&self) -> Option<Received> {
        let next = || match self.try_receive() {
            Some(received) => Some(Some(received)),
            None => self.closed.get().then_some(None),
        };
        self.arrived.wait_for(next).await
    }

    /// Gives the buffer of a datagram back, for the next ones.
    pub fn recycle(&self, received: Received) {
        let mut spare = self.spare.borrow_mut();
        // No more are needed than can wait at once.
        if spare.len() < self.most {
            spare.push(received.payload);
        }
    }

    /// Takes no more datagrams; what waits can still be received.
    pub fn close(&self) {
        self.closed.set(true);
        self.arrived.notify();
    }

    /// Whether the socket is closed.
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Datagrams that wait.
    pub fn waiting(&self) -> u64 {
        self.waiting.borrow().len() as u64
    }

    /// Datagrams for which there was no room, or that came when the socket was closed.
    pub fn refused(&self) -> u64 {
        self.refused.get()
    }

    /// Datagrams that the app has taken.
    pub fn taken(&self) -> u64 {
        self.taken.get()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7);

    #[test]
    fn a_full_queue_takes_no_more_and_buffers_are_used_again() {
        let inbox = Inbox::new(2);
        let pushed = [b"a", b"b", b"c"].map(|payload| inbox.push(PEER, payload, Nanos(1)));
        assert_eq!((pushed, inbox.waiting()), ([true, true, false], 2));
        let first = inbox.try_receive().unwrap();
        assert_eq!((&first.payload[..], first.at, inbox.taken()), (&b"a"[..], Nanos(1), 1));
        let place = first.payload.as_ptr();
        inbox.recycle(first);
        assert!(inbox.push(PEER, b"d", Nanos(2)));
        assert_eq!(inbox.try_receive().unwrap().payload, b"b");
        assert_eq!(inbox.try_receive().unwrap().payload.as_ptr(), place);
    }

    #[test]
    fn what_waits_when_the_socket_closes_is_still_received() {
        let inbox = Inbox::new(2);
        assert!(inbox.receive().now_or_never().is_none());
        inbox.push(PEER, b"last", Nanos(1));
        inbox.close();
        assert!(!inbox.push(PEER, b"late", Nanos(1)));
        assert_eq!(inbox.receive().now_or_never().unwrap().unwrap().payload, b"last");
        assert_eq!(inbox.receive().now_or_never(), Some(None));
    }
}
