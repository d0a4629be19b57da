//! Sockets: the interface between apps and layers, where the send budget is enforced.

use std::net::SocketAddr;
use std::rc::Rc;

use super::UdpTo;
use crate::account::{Account, Stage};
use crate::error::SendError;
use crate::layer::Egress;
use crate::packet::{Batch, Packet, PendingSend, Wait, WaitFor, WaitOver, WaitPlace, Waited};

/// A UDP socket with a send budget.
#[derive(Debug)]
pub struct UdpSocket<T> {
    below: Rc<T>,
    account: Rc<Account>,
    port: u16,
}

impl<T> UdpSocket<T> {
    /// A socket on `port` whose packets are counted in `account`.
    pub fn new(below: Rc<T>, account: Rc<Account>, port: u16) -> Self {
        Self { below, account, port }
    }

    fn address(&self, to: &SocketAddr) -> UdpTo {
        UdpTo { source_port: self.port, to: *to }
    }
}

impl<T: Egress<UdpTo>> Egress<SocketAddr> for UdpSocket<T> {
    const RESUMES: bool = T::RESUMES;

    async fn send(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        let Some(budget) = self.account.budget() else {
            return self.below.send(packet, &self.address(to)).await;
        };
        let own = Wait::default();
        let wait = packet.pending().map_or(&own, PendingSend::budget);
        let len = packet.payload().len();
        if let error @ SendError::OverBudget { .. } = self.account.over_budget(len) {
            return Err(error);
        }
        let need = len as u64;
        let bytes = || WaitFor { credit: Some(budget.acquire_owned(need)), ..WaitFor::default() };
        wait.wait(bytes, || Some(self.account.begin_wait(Stage::Budget))).await;
        packet.note_wait(WaitPlace::Budget, wait.take_blocked());
        self.below.send(packet, &self.address(to)).await?;
        // The packet is accepted and now holds its bytes of the budget. They return when it settles, that is, when it
        // completes, is dropped or is lost. If the send fails or is cancelled, dropping `wait` returns them.
        if let Some(WaitOver { waited: Waited::Granted(grant), .. }) = wait.take() {
            grant.spend();
        }
        Ok(())
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &SocketAddr) -> Result<(), SendError> {
        let grant = match self.account.budget() {
            Some(budget) => {
                let len = packet.payload().len();
                Some(budget.try_acquire(len as u64).ok_or_else(|| self.account.over_budget(len))?)
            }
            None => None,
        };
        self.below.try_send(packet, &self.address(to))?;
        if let Some(grant) = grant {
            grant.spend();
        }
        Ok(())
    }

    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, to: &SocketAddr) -> u64 {
        // Each packet must acquire its own bytes of the budget, so they are sent one by one.
        if self.account.budget().is_some() { 0 } else { self.below.try_send_batch(batch, &self.address(to)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::{Timed, Timeline};
    use crate::packet::Stamp;
    use futures_util::FutureExt;
    use shared::exec::Clock;
    use shared::ring::HEADROOM;
    use shared::units::Nanos;
    use std::cell::Cell;

    /// Takes every packet, or none.
    struct Fake(Cell<Result<(), SendError>>);

    impl Egress<UdpTo> for Fake {
        async fn send(&self, _: &mut Packet<'_>, _: &UdpTo) -> Result<(), SendError> {
            self.0.get()
        }

        fn try_send(&self, _: &mut Packet<'_>, _: &UdpTo) -> Result<(), SendError> {
            self.0.get()
        }
    }

    fn try_send(socket: &UdpSocket<Fake>, payload: &[u8]) -> Result<(), SendError> {
        socket.try_send(&mut Packet::new(&mut [0; HEADROOM], payload, Stamp::default()), &to())
    }

    fn socket(budget: u64, outcome: Result<(), SendError>) -> UdpSocket<Fake> {
        let account = Account::new(0, "test", Some(budget), &Timeline::new(&Clock::default(), Nanos::from_secs(1)));
        UdpSocket::new(Rc::new(Fake(Cell::new(outcome))), account, 9)
    }

    fn to() -> SocketAddr {
        SocketAddr::from(([10, 0, 0, 2], 9))
    }

    #[test]
    fn an_exhausted_budget_blocks_until_a_packet_settles() {
        let socket = socket(10, Ok(()));
        assert_eq!(try_send(&socket, b"12345678"), Ok(()));
        assert_eq!(try_send(&socket, b"12345678"), Err(SendError::WouldBlock));
        socket.account.lose(1, 8);
        assert_eq!(try_send(&socket, b"12345678"), Ok(()));
    }

    #[test]
    fn a_failed_send_returns_its_budget() {
        let socket = socket(8, Err(SendError::Closed));
        for _ in 0..3 {
            assert_eq!(try_send(&socket, b"12345678"), Err(SendError::Closed));
        }
    }

    #[test]
    fn a_try_that_would_block_counts_no_blocked_time_and_keeps_no_budget() {
        let socket = socket(4, Ok(()));
        assert_eq!(try_send(&socket, b"123"), Ok(()));
        assert_eq!(try_send(&socket, b"12"), Err(SendError::WouldBlock));
        assert_eq!(socket.account.tally(Timed::Wait(Stage::Budget)).count, 0);
        assert_eq!(try_send(&socket, b"1"), Ok(()));
    }

    #[test]
    fn a_payload_above_the_whole_budget_is_an_error_and_not_a_wait() {
        let socket = socket(4, Ok(()));
        let error = Err(SendError::OverBudget { len: 5, budget: 4 });
        assert_eq!(try_send(&socket, b"12345"), error);
        let (mut headroom, to) = ([0; HEADROOM], to());
        let mut packet = Packet::new(&mut headroom, b"12345", Stamp::default());
        assert_eq!(socket.send(&mut packet, &to).now_or_never(), Some(error));
    }
}
