//! The interface of a transport: the producer's end, the consumer's end, and what both have in common.

use std::rc::Rc;

use super::{Completion, Descriptor, Frame, Frames, HEADROOM, IndexError};
use crate::control::{Control, WireError};
use crate::exec::Signal;
use crate::ledger::Doorbells;
use crate::units::Nanos;

/// Why a session is closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed its end, or died.
    #[error("the peer closed the connection")]
    PeerGone,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(String),
    /// The peer sent a record that is malformed, or that it may not send.
    #[error("the peer broke the protocol: {0}")]
    Wire(#[from] WireError),
    /// The peer submitted or completed slots that it does not hold.
    #[error("the peer broke the protocol: {0}")]
    Index(#[from] IndexError),
    /// The peer submitted a slot whose frame length is 0 or above the largest frame.
    #[error("the peer broke the protocol: a slot that holds {0} bytes")]
    SlotLength(u32),
    /// Nothing came from the peer for this long.
    #[error("the peer was silent for {0}, and sent no sign of life")]
    PeerSilent(Nanos),
    /// The peer rang this many doorbells in a row without publishing anything.
    #[error("the peer broke the protocol: {0} doorbells in a row with nothing behind them")]
    DoorbellStorm(u32),
}

/// The completion for which the peer must wake a sleeping producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// None: the producer wakes at a time of its own (a timer), and must then find every credit that is free.
    Nothing,
    /// The next completion: an app waits for its budget or a response, or the run drains.
    Completion,
    /// Senders wait for room: the completion that makes this many more, and thereby reaches the wake point.
    Room(u64),
}

/// What both ends have in common: control messages, and the end of the session.
pub trait Port {
    /// Notified when frames or completions arrived, or the session closed.
    fn arrived(&self) -> &Signal;

    /// Notified when a control message arrived, or the session closed. Separate from [`Port::arrived`], so that a
    /// task that waits for a control message is not woken for each packet.
    fn told(&self) -> &Signal;

    /// Sends a control message behind everything that was sent before it.
    fn send_control(&self, message: &Control);

    /// The next control message that arrived.
    fn next_control(&self) -> Option<Control>;

    /// Why the session closed, once it has.
    fn closed(&self) -> Option<CloseReason>;

    /// Whether the session closed. Cheaper than [`Port::closed`], because it is called for each frame.
    fn is_closed(&self) -> bool {
        self.closed().is_some()
    }

    /// Closes the session from this side, for a reason that the port itself cannot detect.
    fn close(&self, reason: CloseReason);

    /// A count that grows with everything received from the peer: whole records, progress in the ring.
    fn heard(&self) -> u64 {
        0
    }

    /// A count that grows with everything sent to the peer or published for it.
    fn sent(&self) -> u64 {
        0
    }

    /// Whether either side has sent a farewell.
    fn is_leaving(&self) -> bool {
        false
    }

    /// Sends ALIVE, unless earlier bytes are still queued because the peer does not read.
    fn send_alive(&self) {}

    /// Doorbells so far; zero for a transport whose peers never sleep.
    fn doorbells(&self) -> Doorbells {
        Doorbells::default()
    }
}

/// The end that submits frames.
pub trait ProducerPort: Port {
    /// Writes `frame` into the next slot, for which the caller holds the credit, and submits it. On a closed session
    /// the frame is discarded.
    fn submit(&self, frame: Frame<'_>);

    /// Submits up to `most` of `frames`, for which the caller holds the credits. Returns how many were submitted.
    #[inline(always)]
    fn submit_burst(&self, most: u32, frames: &mut impl Frames) -> u32 {
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

    /// The next completion that arrived.
    fn next_completion(&self) -> Option<Completion>;

    /// Takes the completions that follow `first`, the last one taken, as long as they have its status and time.
    /// Returns how many.
    fn take_run(&self, first: &Completion) -> u32;

    /// Sets the function that returns, before this side sleeps, the completion it must be woken for. A transport
    /// whose peer signals every completion ignores it.
    fn before_sleep_ask(&self, _need: Box<dyn Fn() -> Need>) {}
}

/// The end that takes and completes frames.
pub trait ConsumerPort: Port {
    /// Frames that arrived and were not taken yet.
    fn waiting(&self) -> u32;

    /// Takes the oldest waiting frame. If `into` holds a buffer, copies the frame's bytes into it, as DMA would, and
    /// returns the part of the buffer that they fill.
    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])>;

    /// Completes the oldest taken frame, which frees its slot.
    fn complete(&self, completion: Completion) {
        self.complete_run(completion, 1);
    }

    /// Completes the oldest `frames` taken frames (or as many as were taken) with one status and time; `first` has
    /// the position of the first of them.
    fn complete_run(&self, first: Completion, frames: u32);

    /// Returns how many completions may be batched before they must be published: at most `most`, which is how many
    /// the consumer could wait for. Sleeping past that number would wake the producer late.
    fn patience(&self, most: u32) -> u32 {
        most.min(1)
    }
}

// The tasks that use an end and the park that moves its bytes share it through an `Rc`.
impl<T: Port + ?Sized> Port for Rc<T> {
    #[inline(always)]
    fn arrived(&self) -> &Signal {
        (**self).arrived()
    }

    #[inline(always)]
    fn told(&self) -> &Signal {
        (**self).told()
    }

    #[inline(always)]
    fn send_control(&self, message: &Control) {
        (**self).send_control(message);
    }

    #[inline(always)]
    fn next_control(&self) -> Option<Control> {
        (**self).next_control()
    }

    #[inline(always)]
    fn closed(&self) -> Option<CloseReason> {
        (**self).closed()
    }

    #[inline(always)]
    fn is_closed(&self) -> bool {
        (**self).is_closed()
    }

    #[inline(always)]
    fn close(&self, reason: CloseReason) {
        (**self).close(reason);
    }

    fn heard(&self) -> u64 {
        (**self).heard()
    }

    fn sent(&self) -> u64 {
        (**self).sent()
    }

    fn is_leaving(&self) -> bool {
        (**self).is_leaving()
    }

    fn send_alive(&self) {
        (**self).send_alive();
    }

    #[inline(always)]
    fn doorbells(&self) -> Doorbells {
        (**self).doorbells()
    }
}

impl<T: ProducerPort> ProducerPort for Rc<T> {
    #[inline(always)]
    fn submit(&self, frame: Frame<'_>) {
        (**self).submit(frame);
    }

    #[inline(always)]
    fn submit_burst(&self, most: u32, frames: &mut impl Frames) -> u32 {
        (**self).submit_burst(most, frames)
    }

    #[inline(always)]
    fn next_completion(&self) -> Option<Completion> {
        (**self).next_completion()
    }

    #[inline(always)]
    fn take_run(&self, first: &Completion) -> u32 {
        (**self).take_run(first)
    }

    #[inline(always)]
    fn before_sleep_ask(&self, need: Box<dyn Fn() -> Need>) {
        (**self).before_sleep_ask(need);
    }
}

impl<T: ConsumerPort + ?Sized> ConsumerPort for Rc<T> {
    #[inline(always)]
    fn waiting(&self) -> u32 {
        (**self).waiting()
    }

    #[inline(always)]
    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        (**self).take(into)
    }

    #[inline(always)]
    fn complete_run(&self, first: Completion, frames: u32) {
        (**self).complete_run(first, frames);
    }

    #[inline(always)]
    fn patience(&self, most: u32) -> u32 {
        (**self).patience(most)
    }
}
