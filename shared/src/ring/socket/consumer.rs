//! The end that takes and completes frames.

use std::collections::{TryReserveError, VecDeque};
use std::io;
use std::os::fd::OwnedFd;

use super::Tables;
use crate::control::{Parsed, WireError, encode_completion};
use crate::process::limits::zeroed;
use crate::ring::channel::{Channel, Side};
use crate::ring::{CloseReason, Completion, ConsumerIndex, ConsumerPort, Depth, Descriptor, MAX_FRAME};

/// The consumer's end of a socket session.
pub type SocketConsumer = Channel<ConsumerSide>;

/// The state of a consumer's end.
#[derive(Debug)]
pub struct ConsumerSide {
    /// Counts a frame as completed once its completion is written to the socket: until then the producer cannot know
    /// that the slot is free.
    index: ConsumerIndex,
    depth: Depth,
    /// Slots that must be free before a producer whose ring was full uses one of them.
    wake_point: u32,
    /// Whether the ring was full, and fewer than `wake_point` slots have become free since.
    full: bool,
    /// Frames that were not taken yet, each with its place in `bytes`.
    waiting: VecDeque<(Descriptor, u32)>,
    /// Vacant places. The place vacated last is used first: it is still in the cache, and a deep ring that
    /// holds few frames touches no more memory than a shallow one.
    spare: Vec<u32>,
    /// How many places have been used so far; the places from this number on are untouched memory.
    used: u32,
    /// One place of `MAX_FRAME` bytes for each slot.
    bytes: Vec<u8>,
}

impl SocketConsumer {
    /// A consumer on `stream`, on which the greeting is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, tables: Tables<ConsumerSide>) -> io::Result<Self> {
        Self::with_side(stream, tables.side, tables.outbox)
    }
}

impl ConsumerSide {
    pub(super) fn new(depth: Depth, wake_point: u32) -> Result<Self, TryReserveError> {
        let (mut waiting, mut spare) = (VecDeque::new(), Vec::new());
        waiting.try_reserve_exact(depth.as_usize())?;
        spare.try_reserve_exact(depth.as_usize())?;
        let bytes = zeroed(depth.as_usize() * MAX_FRAME)?;
        Ok(Self { index: ConsumerIndex::new(depth), depth, wake_point, full: false, waiting, spare, used: 0, bytes })
    }

    /// Takes a vacant place. There is one for every frame that `index` accepts.
    fn place(&mut self) -> u32 {
        self.spare.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        })
    }

    /// Free slots, as the producer counts them.
    fn free(&self) -> u32 {
        self.depth.get() - self.index.waiting() - self.index.held()
    }

    fn take<'a>(&mut self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        let (descriptor, place) = self.waiting.pop_front()?;
        self.index.take();
        let copy = into.map_or(&[][..], |buffer| {
            let len = (descriptor.len as usize).min(buffer.len());
            let copy = &mut buffer[..len];
            let start = place as usize * MAX_FRAME;
            copy.copy_from_slice(&self.bytes[start..start + len]);
            copy
        });
        self.spare.push(place);
        Some((descriptor, copy))
    }
}

impl Side for ConsumerSide {
    fn arrive(&mut self, record: Parsed<'_>) -> Result<(), CloseReason> {
        let Parsed::Frame(descriptor, frame) = record else { return Err(WireError::Unexpected(record.name()).into()) };
        self.index.arrive()?;
        self.full |= self.free() == 0;
        let place = self.place();
        let start = place as usize * MAX_FRAME;
        // In bounds: the parser refuses a frame above MAX_FRAME.
        self.bytes[start..start + frame.len()].copy_from_slice(frame);
        self.waiting.push_back((descriptor, place));
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

    /// A producer whose ring was full waits for the wake point, so completions up to it may be batched; for any other
    /// producer the next completion may matter, so each is published.
    fn patience(&self, most: u32) -> u32 {
        let wanted = self.with(|state| {
            // Completions in the outbox are written before this side sleeps, so they count as free. The cast cannot
            // truncate: there are at most as many as slots.
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
