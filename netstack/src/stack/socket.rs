//! Sockets: where apps and layers meet, and where the send budget is kept.

use std::net::SocketAddr;
use std::rc::Rc;

use shared::ring::HEADROOM;

use super::{Burst, Packet, Place, SendError, Stamp, Transport, now};
use crate::flow::{Flow, Stage};

/// What an app sends on: a socket of the stack, or a layer that somebody put on top of one.
#[allow(async_fn_in_trait, reason = "one thread: no future has to be Send")]
pub trait Datagrams {
    /// What an app does with it that may wait.
    const TRIES: Tries = Tries::First;

    /// Sends one datagram, and waits as long as a layer below has to wait. Dropping the future
    /// gives the attempt up; the packet was then never accepted.
    ///
    /// # Errors
    /// [`SendError`] if it cannot be sent at all; the payload is still the caller's.
    async fn send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError>;

    /// Sends one datagram now, or not at all.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] where [`Datagrams::send`] would wait, and all of its errors.
    fn try_send(&self, payload: &[u8], to: SocketAddr, stamp: Stamp) -> Result<(), SendError> {
        now(self.send(payload, to, stamp))
    }

    /// Sends datagrams of `burst` that need not wait, as [`Datagrams::try_send`] would one after the other. Returns how
    /// many: none if this layer has them one by one only.
    fn try_send_burst(&self, _burst: impl Burst, _to: SocketAddr) -> u64 {
        0
    }
}

/// When an app tries to send without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// At first, and then it waits: most sends need not, and a try is an ordinary call.
    First,
    /// Only if it must not wait: a send that need not wait costs what a try does.
    IfItMustNotWait,
    /// Always: nobody waits here, and the app is told that it would have to.
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

    /// [`Datagrams::send`], with its waits kept in `place`.
    pub(crate) async fn send_from(
        &self,
        place: &Place,
        payload: &[u8],
        to: SocketAddr,
        stamp: Stamp,
    ) -> Result<(), SendError> {
        if let Some(budget) = self.flow.budget() {
            let need = payload.len() as u64;
            place.budget().over(|| self.flow.timed(Stage::Budget, budget.acquire_owned(need))).await;
        }
        let mut headroom = [0; HEADROOM];
        let mut packet = Packet::new(&mut headroom, payload, stamp);
        packet.wait_in(place);
        self.below.send(&mut packet, self.port, to).await?;
        // From here on the packet holds it; completing or dying, it gives it back.
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
        // Each takes its bytes of a budget by itself.
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
    fn a_used_up_budget_blocks_until_a_packet_settles() {
        let socket = socket(10, Ok(()));
        assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Ok(()));
        assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Err(SendError::WouldBlock));
        socket.flow.lose(1, 8);
        assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Ok(()));
    }

    #[test]
    fn a_failed_send_gives_its_budget_back() {
        let socket = socket(8, Err(SendError::Closed));
        for _ in 0..3 {
            assert_eq!(socket.try_send(b"12345678", to(), Stamp::default()), Err(SendError::Closed));
        }
    }

    #[test]
    fn a_try_that_would_block_leaves_no_trace() {
        let socket = socket(4, Ok(()));
        assert_eq!(socket.try_send(b"12345", to(), Stamp::default()), Err(SendError::WouldBlock));
        assert_eq!(socket.flow.blocked(Stage::Budget).count(), 0);
        assert_eq!(socket.try_send(b"1234", to(), Stamp::default()), Ok(()));
    }
}
