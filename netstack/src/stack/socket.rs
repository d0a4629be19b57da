//! Sockets: the interface between apps and layers, where the send budget is enforced.

use std::net::SocketAddr;
use std::rc::Rc;

use shared::ring::HEADROOM;

use super::{Burst, Packet, Place, SendError, Stamp, Transport, now};
use crate::flow::{Flow, Stage};

/// What an app sends on: a socket of the stack, or a user's own layer on top of one.
#[allow(async_fn_in_trait, reason = "one thread: no future has to be Send")]
pub trait Datagrams {
    /// When an app calls [`Datagrams::try_send`], and when [`Datagrams::send`].
    const TRIES: Tries = Tries::First;

    /// Sends one datagram, and waits as long as a layer below has to wait. Dropping the future
    /// cancels the send; the packet was then never accepted.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent at all; the payload is still the caller's.
    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError>;

    /// Sends one datagram without waiting.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if [`Datagrams::send`] would wait; otherwise the same errors.
    fn try_send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        now(self.send(payload, to, stamp))
    }

    /// Sends datagrams of `burst` in order until one would have to wait, with the same result as calling
    /// [`Datagrams::try_send`] for each. Returns how many were sent; always 0 if this layer does not support bursts.
    fn try_send_burst(&self, _burst: impl Burst, _to: SocketAddr) -> u64 {
        0
    }
}

/// When an app tries to send without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// For every packet, and `send` only if that would block: most sends need not wait, and a try is an ordinary
    /// call without a future.
    First,
    /// Only if the app must not wait: here a try costs as much as a `send` that is ready at once.
    IfItMustNotWait,
    /// Always, and `send` is never called: instead of waiting, the packet is refused.
    Always,
}

/// A UDP socket with a send budget.
#[derive(Debug)]
pub struct UdpSocket<T> {
    below: Rc<T>,
    flow: Rc<Flow>,
    port: u16,
}

impl<T: Transport> UdpSocket<T> {
    /// A socket on `port` whose packets are counted under `flow`.
    pub fn new(below: Rc<T>, flow: Rc<Flow>, port: u16) -> Self {
        Self { below, flow, port }
    }

    /// [`Datagrams::send`], with the state of the pending send kept in `place`.
    pub(crate) async fn send_from(
        &self,
        place: &Place,
        payload: &[u8],
        to: SocketAddr,
        stamp: Stamp,
    ) -> Result<(), SendError> {
        if let Some(budget) = self.flow.budget() {
            let need = payload.len() as u64;
            place.budget().wait(|| self.flow.timed(Stage::Budget, budget.acquire_owned(need))).await;
        }
        let mut headroom = [0; HEADROOM];
        let mut packet = Packet::new(&mut headroom, payload, stamp);
        packet.wait_in(place);
        self.below.send(&mut packet, self.port, to).await?;
        // The packet is accepted and now holds its bytes of the budget. They return when it settles, that is, when it
        // completes, is dropped or is lost. If the send failed, dropping `place` returns them.
        if self.flow.budget().is_some()
            && let Some(grant) = place.budget().take()
        {
            grant.spend();
        }
        Ok(())
    }
}

impl<T: Transport> Datagrams for UdpSocket<T> {
    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        self.send_from(&Place::default(), payload, to, stamp).await
    }

    #[inline(always)]
    fn try_send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        let grant = match self.flow.budget() {
            Some(budget) => Some(budget.try_acquire(payload.len() as u64).ok_or(SendError::WouldBlock)?),
            None => None,
        };
        self.below.try_send(&mut Packet::new(&mut [0; HEADROOM], payload, stamp), self.port, to)?;
        if let Some(grant) = grant {
            grant.spend();
        }
        Ok(())
    }

    #[inline(always)]
    fn try_send_burst(&self, burst: impl Burst, to: SocketAddr) -> u64 {
        // Each packet must acquire its own bytes of the budget, so they are sent one by one.
        if self.flow.budget().is_some() { 0 } else { self.below.try_send_burst(burst, self.port, to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Timeline;
    use shared::exec::Clock;
    use shared::units::Nanos;
    use std::cell::Cell;

    /// Takes every packet, or none.
    struct Fake(Cell<Result<(), SendError>>);

    impl Transport for Fake {
        async fn send(&self, _: &mut Packet<'_>, _: u16, _: SocketAddr) -> Result<(), SendError> {
            self.0.get()
        }
    }

    fn socket(budget: u64, outcome: Result<(), SendError>) -> UdpSocket<Fake> {
        let flow = Flow::new(0, "test", Some(budget), &Timeline::new(&Clock::default(), Nanos::from_secs(1)));
        UdpSocket::new(Rc::new(Fake(Cell::new(outcome))), flow, 9)
    }

    fn to() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 2], 9))
    }

    #[test]
    fn an_exhausted_budget_blocks_until_a_packet_settles() {
        let socket = socket(10, Ok(()));
        assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Ok(()));
        assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Err(SendError::WouldBlock));
        socket.flow.lose(1, 8);
        assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Ok(()));
    }

    #[test]
    fn a_failed_send_returns_its_budget() {
        let socket = socket(8, Err(SendError::Closed));
        for _ in 0..3 {
            assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Err(SendError::Closed));
        }
    }

    #[test]
    fn a_try_that_would_block_counts_no_blocked_time_and_keeps_no_budget() {
        let socket = socket(4, Ok(()));
        assert_eq!(socket.try_send(b"12345", to(), Stamp::default()), Err(SendError::WouldBlock));
        assert_eq!(socket.flow.blocked(Stage::Budget).count(), 0);
        assert_eq!(socket.try_send(b"1234", to(), Stamp::default()), Ok(()));
    }
}
