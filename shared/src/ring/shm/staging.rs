//! Where frames are put together before they go into shared memory, a few at a time.
//!
//! Headers are built from small pieces, and a copy of what was just stored in pieces has to wait
//! until the pieces have left the processor's store buffer. That is quick in private memory. If the
//! stores before them went to lines that the peer has read, it takes as long as to get those lines
//! back, for every single frame: measured at 64 B between distant CPUs, 280 ns a frame in place of
//! 140. So frames are built here, and then copied in one go, whole lines at a time. At 1500 B the
//! second copy gains nothing between distant CPUs, and costs 30 ns of 190 between close ones.

use super::layout::{SLOT_HEADER, STRIDE};
use crate::ring::MAX_FRAME;

/// Frames put together at a time: they stay in the first-level cache.
pub(super) const PLACES: usize = 16;

/// Frames with their headers as slots hold them, oldest first.
#[derive(Debug)]
pub(super) struct Staging {
    bytes: Box<[u8]>,
    lens: [usize; PLACES],
    used: usize,
}

impl Staging {
    pub(super) fn new() -> Self {
        const { assert!(SLOT_HEADER + MAX_FRAME <= STRIDE, "a place is as large as a slot") };
        Self { bytes: vec![0; PLACES * STRIDE].into(), lens: [0; PLACES], used: 0 }
    }

    /// Adds a frame, of at most [`MAX_FRAME`] bytes. Returns whether it was the last that fits.
    #[inline(always)]
    pub(super) fn push(&mut self, header: &[u8; SLOT_HEADER], headers: &[u8], payload: &[u8]) -> bool {
        let place = &mut self.bytes[self.used * STRIDE..][..STRIDE];
        let (start, rest) = place.split_at_mut(SLOT_HEADER);
        start.copy_from_slice(header);
        rest[..headers.len()].copy_from_slice(headers);
        rest[headers.len()..][..payload.len()].copy_from_slice(payload);
        self.lens[self.used] = SLOT_HEADER + headers.len() + payload.len();
        self.used += 1;
        self.used == PLACES
    }

    /// Hands out all frames, oldest first, and is empty afterwards.
    pub(super) fn drain(&mut self, mut each: impl FnMut(&[u8])) {
        let used = std::mem::take(&mut self.used);
        for (place, len) in self.bytes.chunks_exact(STRIDE).zip(self.lens).take(used) {
            each(&place[..len]);
        }
    }
}
