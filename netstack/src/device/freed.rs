//! When slots became free: how long a waiting packet took to use the slot that it was given.

use shared::fifo::Fifo;
use shared::units::Nanos;

/// When the slots became free that were freed while a sender waited for room, and that have not been used again.
///
/// Slots are used in the order in which they became free: on a ring of `depth` slots, frame number `n` takes the slot of
/// frame number `n - depth`. A sender waits only if no slot is free, so what waiters use was freed while one waited.
#[derive(Debug)]
pub(super) struct FreedSlots {
    depth: u64,
    groups: Fifo<Freed>,
}

/// Frames that completed at one time.
#[derive(Debug, Clone, Copy)]
struct Freed {
    /// The number of the first frame.
    first: u64,
    /// The number of the frame after the last one.
    end: u64,
    at: Nanos,
}

impl FreedSlots {
    pub(super) fn new(depth: usize) -> Self {
        Self { depth: depth as u64, groups: Fifo::default() }
    }

    /// `frames` frames, the first of which has number `first`, completed `at`, while a sender waited.
    pub(super) fn complete(&mut self, first: u64, frames: u64, at: Nanos) {
        let end = first + frames;
        match self.groups.back_mut() {
            Some(last) if last.at == at && last.end == first => last.end = end,
            _ => {
                // Slots that were freed before the last `depth` ones have been used.
                if self.groups.len() as u64 >= self.depth {
                    self.groups.pop();
                }
                self.groups.push(Freed { first, end, at });
            }
        }
    }

    /// When the slot became free that frame number `frame`, the next one to be submitted, takes; `None` if no sender waited
    /// then. Forgets the slots that frames before took.
    #[inline(always)]
    pub(super) fn freed_for(&mut self, frame: u64) -> Option<Nanos> {
        let before = frame.checked_sub(self.depth)?;
        while self.groups.front().is_some_and(|freed| freed.end <= before) {
            self.groups.pop();
        }
        self.groups.front().filter(|freed| freed.first <= before).map(|freed| freed.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_takes_the_slot_that_became_free_first() {
        let mut freed = FreedSlots::new(3);
        assert_eq!(freed.freed_for(2), None);
        freed.complete(0, 1, Nanos(10));
        freed.complete(1, 1, Nanos(20));
        assert_eq!((freed.freed_for(3), freed.freed_for(4)), (Some(Nanos(10)), Some(Nanos(20))));
        freed.complete(2, 2, Nanos(30));
        assert_eq!((freed.freed_for(5), freed.freed_for(6)), (Some(Nanos(30)), Some(Nanos(30))));
    }

    #[test]
    fn a_slot_that_was_freed_while_no_sender_waited_is_not_mistaken_for_a_later_one() {
        let mut freed = FreedSlots::new(2);
        freed.complete(5, 1, Nanos(50));
        assert_eq!((freed.freed_for(6), freed.freed_for(7)), (None, Some(Nanos(50))));
        assert_eq!((freed.freed_for(8), freed.groups.len()), (None, 0));
    }
}
