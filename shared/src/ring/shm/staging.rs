//! Where small frames are put together before they go into shared memory, a few at a time.
//!
//! Headers are built from small pieces, and a copy of what was just stored in pieces has to wait
//! until the pieces have left the processor's store buffer. That is quick in private memory. If the
//! stores before them went to lines that the peer has read, it takes as long as to get those lines
//! back, for every single frame: measured at 64 B between distant CPUs, 280 ns a frame in place of
//! 140. So frames are built here, and then copied in one go, whole lines at a time. Of a large frame
//! the second copy costs more than it saves.

use super::layout::SLOT_HEADER;

/// Frames put together at a time: small ones stay in the first-level cache.
pub(super) const PLACES: usize = 64;

/// The largest frame that is put together here.
pub(super) const LARGEST: usize = 256;

/// Frames with their headers as slots hold them, oldest first.
#[derive(Debug)]
pub(super) struct Staging {
    places: Box<[Place; PLACES]>,
    used: usize,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    len: usize,
    bytes: [u8; SLOT_HEADER + LARGEST],
}

impl Staging {
    pub(super) fn new() -> Self {
        Self { places: Box::new([Place { len: 0, bytes: [0; SLOT_HEADER + LARGEST] }; PLACES]), used: 0 }
    }

    /// Adds a frame, of at most [`LARGEST`] bytes. Returns whether it was the last that fits.
    #[inline(always)]
    pub(super) fn push(&mut self, header: &[u8; SLOT_HEADER], headers: &[u8], payload: &[u8]) -> bool {
        let place = &mut self.places[self.used];
        let (start, rest) = place.bytes.split_at_mut(SLOT_HEADER);
        start.copy_from_slice(header);
        let (front, rest) = rest.split_at_mut(headers.len());
        front.copy_from_slice(headers);
        copy(&mut rest[..payload.len()], payload);
        place.len = SLOT_HEADER + headers.len() + payload.len();
        self.used += 1;
        self.used == PLACES
    }

    /// Hands out all frames, oldest first, and is empty afterwards.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = &[u8]> {
        let used = std::mem::take(&mut self.used);
        self.places[..used].iter().map(|place| &place.bytes[..place.len])
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
