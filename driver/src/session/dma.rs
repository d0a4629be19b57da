//! Copies of the frames that the hardware holds, as if it had read them by DMA.

use std::collections::TryReserveError;

use shared::limits::zeroed;
use shared::ring::MAX_FRAME;

/// Private copies of the frames in the hardware, oldest first; or none, if the bytes stay in the ring.
#[derive(Debug, Default)]
pub(super) struct FrameCopies {
    /// `MAX_FRAME` bytes for each copy. Zeroed memory is committed by the page when it is first written,
    /// so a deep queue that stays shallow costs little.
    bytes: Vec<u8>,
    most: usize,
    newest: usize,
    oldest: usize,
}

impl FrameCopies {
    /// Memory for `most` copies; with 0, nothing is copied.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub(super) fn new(most: usize) -> Result<Self, TryReserveError> {
        Ok(Self { bytes: zeroed(most * MAX_FRAME)?, most, newest: 0, oldest: 0 })
    }

    /// The buffer for the next copy; `None` if nothing is copied.
    pub(super) fn next(&mut self) -> Option<&mut [u8]> {
        let start = self.newest * MAX_FRAME;
        self.bytes.get_mut(start..start + MAX_FRAME)
    }

    /// The frame of `len` bytes that was copied last, which is not kept yet; empty if nothing is copied.
    pub(super) fn newest(&self, len: u32) -> &[u8] {
        let start = self.newest * MAX_FRAME;
        self.bytes.get(start..start + len as usize).unwrap_or_default()
    }

    /// Keeps the frame that was copied last until it is the oldest one and released.
    pub(super) fn keep(&mut self) {
        self.newest = self.behind(self.newest);
    }

    /// Releases the oldest `frames` copies, of `len` bytes each, because the hardware has finished with them. Calls
    /// `sent` with the bytes of each, which are empty if nothing is copied.
    pub(super) fn release(&mut self, frames: u64, len: u32, mut sent: impl FnMut(&[u8])) {
        for _ in 0..frames {
            let start = self.oldest * MAX_FRAME;
            sent(self.bytes.get(start..start + len as usize).unwrap_or_default());
            self.oldest = self.behind(self.oldest);
        }
        // Start again with the first buffer: it is still in the cache.
        if self.oldest == self.newest {
            (self.oldest, self.newest) = (0, 0);
        }
    }

    fn behind(&self, copy: usize) -> usize {
        if copy + 1 >= self.most { 0 } else { copy + 1 }
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
                frames.next().unwrap()[..3].fill(frame);
                frames.keep();
            }
            let mut seen = Vec::new();
            frames.release(2, 3, |bytes| seen.extend_from_slice(bytes));
            assert_eq!(seen, [[2 * round; 3], [2 * round + 1; 3]].concat());
        }
    }

    #[test]
    fn with_at_most_0_copies_nothing_is_copied() {
        let mut frames = FrameCopies::new(0).unwrap();
        assert!(frames.next().is_none());
        frames.keep();
        frames.release(1, 100, |bytes| assert_eq!(bytes, b""));
    }
}
