//! The end that submits frames.

use std::collections::{TryReserveError, VecDeque};
use std::io;
use std::os::fd::OwnedFd;

use super::Tables;
use crate::control::{Parsed, WireError, encode_frame_header};
use crate::ring::channel::{Channel, Side};
use crate::ring::{CloseReason, Completion, Depth, Frame, Port, ProducerIndex, ProducerPort};

/// The producer's end of a socket session.
pub type SocketProducer = Channel<ProducerSide>;

/// The state of a producer's end.
#[derive(Debug)]
pub struct ProducerSide {
    /// Counts a frame once all of it is written: a completion for a frame that the consumer cannot have is refused.
    index: ProducerIndex,
    /// Completions that arrived and were not taken yet.
    completions: VecDeque<Completion>,
}

impl SocketProducer {
    /// A producer on `stream`, on which the greeting is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, tables: Tables<ProducerSide>) -> io::Result<Self> {
        Self::with_side(stream, tables.side, tables.outbox)
    }
}

impl ProducerSide {
    pub(super) fn new(depth: Depth) -> Result<Self, TryReserveError> {
        let mut completions = VecDeque::new();
        completions.try_reserve_exact(depth.as_usize())?;
        Ok(Self { index: ProducerIndex::new(depth), completions })
    }
}

impl Side for ProducerSide {
    fn arrive(&mut self, record: Parsed<'_>) -> Result<(), CloseReason> {
        let Parsed::Completion(completion) = record else { return Err(WireError::Unexpected(record.name()).into()) };
        self.index.complete(completion.position)?;
        self.completions.push_back(completion);
        Ok(())
    }

    fn left(&mut self) {
        // Always true, so ignored: the caller held a credit for each frame, so there is a slot.
        let _held = self.index.submit();
    }
}

impl ProducerPort for SocketProducer {
    fn submit(&self, frame: Frame<'_>) {
        match frame.described() {
            Ok(descriptor) => self.queue_slot(|outbox| {
                outbox.push(&encode_frame_header(&descriptor));
                outbox.push(frame.headers);
                outbox.push(frame.payload);
            }),
            Err(error) => self.close(error.into()),
        }
    }

    fn next_completion(&self) -> Option<Completion> {
        self.with(|state| state.side.completions.pop_front())
    }

    fn take_run(&self, first: &Completion) -> u32 {
        self.with(|state| first.take_run(&mut state.side.completions))
    }
}
