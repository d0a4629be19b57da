//! The receive buffer: bytes read from the socket, until they form whole records.

use super::CloseReason;
use crate::control::{MAX_CONTROL, Parsed, parse};

/// A private copy of the bytes read last. It is larger than the largest record, so there is always room for the
/// rest of an incomplete one.
#[derive(Debug)]
pub(super) struct Inbox {
    buffer: Box<[u8]>,
    /// Bytes of `buffer` that hold data.
    filled: usize,
}

impl Inbox {
    /// Holds some 170 full-size frames: enough to be worth a system call, and small enough for the second-level cache.
    const SIZE: usize = 256 * 1024;

    pub(super) fn new() -> Self {
        const { assert!(Self::SIZE >= 2 * MAX_CONTROL, "the longest record must fit, with free space behind it") };
        Self { buffer: vec![0; Self::SIZE].into_boxed_slice(), filled: 0 }
    }

    /// The free part of the buffer, to read into. Never empty after [`Inbox::drain`].
    pub(super) fn free(&mut self) -> &mut [u8] {
        &mut self.buffer[self.filled..]
    }

    /// Records that `len` bytes were read into [`Inbox::free`].
    pub(super) fn add(&mut self, len: usize) {
        self.filled += len;
    }

    /// Calls `each` with each whole record, and keeps the bytes of an incomplete one.
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
