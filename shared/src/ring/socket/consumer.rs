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
    depth: Depth,
    /// Slots that must be free before a producer whose ring was full uses one of them.
    wake_point: u32,
    /// Whether the ring was full, and fewer slots than that have become free since.
    full: bool,
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
    /// A consumer on `stream`, which is past the greeting, with a ring of `depth` slots. Once the ring was full, its
    /// producer has no use for fewer than `wake_point` free slots.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, depth: Depth, wake_point: u32) -> io::Result<Self> {
        let index = ConsumerIndex::new(depth);
        let side = ConsumerSide { index, depth, wake_point, full: false, waiting: VecDeque::new(), spare: Vec::new() };
        Self::with_side(stream, side)
    }
}

impl ConsumerSide {
    /// Slots without a frame, as far as the producer knows.
    fn free(&self) -> u32 {
        self.depth.get() - self.index.waiting() - self.index.held()
    }

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
        self.full |= self.free() == 0;
        let mut place = self.spare.pop().unwrap_or_else(Place::new);
        place.descriptor = descriptor;
        // The parser lets no frame through that is longer than a slot.
        place.bytes[..frame.len()].copy_from_slice(frame);
        self.waiting.push_back(place);
        Ok(())
    }

    fn left(&mut self) {
        self.index.complete();
        self.full &= self.free() < self.wake_point;
    }
}

impl ConsumerPort for SocketConsumer {
    fn waiting(&self) -> u32 {
        self.with(|state| state.side.index.waiting())
    }

    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        self.with(|state| state.side.take(into))
    }

    /// A producer whose ring was full waits for the wake point; to any other one, the next completion may matter.
    fn patience(&self, most: u32) -> u32 {
        let wanted = self.with(|state| {
            // Those that wait in the outbox leave before this side sleeps. No more than depth, which fits.
            let free = state.side.free() + state.outbox.unsent_slots() as u32;
            if state.side.full { state.side.wake_point.saturating_sub(free).max(1) } else { 1 }
        });
        wanted.min(most)
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
