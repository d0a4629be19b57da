//! When slots became free: how long a waiting packet took to use the slot that it was given.

use shared::units::Nanos;

/// When the hardware completed the last frame of each slot.
///
/// Slots are used in the order in which they became free: on a ring of `depth` slots, frame number `n` takes the slot of
/// frame number `n - depth`.
#[derive(Debug)]
pub(super) struct FreedSlots {
    /// One time for each slot; zero if no frame has completed in it.
    at: Box<[Nanos]>,
    /// The slot of the frame that completes next.
    next: usize,
}

impl FreedSlots {
    pub(super) fn new(depth: usize) -> Self {
        Self { at: vec![Nanos::ZERO; depth].into(), next: 0 }
    }

    /// The next `frames` frames completed `at`.
    #[inline(always)]
    pub(super) fn complete(&mut self, frames: u64, at: Nanos) {
        for _ in 0..frames {
            self.at[self.next] = at;
            self.next += 1;
            if self.next == self.at.len() {
                self.next = 0;
            }
        }
    }

    /// When the slot became free that frame number `frame`, the next one to be submitted, takes; `None` if no frame has
    /// used that slot.
    pub(super) fn freed_for(&self, frame: u64) -> Option<Nanos> {
        let depth = self.at.len() as u64;
        // The cast cannot truncate: the remainder is an index.
        (frame >= depth).then(|| self.at[(frame % depth) as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_frame_takes_the_slot_that_became_free_first() {
        let mut freed = FreedSlots::new(3);
        assert_eq!(freed.freed_for(2), None);
        freed.complete(1, Nanos(10));
        freed.complete(1, Nanos(20));
        assert_eq!((freed.freed_for(3), freed.freed_for(4)), (Some(Nanos(10)), Some(Nanos(20))));
        freed.complete(2, Nanos(30));
        assert_eq!((freed.freed_for(5), freed.freed_for(6)), (Some(Nanos(30)), Some(Nanos(30))));
    }
}
