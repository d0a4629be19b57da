//! Where the delivered packets spent their latency, as far as the device knows it.

use std::cell::{Cell, RefCell};

use shared::report::SplitReport;
use shared::units::Nanos;

use crate::packet::WaitTimes;

/// Sums of nanoseconds over the delivered packets, by place.
#[derive(Debug, Default)]
pub(super) struct LatencySplit {
    /// All places but the two below.
    waits: RefCell<SplitReport>,
    ring_ns: Cell<u128>,
    device_queue_ns: Cell<u128>,
    /// By how much the driver's turn, in which it took a frame, began before the frame was submitted.
    early_ns: Cell<u128>,
}

impl LatencySplit {
    /// `packets` were delivered, each of which was `submitted` to the ring and `taken` by the hardware then.
    #[inline(always)]
    pub(super) fn deliver(&self, packets: u64, submitted: Nanos, taken: Nanos) {
        let ring_ns = u128::from(taken.since(submitted).0) * u128::from(packets);
        self.ring_ns.set(self.ring_ns.get() + ring_ns);
        if taken < submitted {
            let early_ns = u128::from(submitted.since(taken).0) * u128::from(packets);
            self.early_ns.set(self.early_ns.get() + early_ns);
        }
    }

    /// By how much the driver took frames before they were submitted, summed over the delivered ones.
    pub(super) fn early_ns(&self) -> u128 {
        self.early_ns.get()
    }

    /// `packets` were delivered, each of which spent `span` in the transmit queue of the device.
    pub(super) fn deliver_queued(&self, packets: u64, span: Nanos) {
        self.device_queue_ns.set(self.device_queue_ns.get() + u128::from(span.0) * u128::from(packets));
    }

    /// A packet that waited was delivered.
    pub(super) fn deliver_waits(&self, waits: WaitTimes) {
        let sums = &mut *self.waits.borrow_mut();
        sums.budget_ns += u128::from(waits.budget.0);
        sums.neighbour_ns += u128::from(waits.neighbour.0);
        sums.stack_ns += u128::from(waits.stack.0);
        sums.room_ns += u128::from(waits.room.0);
    }

    /// The split of `latency_ns`, the sum of the latencies of the `packets` that were delivered. They held their slots for
    /// `held_ns`: what they did not spend in the ring they spent in the hardware. What was spent in no other place was
    /// spent at the source. `None` if a packet was sent before its intended time, so that the places add up to more than
    /// the latency.
    pub(super) fn report(&self, packets: u64, latency_ns: u128, held_ns: u128) -> Option<SplitReport> {
        let (ring_ns, device_queue_ns) = (self.ring_ns.get(), self.device_queue_ns.get());
        let hardware_ns = held_ns.checked_sub(ring_ns)?;
        let elsewhere = SplitReport { ring_ns, device_queue_ns, hardware_ns, ..*self.waits.borrow() };
        let source_ns = latency_ns.checked_sub(elsewhere.places().iter().map(|(_, span)| span).sum())?;
        Some(SplitReport { packets, latency_ns, source_ns, ..elsewhere })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_latency_was_spent_at_the_source() {
        let split = LatencySplit::default();
        split.deliver_queued(2, Nanos(5));
        split.deliver(2, Nanos(100), Nanos(125));
        split.deliver(1, Nanos(100), Nanos(97));
        assert_eq!(split.early_ns(), 3);
        split.deliver_waits(WaitTimes { room: Nanos(7), ..WaitTimes::default() });
        let report = split.report(2, 200, 170).unwrap();
        assert_eq!((report.device_queue_ns, report.ring_ns, report.hardware_ns, report.room_ns), (10, 50, 120, 7));
        assert_eq!(report.source_ns, 13);
        assert_eq!(split.report(2, 186, 170), None);
    }
}
