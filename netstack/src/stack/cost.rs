//! A model of the stack's own cost: one CPU that each packet occupies for a fixed time.

use std::cell::Cell;

use shared::exec::Clock;
use shared::units::Nanos;

use super::{Burst, Device, Packet, Place, SendError};

/// A device behind a CPU that takes `cost` for each packet, one packet after the other.
///
/// In virtual time processing takes no time by itself, so this models a cost of, say, 4 us per packet. In real time
/// the machine's own cost applies, and `cost` is zero.
#[derive(Debug)]
pub struct Costly<D> {
    below: D,
    cost: Nanos,
    clock: Clock,
    /// When the CPU has finished all packets that occupied it so far.
    free_at: Cell<Nanos>,
}

impl<D: Device> Costly<D> {
    /// `below`, behind a CPU that takes `cost` for each packet.
    pub fn new(below: D, cost: Nanos, clock: Clock) -> Self {
        Self { below, cost, clock, free_at: Cell::new(Nanos::ZERO) }
    }
}

impl<D> Costly<D> {
    /// Queues one packet on the CPU, and returns when the CPU will have finished it.
    fn occupy(&self) -> Nanos {
        let done = self.free_at.get().max(self.clock.now()) + self.cost;
        self.free_at.set(done);
        done
    }
}

impl<D: Device> Device for Costly<D> {
    fn max_frame(&self) -> usize {
        self.below.max_frame()
    }

    async fn send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        if self.cost > Nanos::ZERO {
            let own = Place::default();
            // The result stays in the place: if the send waits for room afterwards and is polled again, this wait is
            // already over, and the packet does not occupy the CPU twice.
            packet.place().unwrap_or(&own).cpu().wait(|| self.clock.sleep_until(self.occupy())).await;
        }
        self.below.send(packet).await
    }

    /// With a cost, every packet has to wait for the CPU.
    #[inline(always)]
    fn try_send(&self, packet: &Packet<'_>) -> Result<(), SendError> {
        if self.cost > Nanos::ZERO { Err(SendError::WouldBlock) } else { self.below.try_send(packet) }
    }

    #[inline(always)]
    fn try_send_burst(&self, burst: impl Burst) -> u64 {
        if self.cost > Nanos::ZERO { 0 } else { self.below.try_send_burst(burst) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stamp;
    use futures_util::future::join;
    use shared::exec::{Virtual, run};
    use shared::ring::HEADROOM;
    use std::cell::RefCell;

    /// Records when it receives a packet.
    struct Fake(Clock, RefCell<Vec<u64>>);

    impl Device for Fake {
        fn max_frame(&self) -> usize {
            1514
        }

        async fn send(&self, _: &Packet<'_>) -> Result<(), SendError> {
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
            let mut headroom = [0; HEADROOM];
            let packet = Packet::new(&mut headroom, b"", Stamp::default());
            assert_eq!(join(device.send(&packet), device.send(&packet)).await, (Ok(()), Ok(())));
            inner.sleep_until(Nanos(100)).await;
            assert_eq!(device.send(&packet).await, Ok(()));
            device.below.1.take()
        });
        assert_eq!(times, Ok(vec![10, 20, 110]));
    }
}
