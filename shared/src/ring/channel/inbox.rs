//! Bytes that came out of the socket, until they are whole records.

use crate::ring::CloseReason;
use crate::wire::{MAX_CONTROL, Parsed, parse};

/// A private copy of what came last. Larger than the largest record, so there is always room for
/// the rest of an incomplete one.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Box<[u8]>,
    filled: usize,
}

impl Inbox {
    /// Holds the traffic of some hundred full-size frames: enough that a read is worth its system
    /// call, and still at home in the second-level cache.
    const SIZE: usize = 256 * 1024;

    pub(super) fn new() -> Self {
        const { assert!(Self::SIZE >= 2 * MAX_CONTROL, "the longest record must fit, with room behind it") };
        Self { buffer: vec![0; Self::SIZE].into_boxed_slice(), filled: 0 }
    }

    /// Where the next bytes go. Never empty once [`Inbox::drain`] ran.
    pub(super) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// `len` bytes were put into the room.
    pub(super) fn came(&mut self, len: usize) {
        self.filled += len;
    }

    /// Hands out each whole record, and keeps the bytes of the one that is not whole yet.
    pub(super) fn drain(
        &mut self,
        mut each: impl FnMut(Parsed<'_>) -> Result<(), CloseReason>,
    ) -> Result<(), CloseReason> {
        let mut at = 0;
        while let Some((record, len)) = parse(&self.buffer[at..self.filled])? {
            each(record)?;
            at += len;
        }
        self.buffer.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}
