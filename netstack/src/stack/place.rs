//! The state of a pending send.
//!
//! A layer's `send` is written once, as an `async fn` that may be called again for the same packet: its waits, and
//! what they granted, are kept in the packet's [`Place`]. So a send can be one future that lives until it is ready, or
//! a future that is created, polled and dropped in each poll of a caller that keeps the place
//! (see `crate::dispatch::poll`).

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use shared::credits::Acquire;
use shared::exec::Sleep;

use super::device::Room;
use super::ethernet::Resolve;
use crate::flow::Timed;

/// The state of one pending send: its positions in the wait queues, and what was granted so far. Dropping it cancels
/// the send and returns what was granted; the packet was then never accepted.
///
/// Initialised on the first wait, because most sends never wait; it never allocates.
#[derive(Default)]
pub struct Place(OnceCell<Waits>);

#[derive(Default)]
struct Waits {
    /// For bytes of the socket's send budget.
    budget: Kept<Timed<Acquire>>,
    /// For the Ethernet address of the next hop.
    neighbour: Kept<Timed<Resolve>>,
    /// For the modelled CPU of [`super::Costly`].
    cpu: Kept<Sleep>,
    /// For a credit of the ring.
    room: Kept<Timed<Room>>,
}

impl Place {
    pub(super) fn budget(&self) -> &Kept<Timed<Acquire>> {
        &self.waits().budget
    }

    pub(super) fn neighbour(&self) -> &Kept<Timed<Resolve>> {
        &self.waits().neighbour
    }

    pub(super) fn cpu(&self) -> &Kept<Sleep> {
        &self.waits().cpu
    }

    pub(super) fn room(&self) -> &Kept<Timed<Room>> {
        &self.waits().room
    }

    /// Whether the wait for the neighbour has begun and its result was not taken yet.
    #[inline(always)]
    pub(super) fn waits_for_neighbour(&self) -> bool {
        self.0.get().is_some_and(|waits| !waits.neighbour.is_idle())
    }

    /// Whether the wait for room has begun and its result was not taken yet.
    #[inline(always)]
    pub(super) fn waits_for_room(&self) -> bool {
        self.0.get().is_some_and(|waits| !waits.room.is_idle())
    }

    fn waits(&self) -> &Waits {
        self.0.get_or_init(Waits::default)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// One wait, kept across polls until its result is taken.
pub(super) struct Kept<W: Future>(RefCell<State<W>>);

enum State<W: Future> {
    /// Not begun, or the result was taken.
    Idle,
    Waiting(W),
    /// Ready; the result was not taken yet.
    Done(W::Output),
}

impl<W: Future> Default for Kept<W> {
    fn default() -> Self {
        Self(RefCell::new(State::Idle))
    }
}

impl<W: Future + Unpin> Kept<W> {
    fn is_idle(&self) -> bool {
        matches!(*self.0.borrow(), State::Idle)
    }

    /// Ready once the wait is over; `begin` creates it if none has begun. The result stays here until
    /// [`Kept::take`], and until then further calls are ready at once.
    pub(super) async fn wait(&self, begin: impl FnOnce() -> W) {
        if self.is_idle() {
            self.0.replace(State::Waiting(begin()));
        }
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.borrow_mut();
        if let State::Waiting(wait) = &mut *state {
            match wait.poll_unpin(cx) {
                Poll::Ready(output) => *state = State::Done(output),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// Takes the result of a wait that is over; `None` if there is none.
    pub(super) fn take(&self) -> Option<W::Output> {
        match self.0.replace(State::Idle) {
            State::Done(output) => Some(output),
            State::Idle | State::Waiting(_) => None,
        }
    }
}
