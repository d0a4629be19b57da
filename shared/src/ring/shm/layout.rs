//! The offsets of the layout that `ring::shm` specifies.

use crate::depth::Depth;
use crate::frame::MAX_FRAME;

/// The distance between two words with different writers: two cache lines of 64 bytes, because processors prefetch
/// lines in pairs.
pub(super) const LINE: usize = 128;

/// The words of the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// Frames published. Written by the producer.
    Produced = 1,
    /// Frames completed. Written by the consumer.
    Completed = 2,
    /// The count of completions that wakes the producer. Written by the producer.
    ProducerEvent = 3,
    /// The count of frames that wakes the consumer. Written by the consumer.
    ConsumerEvent = 4,
    /// The count of completions at which a sleeping consumer wakes by its own timer. Written by the consumer.
    ConsumerPlan = 5,
}

impl Head {
    pub(super) const fn offset(self) -> usize {
        self as usize * LINE
    }
}

/// Magic and version of the layout.
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"PBKRING1");
pub(super) const MAGIC_AT: usize = 0;
pub(super) const GENERATION_AT: usize = 8;
pub(super) const DEPTH_AT: usize = 16;
pub(super) const STRIDE_AT: usize = 24;

const HEAD_LEN: usize = 8 * LINE;

/// Bytes of a slot in front of its frame.
pub const SLOT_HEADER: usize = 32;

/// Bytes from the start of one slot to the start of the next.
pub(super) const STRIDE: usize = (SLOT_HEADER + MAX_FRAME).next_multiple_of(LINE);

/// Bytes of a completion.
const COMPLETION: usize = 8;

/// Bytes of a whole ring of `depth` slots.
pub(super) const fn total(depth: Depth) -> usize {
    slot_at(depth, depth.get())
}

pub(super) const fn completion_at(slot: u32) -> usize {
    HEAD_LEN + slot as usize * COMPLETION
}

pub(super) const fn slot_at(depth: Depth, slot: u32) -> usize {
    completion_at(depth.get()).next_multiple_of(LINE) + slot as usize * STRIDE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_offsets_hold() {
        let three = Depth::new(3).unwrap();
        assert_eq!([Head::Produced, Head::ConsumerPlan].map(Head::offset), [128, 640]);
        assert_eq!((completion_at(2), slot_at(three, 0), slot_at(three, 1)), (1040, 1152, 1152 + 1664));
        assert_eq!(total(three), 1152 + 3 * 1664);
        assert_eq!(total(Depth::new(1024).unwrap()), 9216 + 1024 * 1664);
    }
}
