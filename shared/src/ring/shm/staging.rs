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

use super::layout::SLOT_HEADER;
use super::slot::{bytes, encode};
use crate::frame::Descriptor;
use crate::ring::{Frame, Frames, HEADROOM, Headroom};

/// Frames in a batch: few enough that small frames stay in the first-level cache.
pub(super) const BUFFERS: usize = 64;

/// The largest frame that is staged, in bytes.
pub(super) const LARGEST: usize = 256;

/// Where the payload starts. In front of it are the frame's headers, and in front of those the slot's header, for
/// which 64 bytes (a cache line) are reserved although it has 32: then no store crosses two lines in frames over
/// IPv4 or IPv6. With 32 bytes a frame took 1 ns more.
const FRONT: usize = 64 + HEADROOM;

/// Staged frames, each in the form that its slot holds, oldest first.
#[derive(Debug)]
pub(super) struct Staging {
    buffers: Box<[FrameBuffer; BUFFERS]>,
    used: usize,
}

/// A buffer for one frame, aligned to a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct FrameBuffer {
    bytes: [u8; FRONT + LARGEST],
    /// Where the slot's header starts in `bytes`.
    start: usize,
    /// Where the payload ends in `bytes`.
    end: usize,
}

impl Staging {
    pub(super) fn new() -> Self {
        let buffer = FrameBuffer { start: FRONT, end: FRONT, bytes: [0; FRONT + LARGEST] };
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
    /// The bytes for headers, and the bytes behind them for the payload. Always `Some`: `FRONT` is above `HEADROOM`.
    #[inline(always)]
    fn parts(&mut self) -> Option<(&mut Headroom, &mut [u8])> {
        let (front, body) = self.bytes.split_at_mut(FRONT);
        front.last_chunk_mut().map(|headroom| (headroom, body))
    }

    /// Copies a whole frame here, of at most [`LARGEST`] bytes, of which at most [`HEADROOM`] are headers.
    #[inline(always)]
    pub(super) fn fill(&mut self, frame: Frame<'_>) {
        let Frame { descriptor, headers, payload } = frame;
        if let Some((headroom, body)) = self.parts() {
            headroom[HEADROOM - headers.len()..].copy_from_slice(headers);
            copy(&mut body[..payload.len()], payload);
            self.finish(descriptor, headers.len(), payload.len());
        }
    }

    /// Builds the next of `frames` here, if it is like the frame with these `headers`. Returns whether it was.
    ///
    /// `headers` come from the buffer in which the first frame of the batch was built. Those in the preceding buffer
    /// are newer, but were just stored in pieces, so a load of them as a whole would wait for the store buffer.
    #[inline(always)]
    pub(super) fn fill_same_length(&mut self, headers: &Headroom, frames: &mut impl Frames) -> bool {
        let Some((headroom, body)) = self.parts() else { return false };
        *headroom = *headers;
        let Some(Frame { descriptor, headers, payload }) = frames.next_same_length(headroom) else { return false };
        copy(&mut body[..payload.len()], payload);
        let (headers, payload) = (headers.len(), payload.len());
        self.finish(descriptor, headers, payload);
        true
    }

    /// Adds the slot's header to a frame whose `headers` and `payload` (in bytes) are in place.
    #[inline(always)]
    fn finish(&mut self, descriptor: Descriptor, headers: usize, payload: usize) {
        let start = FRONT - headers - SLOT_HEADER;
        let header = encode(&Descriptor { len: (headers + payload) as u32, ..descriptor });
        self.bytes[start..start + SLOT_HEADER].copy_from_slice(&bytes(&header));
        (self.start, self.end) = (start, FRONT + payload);
    }

    /// The bytes to copy into the slot.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
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
