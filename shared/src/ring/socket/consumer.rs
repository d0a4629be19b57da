//! The end that takes and completes frames.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;

use crate::ring::channel::{Channel, Side};
use crate::ring::{CloseReason, Completion, ConsumerIndex, ConsumerPort, Depth, Descriptor, MAX_FRAME};
use crate::wire::{Parsed, WireError, encode_completion};

/// The consumer's end of a socket session.
pub type SocketConsumer = Channel<ConsumerSide>;

/// What only a consumer has.
#[derive(Debug)]
pub struct ConsumerSide {
    /// Counts a frame as completed once its completion has left: until then nobody can know that
    /// the slot is free.
    index: ConsumerIndex,
    /// Frames that were not taken yet.
    waiting: VecDeque<Place>,
    /// Places of frames that were. The last one used is the next: it is still in the cache, and a
    /// deep ring that stays shallow needs no more memory than a shallow one.
    spare: Vec<Place>,
}

/// Room for one frame. Its bytes stay where they are while the place goes from list to list.
#[derive(Debug)]
struct Place {
    descriptor: Descriptor,
    bytes: Box<[u8; MAX_FRAME]>,
}

impl Place {
    fn new() -> Self {
        Self { descriptor: Descriptor::default(), bytes: Box::new([0; MAX_FRAME]) }
    }
}

impl SocketConsumer {
    /// A consumer on `stream`, which is past the greeting, with a ring of `depth` slots.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, depth: Depth) -> io::Result<Self> {
        let side = ConsumerSide { index: ConsumerIndex::new(depth), waiting: VecDeque::new(), spare: Vec::new() };
        Self::with_side(stream, side)
    }
}

impl ConsumerSide {
    fn take<'a>(&mut self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        let place = self.waiting.pop_front()?;
        self.index.take();
        let copy = into.map_or(&[][..], |buffer| {
            let len = (place.descriptor.len as usize).min(buffer.len());
            let copy = &mut buffer[..len];
            copy.copy_from_slice(&place.bytes[..len]);
            copy
        });
        let descriptor = place.descriptor;
        self.spare.push(place);
        Some((descriptor, copy))
    }
}

impl Side for ConsumerSide {
    fn arrive(&mut self, record: Parsed<'_>) -> Result<(), CloseReason> {
        let Parsed::Frame(descriptor, frame) = record else { return Err(WireError::Unexpected(record.name()).into()) };
        self.index.arrive()?;
        let mut place = self.spare.pop().unwrap_or_else(Place::new);
        place.descriptor = descriptor;
        // The parser lets no frame through that is longer than a slot.
        place.bytes[..frame.len()].copy_from_slice(frame);
        self.waiting.push_back(place);
        Ok(())
    }

    fn left(&mut self) {
        self.index.complete();
    }
}

impl ConsumerPort for SocketConsumer {
    fn waiting(&self) -> u32 {
        self.with(|state| state.side.index.waiting())
    }

    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        self.with(|state| state.side.take(into))
    }

    fn complete_run(&self, first: Completion, frames: u32) {
        for completion in first.run(frames) {
            let taken = self.with(|state| state.side.index.held() as usize > state.outbox.unsent_slots());
            if taken {
                self.queue_slot(|outbox| outbox.push(&encode_completion(&completion)));
            }
        }
    }
}
