//! The interface of a transport: the producer's end and the consumer's end, which move frames and completions.

use std::rc::Rc;

use super::{Frame, Frames, HEADROOM};
use crate::connection::Connection;
use crate::frame::{Completion, Descriptor};

/// The completion for which the peer must wake a sleeping producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// None: the producer wakes at a time of its own (a timer), and must then find every credit that is free.
    Nothing,
    /// The next completion: an app waits for its budget or a response, or the run drains.
    Completion,
    /// Senders wait for room: the completion that frees this many more slots, which reaches the wake point.
    Room(u64),
}

/// The end that submits frames.
pub trait ProducerPort {
    /// The connection to which this ring belongs.
    fn connection(&self) -> &Rc<Connection>;

    /// Writes `frame` into the next slot, for which the caller holds the credit, and submits it. On a closed connection
    /// the frame is discarded.
    fn submit(&self, frame: Frame<'_>);

    /// Submits up to `most` of `frames`, for which the caller holds the credits. Returns how many were submitted.
    #[inline(always)]
    fn submit_batch(&self, most: u32, frames: &mut impl Frames) -> u32 {
        let mut headroom = [0; HEADROOM];
        let mut submitted = 0;
        while submitted < most
            && let Some(frame) = frames.next(&mut headroom)
        {
            self.submit(frame);
            submitted += 1;
            while submitted < most
                && let Some(frame) = frames.next_same_length(&mut headroom)
            {
                self.submit(frame);
                submitted += 1;
            }
        }
        submitted
    }

    /// Takes the next completions that arrived as one group, up to `most` of it; `most` is at least 1. Returns the first
    /// of them, with which the others share status and times, and how many they are.
    fn next_completions(&self, most: u32) -> Option<(Completion, u32)>;

    /// Takes the next completion that arrived.
    fn next_completion(&self) -> Option<Completion> {
        self.next_completions(1).map(|(completion, _)| completion)
    }

    /// Sets the function that returns, before this side sleeps, the completion it must be woken for. A transport
    /// whose peer signals every completion ignores it.
    fn before_sleep_ask(&self, _need: Box<dyn Fn() -> Need>) {}
}

/// The producer's end of a ring that does not exist, for a session that has none.
#[derive(Debug, Clone, Copy)]
pub enum NoRing {}

impl ProducerPort for NoRing {
    fn connection(&self) -> &Rc<Connection> {
        match *self {}
    }

    fn submit(&self, _frame: Frame<'_>) {
        match *self {}
    }

    fn next_completions(&self, _most: u32) -> Option<(Completion, u32)> {
        match *self {}
    }
}

/// Where the bytes of frames go that a consumer takes.
pub trait Buffers {
    /// The buffer for the next frame; `None` if its bytes stay in the ring.
    fn next(&mut self) -> Option<&mut [u8]>;
}

/// One buffer for each frame that is taken, or none.
impl Buffers for Option<&mut [u8]> {
    fn next(&mut self) -> Option<&mut [u8]> {
        self.as_deref_mut()
    }
}

/// The end that takes and completes frames.
pub trait ConsumerPort {
    /// The connection to which this ring belongs.
    fn connection(&self) -> &Rc<Connection>;

    /// Frames that arrived and were not taken yet.
    fn waiting(&self) -> u32;

    /// Takes the oldest waiting frames as one group, up to `most` of it; `most` is at least 1. Returns the descriptor of
    /// the first, from which those of the others differ by consecutive sequence numbers, and how many they are. Copies
    /// the bytes of each, as DMA would, to the beginning of the next buffer of `into`, as far as they fit.
    fn take_frames(&self, most: u32, into: &mut impl Buffers) -> Option<(Descriptor, u32)>;

    /// Takes the oldest waiting frame. If `into` holds a buffer, copies the frame's bytes to its beginning, and also
    /// returns the part that they fill.
    fn take<'a>(&self, mut into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        let (descriptor, _) = self.take_frames(1, &mut into.as_deref_mut())?;
        let bytes = into.map_or(&[][..], |buffer| {
            let len = (descriptor.len as usize).min(buffer.len());
            &buffer[..len]
        });
        Some((descriptor, bytes))
    }

    /// Completes the oldest taken frame, which frees its slot.
    fn complete(&self, completion: Completion) {
        self.complete_group(completion, 1);
    }

    /// Completes the oldest `frames` taken frames (or as many as were taken) as one group, with one status and the same
    /// times; `first` has the position of the first of them.
    fn complete_group(&self, first: Completion, frames: u32);

    /// Returns how many completions may be batched before they must be published: at most `most`, which is how many
    /// the consumer could wait for. Sleeping past that number would wake the producer late.
    fn batch_limit(&self, most: u32) -> u32 {
        most.min(1)
    }
}
