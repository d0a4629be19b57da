//! The staging buffer: small frames are built in private memory, then copied into shared memory in batches.
//!
//! Headers are built from small pieces, and a load of bytes that were just stored in pieces has to wait
//! until those stores have left the processor's store buffer. That is quick in private memory. If the
//! stores ahead of them went to cache lines that the peer has read, each frame waits until those lines come
//! back: measured at 64 B between distant CPUs, 280 ns a frame in place of
//! 140. So frames are built here, and then copied in one pass, whole lines at a time. For a large frame
//! the second copy costs more than it saves.
//!
//! While a frame is staged, the processor already asks for the lines of its slot, which the consumer has read before. By
//! the time that the batch is copied they have arrived.

use crate::ring::{Frame, Frames, HEADROOM, Headroom};

/// Frames in a batch: few enough that small frames stay in the first-level cache.
pub(super) const BUFFERS: usize = 64;

/// The largest frame that is staged, in bytes.
pub(super) const LARGEST: usize = 256;

/// Where the payload starts. In front of it are the frame's headers.
const PAYLOAD_AT: usize = 128;
const _: () = assert!(HEADROOM <= PAYLOAD_AT);

/// Staged frames, oldest first.
#[derive(Debug)]
pub(super) struct Staging {
    buffers: Box<[FrameBuffer; BUFFERS]>,
    used: usize,
}

/// A buffer for one frame, aligned to a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct FrameBuffer {
    bytes: [u8; PAYLOAD_AT + LARGEST],
    /// Where the frame starts in `bytes`.
    start: usize,
    /// Where it ends.
    end: usize,
    /// The slot to which it goes.
    slot: u32,
}

impl Staging {
    pub(super) fn new() -> Self {
        let buffer = FrameBuffer { bytes: [0; PAYLOAD_AT + LARGEST], start: PAYLOAD_AT, end: PAYLOAD_AT, slot: 0 };
        Self { buffers: Box::new([buffer; BUFFERS]), used: 0 }
    }

    /// The free buffers. There is at least one: the caller that fills the last one empties them all.
    #[inline(always)]
    pub(super) fn free(&mut self) -> &mut [FrameBuffer] {
        // `used` is never above BUFFERS; `min` lets the compiler see it and drop the check of the range.
        &mut self.buffers[self.used.min(BUFFERS)..]
    }

    /// Accepts the frames built in the first `buffers` free buffers. Returns whether none is free now.
    #[inline(always)]
    pub(super) fn keep(&mut self, buffers: usize) -> bool {
        self.used += buffers;
        self.used == BUFFERS
    }

    /// How many frames are staged.
    #[inline(always)]
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// The staged frames.
    pub(super) fn complete(&self) -> &[FrameBuffer] {
        &self.buffers[..self.used.min(BUFFERS)]
    }

    /// Empties the buffers, once its frames are in the ring.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }
}

impl FrameBuffer {
    /// The bytes for headers, and the bytes behind them for the payload. Always `Some`: `PAYLOAD_AT` is above `HEADROOM`.
    #[inline(always)]
    fn parts(&mut self) -> Option<(&mut Headroom, &mut [u8])> {
        let (front, body) = self.bytes.split_at_mut(PAYLOAD_AT);
        front.last_chunk_mut().map(|headroom| (headroom, body))
    }

    /// Copies a whole frame here, of at most [`LARGEST`] bytes, of which at most [`HEADROOM`] are headers. It goes to
    /// `slot`.
    #[inline(always)]
    pub(super) fn fill(&mut self, frame: &Frame<'_>, slot: u32) {
        let &Frame { headers, payload, .. } = frame;
        if let Some((headroom, body)) = self.parts() {
            headroom[HEADROOM - headers.len()..].copy_from_slice(headers);
            copy(&mut body[..payload.len()], payload);
            self.finish(headers.len(), payload.len(), slot);
        }
    }

    /// Builds the next of `frames` here, if it is like the frame with these `headers`. It goes to `slot`. Returns its
    /// sequence number if there was one.
    ///
    /// `headers` come from the buffer in which the first frame of the batch was built. Those in the preceding buffer
    /// are newer, but were just stored in pieces, so a load of them as a whole would wait for the store buffer.
    #[inline(always)]
    pub(super) fn fill_same_length(&mut self, headers: &Headroom, frames: &mut impl Frames, slot: u32) -> Option<u64> {
        let (headroom, body) = self.parts()?;
        *headroom = *headers;
        let Frame { descriptor, headers, payload } = frames.next_same_length(headroom)?;
        copy(&mut body[..payload.len()], payload);
        let (headers, payload) = (headers.len(), payload.len());
        self.finish(headers, payload, slot);
        Some(descriptor.sequence)
    }

    /// Records a frame whose `headers` and `payload` (in bytes) are in place.
    #[inline(always)]
    fn finish(&mut self, headers: usize, payload: usize, slot: u32) {
        (self.start, self.end, self.slot) = (PAYLOAD_AT - headers, PAYLOAD_AT + payload, slot);
    }

    /// The slot, and the bytes to copy into it.
    #[inline(always)]
    pub(super) fn frame(&self) -> (u32, &[u8]) {
        (self.slot, &self.bytes[self.start..self.end])
    }
}

/// Copies `from` to `to`, which has the same length. 16 to 32 bytes are copied as two chunks of 16, which may overlap:
/// that avoids the call of memcpy.
#[inline(always)]
fn copy(to: &mut [u8], from: &[u8]) {
    match from.len() {
        16..=32 => {
            if let (Some(to), Some(from)) = (to.first_chunk_mut::<16>(), from.first_chunk()) {
                *to = *from;
            }
            if let (Some(to), Some(from)) = (to.last_chunk_mut::<16>(), from.last_chunk()) {
                *to = *from;
            }
        }
        _ => to.copy_from_slice(from),
    }
}
