//! Where the delivered packets spent their latency, as far as the device knows it.

use std::cell::RefCell;

use shared::report::SplitReport;
use shared::units::Nanos;

use crate::packet::WaitTimes;

/// Sums of nanoseconds over the delivered packets, by place.
#[derive(Debug, Default)]
pub(super) struct LatencySplit(RefCell<SplitReport>);

/// When delivered packets passed from place to place; each time is no earlier than the one before.
#[derive(Debug, Clone, Copy)]
pub(super) struct Passed {
    /// When they entered the transmit queue of the device; `submitted` if it has none.
    pub(super) queued: Nanos,
    pub(super) submitted: Nanos,
    pub(super) taken: Nanos,
    pub(super) completed: Nanos,
}

impl LatencySplit {
    /// `packets` with the same times were delivered.
    #[inline(always)]
    pub(super) fn deliver(&self, packets: u64, passed: Passed) {
        let Passed { queued, submitted, taken, completed } = passed;
        let sums = &mut *self.0.borrow_mut();
        let span = |from: Nanos, to: Nanos| u128::from(to.since(from).0) * u128::from(packets);
        sums.device_queue_ns += span(queued, submitted);
        sums.ring_ns += span(submitted, taken);
        sums.hardware_ns += span(taken, completed);
    }

    /// A packet that waited was delivered.
    pub(super) fn deliver_waits(&self, waits: WaitTimes) {
        let sums = &mut *self.0.borrow_mut();
        sums.budget_ns += u128::from(waits.budget.0);
        sums.neighbour_ns += u128::from(waits.neighbour.0);
        sums.stack_ns += u128::from(waits.stack.0);
        sums.room_ns += u128::from(waits.room.0);
    }

    /// The split of `latency_ns`, the sum of the latencies of the `packets` that were delivered: what was spent in no
    /// other place was spent at the source. `None` if a packet was sent before its intended time, so that the places
    /// add up to more than the latency.
    pub(super) fn report(&self, packets: u64, latency_ns: u128) -> Option<SplitReport> {
        let sums = *self.0.borrow();
        let elsewhere = sums.places().iter().map(|(_, span)| span).sum();
        let source_ns = latency_ns.checked_sub(elsewhere)?;
        Some(SplitReport { packets, latency_ns, source_ns, ..sums })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_latency_was_spent_at_the_source() {
        let split = LatencySplit::default();
        let [queued, submitted, taken, completed] = [10, 15, 40, 100].map(Nanos);
        split.deliver(2, Passed { queued, submitted, taken, completed });
        split.deliver_waits(WaitTimes { room: Nanos(7), ..WaitTimes::default() });
        let report = split.report(2, 200).unwrap();
        assert_eq!((report.device_queue_ns, report.ring_ns, report.hardware_ns, report.room_ns), (10, 50, 120, 7));
        assert_eq!(report.source_ns, 13);
        assert_eq!(split.report(2, 186), None);
    }
}
