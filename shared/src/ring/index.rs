//! The ring's index arithmetic: which side holds which slot, and the checks of the peer's counts.

use crate::connection::IndexError;
use crate::depth::Depth;

/// The producer's private view of the ring: how many frames were submitted, and how many completed.
#[derive(Debug, Clone)]
pub struct ProducerIndex {
    depth: Depth,
    submitted: u64,
    completed: u64,
}

impl ProducerIndex {
    /// An empty ring.
    pub fn new(depth: Depth) -> Self {
        Self { depth, submitted: 0, completed: 0 }
    }

    /// Frames submitted since the session began.
    pub fn submitted(&self) -> u64 {
        self.submitted
    }

    /// Frames completed since the session began.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Frames in the ring, in the consumer and in its hardware together.
    pub fn outstanding(&self) -> u32 {
        // The cast cannot truncate: `submit` refuses a frame beyond the depth, which is a u32.
        (self.submitted - self.completed) as u32
    }

    /// Takes the next slot. Returns whether one is free; for a caller that holds a credit, one always is.
    #[must_use = "a frame may be written only if a slot was taken"]
    pub fn submit(&mut self) -> bool {
        let free = self.free() > 0;
        self.submitted += u64::from(free);
        free
    }

    /// Slots that are free.
    pub fn free(&self) -> u32 {
        self.depth.get() - self.outstanding()
    }

    /// Takes the next `frames` slots, at most [`ProducerIndex::free`].
    pub fn submit_group(&mut self, frames: u32) {
        debug_assert!(frames <= self.free(), "a frame has a slot before it is submitted");
        self.submitted += u64::from(frames);
    }

    /// Frees the slot of the oldest outstanding frame, whose position must be `position`.
    ///
    /// # Errors
    /// [`IndexError::OutOfOrder`] if it is another one.
    pub fn complete(&mut self, position: u64) -> Result<(), IndexError> {
        self.complete_group(position, 1)
    }

    /// Frees the slots of the oldest `frames` outstanding frames, the first of which must have `position`.
    ///
    /// # Errors
    /// [`IndexError::OutOfOrder`] if it has another one, or if fewer are outstanding.
    pub fn complete_group(&mut self, position: u64, frames: u32) -> Result<(), IndexError> {
        if position != self.completed || frames > self.outstanding() {
            let (expected, submitted) = (self.completed, self.submitted);
            return Err(IndexError::OutOfOrder { got: position, expected, submitted });
        }
        self.completed += u64::from(frames);
        Ok(())
    }
}

/// The consumer's private view of the ring: how many frames arrived, were taken and were completed.
#[derive(Debug, Clone)]
pub struct ConsumerIndex {
    depth: Depth,
    arrived: Cursor,
    taken: Cursor,
    completed: u64,
}

impl ConsumerIndex {
    /// An empty ring.
    pub fn new(depth: Depth) -> Self {
        Self { depth, arrived: Cursor::default(), taken: Cursor::default(), completed: 0 }
    }

    /// Frames that arrived since the session began.
    pub fn arrived(&self) -> u64 {
        self.arrived.count
    }

    /// Frames that arrived and were not taken yet.
    pub fn waiting(&self) -> u32 {
        // The cast cannot truncate: `arrive` refuses a frame beyond the depth, which is a u32.
        (self.arrived.count - self.taken.count) as u32
    }

    /// Frames taken and not completed yet.
    pub fn held(&self) -> u32 {
        // At most the depth, as above.
        (self.taken.count - self.completed) as u32
    }

    /// Records that a frame arrived, and returns the slot it goes to.
    ///
    /// # Errors
    /// [`IndexError::Overrun`] if no slot is free: the peer submitted without a credit.
    pub fn arrive(&mut self) -> Result<u32, IndexError> {
        if self.arrived.count - self.completed == u64::from(self.depth.get()) {
            return Err(IndexError::Overrun { depth: self.depth.get() });
        }
        Ok(self.arrived.step(self.depth))
    }

