//! When slots became free: how long a waiting packet took to use the slot that it was given.

use shared::fifo::Fifo;
use shared::units::Nanos;

/// The times at which the slots became free that have not been used again.
///
/// Slots are used in the order in which they became free: on a ring of `depth` slots, frame number `n` takes the slot of
/// frame number `n - depth`.
#[derive(Debug)]
pub(super) struct FreedSlots {
    depth: u64,
    /// Frames that have completed.
    completed: u64,
    /// Groups of frames that completed at one time, oldest first: the number of the first frame after the group, and the
    /// time.
    groups: Fifo<(u64, Nanos)>,
}

impl FreedSlots {
    pub(super) fn new(depth: usize) -> Self {
        Self { depth: depth as u64, completed: 0, groups: Fifo::with_capacity(depth) }
    }

    /// The next `frames` frames completed `at`; `submitted` frames have been submitted so far.
    #[inline(always)]
    pub(super) fn complete(&mut self, frames: u64, at: Nanos, submitted: u64) {
        self.forget_before(submitted);
        self.completed += frames;
        match self.groups.back_mut() {
            Some(last) if last.1 == at => last.0 = self.completed,
            _ => self.groups.push((self.completed, at)),
        }
    }

    /// When the slot became free that frame number `frame`, the next one to be submitted, takes; `None` if that slot was
    /// never used before.
    pub(super) fn freed_for(&mut self, frame: u64) -> Option<Nanos> {
        self.forget_before(frame);
        (frame >= self.depth).then_some(())?;
        self.groups.front_mut().map(|group| group.1)
    }

    /// Forgets the slots that frames before number `frame` have taken. So at most `depth` groups are kept.
    #[inline(always)]
    fn forget_before(&mut self, frame: u64) {
        while self.groups.front().is_some_and(|(end, _)| *end + self.depth <= frame) {
            self.groups.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_takes_the_slot_that_became_free_first() {
        let mut freed = FreedSlots::new(3);
        assert_eq!(freed.freed_for(2), None);
        freed.complete(1, Nanos(10), 3);
        freed.complete(1, Nanos(20), 3);
        assert_eq!(freed.freed_for(3), Some(Nanos(10)));
        assert_eq!(freed.freed_for(4), Some(Nanos(20)));
        // Frame 4 has been submitted; the next slot is not free yet.
        assert_eq!(freed.freed_for(5), None);
        freed.complete(2, Nanos(30), 5);
        assert_eq!((freed.freed_for(5), freed.freed_for(6)), (Some(Nanos(30)), Some(Nanos(30))));
    }

    #[test]
    fn a_run_in_which_no_packet_waits_keeps_no_more_groups_than_slots() {
        let mut freed = FreedSlots::new(4);
        for frame in 0..1000 {
            freed.complete(1, Nanos(frame), frame + 2);
            assert!(freed.groups.len() <= 4);
        }
    }
}
