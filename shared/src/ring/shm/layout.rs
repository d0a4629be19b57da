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
pub(super) const MAGIC: u64 = u64::from_le_bytes(*b"PBKRING2");
pub(super) const MAGIC_AT: usize = 0;
pub(super) const GENERATION_AT: usize = 8;
pub(super) const DEPTH_AT: usize = 16;
pub(super) const SLOT_SIZE_AT: usize = 24;

const HEAD_LEN: usize = 8 * LINE;

/// Bytes of the record of a group: half a cache line, so that none lies in two.
pub const RECORD: usize = 32;

/// The largest small frame: one cache line. Small frames lie side by side, so a ring of them takes few lines and pages,
/// whatever its depth.
pub(super) const SMALL: usize = 64;

/// Bytes for a larger frame, in whole cache lines.
pub(super) const LARGE: usize = MAX_FRAME.next_multiple_of(64);

/// Where the parts of a ring of some depth lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    /// The records of groups of frames. The next ones are offsets too.
    pub(super) frames: usize,
    /// The records of groups of completions.
    pub(super) completions: usize,
    pub(super) small: usize,
    pub(super) large: usize,
    /// Bytes of the whole ring.
    pub(super) total: usize,
}

impl Layout {
    pub(super) const fn of(depth: Depth) -> Self {
        let slots = depth.as_usize();
        let frames = HEAD_LEN;
        let completions = (frames + slots * RECORD).next_multiple_of(LINE);
        let small = (completions + slots * RECORD).next_multiple_of(LINE);
        let large = (small + slots * SMALL).next_multiple_of(LINE);
        Self { frames, completions, small, large, total: large + slots * LARGE }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_offsets_hold() {
        let layout = |slots| {
            let Layout { frames, completions, small, large, total } = Layout::of(Depth::new(slots).unwrap());
            [frames, completions, small, large, total]
        };
        assert_eq!([Head::Produced, Head::ConsumerPlan].map(Head::offset), [128, 640]);
        assert_eq!(layout(3), [1024, 1152, 1280, 1536, 1536 + 3 * 1536]);
        assert_eq!(layout(1024), [1024, 33_792, 66_560, 132_096, 132_096 + 1024 * 1536]);
    }
}