    /// Takes the oldest waiting frame and returns its slot.
    pub fn take(&mut self) -> Option<u32> {
        if self.waiting() == 0 {
            return None;
        }
        Some(self.taken.step(self.depth))
    }

    /// Completes the oldest taken frame and returns its position; `None` if none is taken.
    pub fn complete(&mut self) -> Option<u64> {
        (self.complete_group(1) > 0).then(|| self.completed - 1)
    }

    /// Completes the oldest `frames` taken frames, or as many as were taken. Returns how many.
    pub fn complete_group(&mut self, frames: u32) -> u32 {
        let completed = frames.min(self.held());
        self.completed += u64::from(completed);
        completed
    }
}

/// A position in the ring: how many items so far, and the slot of the next one.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cursor {
    pub(super) count: u64,
    pub(super) slot: u32,
}

impl Cursor {
    /// Advances by one item and returns the slot of that item.
    #[inline(always)]
    pub(super) fn step(&mut self, depth: Depth) -> u32 {
        let slot = self.slot;
        // The depth need not be a power of two, so a mask does not work, and a division is slower than this branch.
        self.slot = if slot + 1 == depth.get() { 0 } else { slot + 1 };
        self.count += 1;
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_completion_must_name_the_oldest_frame() {
        let mut ring = ProducerIndex::new(Depth::new(2).unwrap());
        assert!(ring.complete(0).is_err(), "nothing was submitted");
        assert!(ring.submit() && ring.submit() && !ring.submit());
        assert!(ring.complete(1).is_err());
        assert_eq!(ring.complete(0), Ok(()));
        assert!(ring.complete(0).is_err(), "replayed");
    }

    #[test]
    fn more_completions_than_outstanding_frames_are_refused() {
        let mut ring = ProducerIndex::new(Depth::new(4).unwrap());
        assert!(ring.submit() && ring.submit() && ring.submit());
        assert!(ring.complete_group(0, 4).is_err() && ring.complete_group(1, 2).is_err());
        assert_eq!((ring.complete_group(0, 2), ring.outstanding()), (Ok(()), 1));
        assert_eq!((ring.complete_group(2, 1), ring.outstanding()), (Ok(()), 0));
    }

    #[test]
    fn a_frame_beyond_the_depth_is_an_overrun() {
        let mut ring = ConsumerIndex::new(Depth::new(1).unwrap());
        assert_eq!(ring.arrive(), Ok(0));
        assert_eq!(ring.arrive(), Err(IndexError::Overrun { depth: 1 }));
        assert_eq!(ring.take(), Some(0));
        assert_eq!(ring.arrive(), Err(IndexError::Overrun { depth: 1 }), "taken is not free");
        assert_eq!(ring.complete(), Some(0));
        assert_eq!(ring.arrive(), Ok(0));
    }

    proptest! {
        /// Both sides in any interleaving: never more than depth outstanding, slots in order, and
        /// the two views agree.
        #[test]
        fn never_more_than_depth(depth in 1u32..9, moves in proptest::collection::vec(0u8..4, 0..400)) {
            let depth = Depth::new(depth).unwrap();
            let (mut producer, mut consumer) = (ProducerIndex::new(depth), ConsumerIndex::new(depth));
            let mut wire = std::collections::VecDeque::new();
            let mut back = std::collections::VecDeque::new();
            for step in moves {
                match step {
                    0 => if producer.submit() { wire.push_back((producer.submitted() - 1) as u32 % depth.get()); },
                    1 => if let Some(slot) = wire.pop_front() { prop_assert_eq!(consumer.arrive(), Ok(slot)); },
                    2 => { consumer.take(); }
                    _ => {
                        back.extend(consumer.complete());
                        if let Some(position) = back.pop_front() { prop_assert!(producer.complete(position).is_ok()); }
                    }
                }
                prop_assert!(producer.outstanding() <= depth.get());
                prop_assert!(consumer.waiting() + consumer.held() <= producer.outstanding());
            }
        }
    }
}
