//! The end that takes and completes frames.

use std::io;
use std::ops::Range;
use std::os::fd::OwnedFd;

use super::end::{End, Side};
use crate::ring::{CloseReason, Completion, ConsumerIndex, ConsumerPort, Depth, Descriptor, MAX_FRAME};
use crate::wire::{Parsed, WireError, encode_completion};

/// The consumer's end of a socket session.
pub type SocketConsumer = End<ConsumerSide>;

/// What only a consumer has.
#[derive(Debug)]
pub struct ConsumerSide {
    /// Counts a frame as completed once its completion has left: until then nobody can know that
    /// the slot is free.
    index: ConsumerIndex,
    descriptors: Vec<Descriptor>,
    /// `MAX_FRAME` bytes a slot. Zeroed memory is committed by the page when it is first written,
    /// so a deep ring that stays shallow costs little.
    frames: Vec<u8>,
}

impl SocketConsumer {
    /// A consumer on `stream`, which is past the greeting, with a ring of `depth` slots.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, depth: Depth) -> io::Result<Self> {
        let side = ConsumerSide {
            index: ConsumerIndex::new(depth),
            descriptors: vec![Descriptor::default(); depth.as_usize()],
            frames: vec![0; depth.as_usize() * MAX_FRAME],
        };
        Self::with_side(stream, side)
    }
}

impl ConsumerSide {
    fn take<'a>(&mut self, into: Option<&'a mut [u8]>) -> Option<&'a [u8]> {
        let slot = self.index.take()?;
        let Some(buffer) = into else { return Some(&[]) };
        let len = (self.descriptors[slot as usize].len as usize).min(buffer.len());
        let copy = &mut buffer[..len];
        copy.copy_from_slice(&self.frames[bytes_of(slot, len)]);
        Some(copy)
    }
}

impl Side for ConsumerSide {
    fn arrive(&mut self, record: Parsed<'_>) -> Result<(), CloseReason> {
        let Parsed::Frame(descriptor, frame) = record else { return Err(WireError::Unexpected("completion").into()) };
        let slot = self.index.arrive()?;
        self.descriptors[slot as usize] = descriptor;
        self.frames[bytes_of(slot, frame.len())].copy_from_slice(frame);
        Ok(())
    }

    fn left(&mut self) {
        self.index.complete();
    }
}

/// Where a frame of `len` bytes lies; the parser lets none through that is longer than a slot.
fn bytes_of(slot: u32, len: usize) -> Range<usize> {
    let start = slot as usize * MAX_FRAME;
    start..start + len
}

impl ConsumerPort for SocketConsumer {
    fn waiting(&self) -> u32 {
        self.with(|state| state.side.index.waiting())
    }

    fn peek(&self) -> Option<Descriptor> {
        self.with(|state| {
            let slot = state.side.index.peek()?;
            Some(state.side.descriptors[slot as usize])
        })
    }

    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<&'a [u8]> {
        self.with(|state| state.side.take(into))
    }

    fn complete(&self, completion: Completion) {
        let taken = self.with(|state| state.side.index.held() as usize > state.outbox.unsent_slots());
        if taken {
            self.queue_slot(|outbox| outbox.push(&encode_completion(&completion)));
        }
    }
}
