//! Where small frames are put together before they go into shared memory, a few at a time.
//!
//! Headers are built from small pieces, and a copy of what was just stored in pieces has to wait
//! until the pieces have left the processor's store buffer. That is quick in private memory. If the
//! stores before them went to lines that the peer has read, it takes as long as to get those lines
//! back, for every single frame: measured at 64 B between distant CPUs, 280 ns a frame in place of
//! 140. So frames are built here, and then copied in one go, whole lines at a time. Of a large frame
//! the second copy costs more than it saves.

use super::layout::SLOT_HEADER;
use super::slot::{bytes, encode};
use crate::ring::{Descriptor, Frame, Frames, HEADROOM, Headroom};

/// Frames put together at a time: small ones stay in the first-level cache.
pub(super) const PLACES: usize = 64;

/// The largest frame that is put together here.
pub(super) const LARGEST: usize = 256;

/// Where the payload starts. In front of it are the headers, and in front of those is that of the slot, for which a
/// cache line is free. So no store goes to two lines, in frames over IPv4 or IPv6: with half of the room it took a
/// frame 1 ns more.
const FRONT: usize = 64 + HEADROOM;

/// Frames with their headers as slots hold them, oldest first.
#[derive(Debug)]
pub(super) struct Staging {
    places: Box<[Place; PLACES]>,
    used: usize,
}

/// Room for a frame, which starts with a cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Place {
    bytes: [u8; FRONT + LARGEST],
    /// Where its slot's header starts, and where its payload ends.
    start: usize,
    end: usize,
}

impl Staging {
    pub(super) fn new() -> Self {
        let place = Place { start: FRONT, end: FRONT, bytes: [0; FRONT + LARGEST] };
        Self { places: Box::new([place; PLACES]), used: 0 }
    }

    /// The places that are free, of which there is one at least: who took the last one has emptied all.
    #[inline(always)]
    pub(super) fn free(&mut self) -> &mut [Place] {
        &mut self.places[self.used.min(PLACES)..]
    }

    /// The frames in the first `places` that were free are complete. Returns whether those were all.
    #[inline(always)]
    pub(super) fn keep(&mut self, places: usize) -> bool {
        self.used += places;
        self.used == PLACES
    }

    /// The frames that are complete.
    pub(super) fn complete(&self) -> &[Place] {
        &self.places[..self.used.min(PLACES)]
    }

    /// They have left.
    pub(super) fn clear(&mut self) {
        self.used = 0;
    }
}

impl Place {
    /// Room for headers, and for a payload behind them. It is always there.
    #[inline(always)]
    fn parts(&mut self) -> Option<(&mut Headroom, &mut [u8])> {
        let (front, body) = self.bytes.split_at_mut(FRONT);
        front.last_chunk_mut().map(|headroom| (headroom, body))
    }

    /// Puts a whole frame here, of at most [`LARGEST`] bytes, and at most [`HEADROOM`] of headers.
    #[inline(always)]
    pub(super) fn fill(&mut self, frame: Frame<'_>) {
        let Frame { descriptor, headers, payload } = frame;
        if let Some((headroom, body)) = self.parts() {
            headroom[HEADROOM - headers.len()..].copy_from_slice(headers);
            copy(&mut body[..payload.len()], payload);
            self.finish(descriptor, headers.len(), payload.len());
        }
    }

    /// Has the next of `frames` put together here, if it is like one with these `headers`. Returns whether it was.
    ///
    /// They are copied from where that one was put together. In the place in front of this one they have just been
    /// written, in pieces, and cannot be read as a whole for a while.
    #[inline(always)]
    pub(super) fn fill_alike(&mut self, headers: &Headroom, frames: &mut impl Frames) -> bool {
        let Some((headroom, body)) = self.parts() else { return false };
        *headroom = *headers;
        let Some(Frame { descriptor, headers, payload }) = frames.next_alike(headroom) else { return false };
        copy(&mut body[..payload.len()], payload);
        let (headers, payload) = (headers.len(), payload.len());
        self.finish(descriptor, headers, payload);
        true
    }

    /// The frame is here, with so many bytes of `headers` and `payload`, but for the header of its slot.
    #[inline(always)]
    fn finish(&mut self, descriptor: Descriptor, headers: usize, payload: usize) {
        let start = FRONT - headers - SLOT_HEADER;
        let header = encode(&Descriptor { len: (headers + payload) as u32, ..descriptor });
        self.bytes[start..start + SLOT_HEADER].copy_from_slice(&bytes(&header));
        (self.start, self.end) = (start, FRONT + payload);
    }

    /// What the slot holds.
    #[inline(always)]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

/// Copies what is as long. Short pieces are not worth a call: their two halves, which overlap, are moved as a whole.
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
