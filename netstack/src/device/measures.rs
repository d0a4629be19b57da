//! What the device measures of its frames: how long they held their slots, where the delivered ones spent their latency, and
//! how soon a sender that waited used the slot that it was given.

use std::cell::{Cell, RefCell};

use shared::ledger::{Histogram, Repeats};
use shared::report::SplitReport;
use shared::units::Nanos;

use super::freed::FreedSlots;
use crate::packet::WaitPlace;

/// Sums of nanoseconds over frames, and what is needed for them.
#[derive(Debug)]
pub(super) struct Measures {
    /// For how long completed frames held their slots.
    held_ns: Cell<u128>,
    /// The part of `held_ns` of frames that were not delivered.
    held_in_vain_ns: Cell<u128>,
    /// Waits of the delivered packets, by [`WaitPlace`].
    waits: [Cell<u128>; WaitPlace::ALL.len()],
    /// In the ring, until the hardware took the frame; of delivered packets, as the next two.
    ring_ns: Cell<u128>,
    /// In the transmit queue of the device.
    device_queue_ns: Cell<u128>,
    /// By how much the driver's turn, in which it took a frame, began before the frame was submitted.
    early_ns: Cell<u128>,
    freed: RefCell<FreedSlots>,
    room_to_send: Repeats,
}

/// The figures of a run that the device measures.
#[derive(Debug, Clone, Default)]
pub struct DeviceFigures {
    /// Nanoseconds that completed frames held their slots, summed over frames.
    pub held_ns: u128,
    /// Where the delivered packets spent their latency; `None` if a packet was sent before its intended time, so that the
    /// places add up to more than the latency.
    pub split: Option<SplitReport>,
    /// By how much the driver's turns, in which it took frames, began before the frames were submitted, summed over the
    /// delivered frames: see [`SplitReport::with_hardware`].
    pub taken_early_ns: u128,
    /// Nanoseconds from the time at which a slot became free to the acceptance of the packet that took it, of packets that
    /// waited for room.
    pub room_to_send: Histogram,
}

/// Adds the same `span` of each of `frames` to a sum.
#[inline(always)]
fn add(sum: &Cell<u128>, frames: u64, span: Nanos) {
    sum.set(sum.get() + u128::from(span.0) * u128::from(frames));
}

impl Measures {
    /// Of a ring of `depth` slots.
    pub(super) fn new(depth: usize) -> Self {
        Self {
            held_ns: Cell::default(),
            held_in_vain_ns: Cell::default(),
            waits: Default::default(),
            ring_ns: Cell::default(),
            device_queue_ns: Cell::default(),
            early_ns: Cell::default(),
            freed: RefCell::new(FreedSlots::new(depth)),
            room_to_send: Repeats::default(),
        }
    }

    /// `frames` completed, each of which held its slot for `span`.
    #[inline(always)]
    pub(super) fn hold(&self, frames: u64, span: Nanos) {
        add(&self.held_ns, frames, span);
    }

    /// `frames` of those were not delivered.
    pub(super) fn hold_in_vain(&self, frames: u64, span: Nanos) {
        add(&self.held_in_vain_ns, frames, span);
    }

    /// `packets` were delivered, each of which was `submitted` to the ring and `taken` by the hardware then.
    #[inline(always)]
    pub(super) fn deliver(&self, packets: u64, submitted: Nanos, taken: Nanos) {
        add(&self.ring_ns, packets, taken.since(submitted));
        if taken < submitted {
            add(&self.early_ns, packets, submitted.since(taken));
        }
    }

    /// `packets` were delivered, each of which spent `span` in the transmit queue of the device.
    pub(super) fn deliver_queued(&self, packets: u64, span: Nanos) {
        add(&self.device_queue_ns, packets, span);
    }

    /// A packet that waited at `place` for `span` was delivered.
    #[inline(always)]
    pub(super) fn deliver_wait(&self, place: WaitPlace, span: Nanos) {
        add(&self.waits[place as usize], 1, span);
    }

    /// `frames` frames, the first of which has number `first`, completed `at`, while a sender waited.
    #[inline(always)]
    pub(super) fn free_slots(&self, first: u64, frames: u64, at: Nanos) {
        self.freed.borrow_mut().complete(first, frames, at);
    }

    /// Frame number `frame`, which is `submitted` next, had to wait for room.
    #[inline(always)]
    pub(super) fn use_room(&self, frame: u64, submitted: Nanos) {
        if let Some(freed) = self.freed.borrow_mut().freed_for(frame) {
            self.room_to_send.note(submitted.since(freed).0, 1);
        }
    }

    /// The figures, if `packets` were delivered and `latency_ns` is the sum of their latencies. What they did not spend in
    /// the ring of the time that they held their slots they spent in the hardware; what was spent in no other place was
    /// spent at the source.
    pub(super) fn figures(&self, packets: u64, latency_ns: u128) -> DeviceFigures {
        DeviceFigures {
            held_ns: self.held_ns.get(),
            split: self.split(packets, latency_ns),
            taken_early_ns: self.early_ns.get(),
            room_to_send: self.room_to_send.histogram().clone(),
        }
    }

    fn split(&self, packets: u64, latency_ns: u128) -> Option<SplitReport> {
        let (ring_ns, device_queue_ns) = (self.ring_ns.get(), self.device_queue_ns.get());
        let delivered_ns = self.held_ns.get() - self.held_in_vain_ns.get();
        let hardware_ns = delivered_ns.checked_sub(ring_ns)?;
        let waited = |place: WaitPlace| self.waits[place as usize].get();
        let elsewhere = SplitReport {
            budget_ns: waited(WaitPlace::Budget),
            neighbour_ns: waited(WaitPlace::Neighbour),
            stack_ns: waited(WaitPlace::Stack),
            room_ns: waited(WaitPlace::Room),
            device_queue_ns,
            ring_ns,
            hardware_ns,
            ..SplitReport::default()
        };
        let source_ns = latency_ns.checked_sub(elsewhere.places().iter().map(|(_, span)| span).sum())?;
        Some(SplitReport { packets, latency_ns, source_ns, ..elsewhere })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_latency_was_spent_at_the_source() {
        let measures = Measures::new(1);
        measures.deliver_queued(2, Nanos(5));
        measures.deliver(2, Nanos(100), Nanos(125));
        measures.deliver(1, Nanos(100), Nanos(97));
        measures.hold(2, Nanos(85));
        assert_eq!(measures.figures(2, 200).taken_early_ns, 3);
        measures.deliver_wait(WaitPlace::Room, Nanos(7));
        let report = measures.figures(2, 200).split.unwrap();
        assert_eq!((report.device_queue_ns, report.ring_ns, report.hardware_ns, report.room_ns), (10, 50, 120, 7));
        assert_eq!(report.source_ns, 13);
        assert_eq!(measures.figures(2, 186).split, None);
    }

    #[test]
    fn spans_that_follow_each_other_are_all_counted() {
        let measures = Measures::new(4);
        measures.free_slots(0, 3, Nanos(10));
        measures.free_slots(3, 1, Nanos(20));
        (4..7).for_each(|frame| measures.use_room(frame, Nanos(25)));
        measures.use_room(7, Nanos(25));
        let spans = measures.figures(0, 0).room_to_send;
        assert_eq!(spans.values().collect::<Vec<_>>(), [(5, 1), (15, 3)]);
    }
}
