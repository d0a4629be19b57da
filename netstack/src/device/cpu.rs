//! A model of the stack's own cost: one CPU that each packet occupies for a fixed time.

use std::cell::Cell;

use shared::exec::Clock;
use shared::units::Nanos;

use crate::error::SendError;
use crate::layer::Egress;
use crate::packet::{Batch, Packet, PendingSend, Wait, WaitFor, WaitPlace};

/// A device behind a CPU that takes `cost` for each packet, one packet after the other.
///
/// A packet passes one of these at most: a pending send has one wait for the CPU, see
/// [`PendingSend`](crate::packet::PendingSend). So no program of one's own can put another one on a device.
///
/// In virtual time processing takes no time by itself, so this models a cost of, say, 4 us per packet. In real time
/// the machine's own cost applies, and `cost` is zero.
#[derive(Debug)]
pub(crate) struct Costly<D> {
    below: D,
    cost: Nanos,
    clock: Clock,
    /// When the CPU has finished all packets that occupied it so far.
    free_at: Cell<Nanos>,
}

impl<D> Costly<D> {
    /// `below`, behind a CPU that takes `cost` for each packet.
    pub(crate) fn new(below: D, cost: Nanos, clock: Clock) -> Self {
        Self { below, cost, clock, free_at: Cell::new(Nanos::ZERO) }
    }

    /// Queues one packet on the CPU, and returns when the CPU will have finished it.
    fn occupy(&self) -> Nanos {
        let done = self.free_at.get().max(self.clock.now()) + self.cost;
        self.free_at.set(done);
        done
    }
}

impl<D: Egress<()>> Egress<()> for Costly<D> {
    const RESUMES: bool = D::RESUMES;

    async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        if self.cost > Nanos::ZERO {
            let own = Wait::default();
            // The result stays in the wait: if the send waits for room afterwards and is polled again, this wait is
            // already over, and the packet does not occupy the CPU twice.
            let wait = packet.pending().map_or(&own, PendingSend::cpu);
            let done = || {
                let done = self.occupy();
                packet.note_wait(WaitPlace::Stack, done.since(self.clock.now()));
                WaitFor { expiry: Some(self.clock.sleep_until(done)), ..WaitFor::default() }
            };
            wait.wait(done, || None).await;
        }
        self.below.send(packet, to).await
    }

    /// With a cost, every packet has to wait for the CPU.
    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
        if self.cost > Nanos::ZERO { Err(SendError::WouldBlock) } else { self.below.try_send(packet, to) }
    }

    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, to: &()) -> u64 {
        if self.cost > Nanos::ZERO { 0 } else { self.below.try_send_batch(batch, to) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Stamp;
    use futures_util::future::join;
    use shared::exec::{Virtual, run};
    use shared::ring::HEADROOM;
    use std::cell::RefCell;

    /// Records when it receives a packet.
    struct Fake(Clock, RefCell<Vec<u64>>);

    impl Egress<()> for Fake {
        async fn send(&self, packet: &mut Packet<'_>, to: &()) -> Result<(), SendError> {
            self.try_send(packet, to)
        }

        fn try_send(&self, _: &mut Packet<'_>, (): &()) -> Result<(), SendError> {
            self.1.borrow_mut().push(self.0.now().0);
            Ok(())
        }
    }

    #[test]
    fn packets_share_one_cpu() {
        let clock = Clock::default();
        let inner = clock.clone();
        let times = run(&clock, Virtual::default(), |_| async move {
            let device = Costly::new(Fake(inner.clone(), RefCell::default()), Nanos(10), inner.clone());
            let send = async || device.send(&mut Packet::new(&mut [0; HEADROOM], b"", Stamp::default()), &()).await;
            assert_eq!(join(send(), send()).await, (Ok(()), Ok(())));
            inner.sleep_until(Nanos(100)).await;
            assert_eq!(send().await, Ok(()));
            device.below.1.take()
        });
        assert_eq!(times, Ok(vec![10, 20, 110]));
    }
}
