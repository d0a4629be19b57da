//! The two ends of a transport, as the rest of the code sees them.

use std::rc::Rc;

use super::{Completion, Descriptor, Frame, Frames, HEADROOM, IndexError};
use crate::exec::Signal;
use crate::report::Doorbells;
use crate::units::Nanos;
use crate::wire::{Control, WireError};

/// Why a session can carry nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed its end, or died.
    #[error("the peer closed the connection")]
    PeerGone,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(String),
    /// The peer sent what no peer may send.
    #[error("the peer broke the protocol: {0}")]
    Wire(#[from] WireError),
    /// The peer claimed slots that it cannot have.
    #[error("the peer broke the protocol: {0}")]
    Index(#[from] IndexError),
    /// The peer handed over a slot without a frame in it.
    #[error("the peer broke the protocol: a slot that holds {0} bytes")]
    SlotLength(u32),
    /// Nothing at all came from the peer for so long.
    #[error("the peer was silent for {0}, and sent no sign of life")]
    PeerSilent(Nanos),
    /// The peer rings and rings, and never has anything to say.
    #[error("the peer broke the protocol: {0} doorbells in a row with nothing behind them")]
    DoorbellStorm(u32),
}

/// What a producer that sleeps needs to be woken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing that the ring has to tell: it wakes by itself, and must find every credit that is free
    /// by then.
    Nothing,
    /// The very next completion: somebody waits for a budget, a response or a drain.
    Completion,
    /// Room: senders wait, and are served once this many more frames have completed. That reaches the wake point.
    Room(u64),
}

/// What both ends share: control messages, and the end of the session.
pub trait Port {
    /// Told when frames or completions arrived, or the session closed.
    fn arrived(&self) -> &Signal;

    /// Told when a control message arrived, or the session closed. A signal of its own, so that
    /// who waits for the farewell is not woken for each packet.
    fn told(&self) -> &Signal;

    /// Sends a control message behind everything that was sent before it.
    fn send_control(&self, message: &Control);

    /// The next control message that arrived.
    fn next_control(&self) -> Option<Control>;

    /// Why the session closed, once it has.
    fn closed(&self) -> Option<CloseReason>;

    /// Whether the session closed: what is asked for each frame.
    fn is_closed(&self) -> bool {
        self.closed().is_some()
    }

    /// Ends the session from this side, for a reason that the port itself could not see.
    fn close(&self, reason: CloseReason);

    /// Grows with whatever comes from the peer: messages, doorbells, progress in the ring.
    fn heard(&self) -> u64 {
        0
    }

    /// Grows with whatever the peer can see of this side.
    fn sent(&self) -> u64 {
        0
    }

    /// Whether either side has said farewell.
    fn is_leaving(&self) -> bool {
        false
    }

    /// Sends ALIVE, unless the peer has still to read what was sent before.
    fn send_alive(&self) {}

    /// The signals to the peer so far; none where peers never sleep.
    fn doorbells(&self) -> Doorbells {
        Doorbells::default()
    }
}

/// The end that submits frames.
pub trait ProducerPort: Port {
    /// Writes `frame` into the next slot, for which the caller holds the credit, and hands it over. On a closed session
    /// it goes nowhere.
    fn submit(&self, frame: Frame<'_>);

    /// Submits up to `most` of `frames`, for which the caller holds the credits. Returns how many there were.
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
                && let Some(frame) = frames.next_alike(&mut headroom)
            {
                self.submit(frame);
                submitted += 1;
            }
        }
        submitted
    }

    /// The next completion that arrived.
    fn next_completion(&self) -> Option<Completion>;

    /// Takes the completions that arrived behind `first`, the last one taken, as far as they say the same. Returns
    /// how many.
    fn take_alike(&self, first: &Completion) -> u32;

    /// Says whom to ask before this side goes to sleep. A port that is never asked to wake late has
    /// no use for it.
    fn before_sleep_ask(&self, _need: Box<dyn Fn() -> Need>) {}
}

/// The end that takes and completes frames.
pub trait ConsumerPort: Port {
    /// Frames that arrived and were not taken yet.
    fn waiting(&self) -> u32;

    /// Takes the oldest of them. With a buffer, its bytes are copied there, as DMA would; the part of the
    /// buffer that holds them is returned.
    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])>;

    /// Completes the oldest taken frame; its slot is the producer's again.
    fn complete(&self, completion: Completion) {
        self.complete_run(completion, 1);
    }

    /// Completes the oldest `frames` taken ones, of which the same is to be said, or as many as were taken; `first` has
    /// the position of the first of them.
    fn complete_run(&self, first: Completion, frames: u32);

    /// The consumer is about to wait, and could do so until `most` further frames have completed.
    /// Returns after how many the producer wants to hear of them; whoever waits longer is late.
    fn patience(&self, most: u32) -> u32 {
        most.min(1)
    }
}

// An end is shared by the tasks that use it and the park that moves its bytes.
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
    fn take_alike(&self, first: &Completion) -> u32 {
        (**self).take_alike(first)
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
