//! Copies of the frames that the hardware holds, as if it had read them by DMA.

use std::collections::TryReserveError;

use shared::limits::zeroed;
use shared::ring::{Buffers, MAX_FRAME};

/// Private copies of the frames in the hardware, oldest first; or none, if the bytes stay in the ring.
#[derive(Debug, Default)]
pub(super) struct FrameCopies {
    /// `MAX_FRAME` bytes for each copy. Zeroed memory is committed by the page when it is first written,
    /// so a deep queue that stays shallow costs little.
    bytes: Vec<u8>,
    most: usize,
    /// The buffer of the next copy.
    next: usize,
    oldest: usize,
}

impl FrameCopies {
    /// Memory for `most` copies; with 0, nothing is copied.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(most: usize) -> Result<Self, TryReserveError> {
        Ok(Self { bytes: zeroed(most * MAX_FRAME)?, most, next: 0, oldest: 0 })
    }

    /// The frame of `len` bytes that was copied last; empty if nothing is copied.
    pub(super) fn last(&self, len: u32) -> &[u8] {
        let start = self.before(self.next) * MAX_FRAME;
        self.bytes.get(start..start + len as usize).unwrap_or_default()
    }

    /// Discards the copy that was made last.
    pub(super) fn discard_last(&mut self) {
        self.next = self.before(self.next);
    }

    /// Releases the oldest copies, up to `frames` of them, of `len` bytes each, because the hardware has finished with
    /// them. Calls `take` with the bytes of each, which are empty if nothing is copied, until it returns `false`: that
    /// frame stays. Returns how many it took.
    #[inline(always)]
    pub(super) fn release(&mut self, frames: u64, len: u32, mut take: impl FnMut(&[u8]) -> bool) -> u64 {
        let mut released = 0;
        if self.most == 0 {
            while released < frames && take(&[]) {
                released += 1;
            }
            return released;
        }
        while released < frames {
            let start = self.oldest * MAX_FRAME;
            if !take(self.bytes.get(start..start + len as usize).unwrap_or_default()) {
                return released;
            }
            self.oldest = self.behind(self.oldest);
            released += 1;
        }
        self.start_again_if_empty();
        released
    }

    /// Releases the oldest `frames` copies, whose bytes nothing reads. There are as many, if anything is copied.
    #[inline(always)]
    pub(super) fn skip(&mut self, frames: u64) {
        if self.most == 0 {
            return;
        }
        // The cast cannot truncate: there are never more than `most` copies. So one round is enough, too.
        let oldest = self.oldest + frames as usize;
        self.oldest = if oldest >= self.most { oldest - self.most } else { oldest };
        self.start_again_if_empty();
    }

    /// Starts again with the first buffer if there are no copies: it is still in the cache. Called after a release.
    #[inline(always)]
    fn start_again_if_empty(&mut self) {
        if self.oldest == self.next {
            (self.oldest, self.next) = (0, 0);
        }
    }

    fn behind(&self, copy: usize) -> usize {
        if copy + 1 >= self.most { 0 } else { copy + 1 }
    }

    fn before(&self, copy: usize) -> usize {
        if copy == 0 { self.most.saturating_sub(1) } else { copy - 1 }
    }
}

impl Buffers for FrameCopies {
    #[inline(always)]
    fn next(&mut self) -> Option<&mut [u8]> {
        if self.most == 0 {
            return None;
        }
        let start = self.next * MAX_FRAME;
        self.next = self.behind(self.next);
        self.bytes.get_mut(start..start + MAX_FRAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_released_in_order_and_their_buffers_are_used_again() {
        let mut frames = FrameCopies::new(2).unwrap();
        for round in 0..5u8 {
            for frame in [2 * round, 2 * round + 1] {
                frames.next().unwrap()[..3].fill(0xff);
                frames.discard_last();
                frames.next().unwrap()[..3].fill(frame);
                assert_eq!(frames.last(3), [frame; 3]);
            }
            let mut seen = Vec::new();
            let take = |bytes: &[u8]| {
                seen.extend_from_slice(bytes);
                true
            };
            assert_eq!(frames.release(2, 3, take), 2);
            assert_eq!(seen, [[2 * round; 3], [2 * round + 1; 3]].concat());
        }
    }

    #[test]
    fn copies_that_nothing_reads_are_skipped() {
        let mut frames = FrameCopies::new(3).unwrap();
        for round in 1..20 {
            let count = 1 + round % 3;
            (0..count).for_each(|copy| frames.next().unwrap()[0] = copy);
            frames.skip(u64::from(count) - 1);
            frames.next().unwrap()[0] = 77;
            let mut seen = Vec::new();
            let take = |bytes: &[u8]| {
                seen.push(bytes[0]);
                true
            };
            assert_eq!(frames.release(2, 1, take), 2);
            assert_eq!(seen, [count - 1, 77]);
        }
        FrameCopies::new(0).unwrap().skip(5);
    }

    #[test]
    fn a_frame_that_is_not_taken_stays_with_those_behind_it() {
        let mut frames = FrameCopies::new(3).unwrap();
        for frame in 0..3u8 {
            frames.next().unwrap()[0] = frame;
        }
        assert_eq!(frames.release(3, 1, |_| false), 0, "all buffers are full");
        assert_eq!(frames.release(3, 1, |bytes| bytes == [0]), 1);
        assert_eq!(frames.release(2, 1, |bytes| bytes != [0]), 2);
        frames.next().unwrap()[0] = 9;
        assert_eq!(frames.release(1, 1, |bytes| bytes == [9]), 1);
    }

    #[test]
    fn with_at_most_0_copies_nothing_is_copied() {
        let mut frames = FrameCopies::new(0).unwrap();
        assert!(frames.next().is_none());
        assert_eq!(frames.last(100), b"");
        assert_eq!(frames.release(1, 100, <[u8]>::is_empty), 1);
        assert_eq!(frames.release(3, 100, |_| false), 0);
    }
}
