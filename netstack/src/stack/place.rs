//! What a send keeps while it waits.
//!
//! A layer's `send` is written once, as an `async fn` that may be begun anew: what it waits for, and what it
//! got and still needs, is kept in the place of its packet. So a send can be a future that lives as long as
//! it waits, or one that is made, polled and dropped in each turn of a caller that keeps the place.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll};

use futures_util::FutureExt;
use shared::exec::Sleep;
use shared::ring::Acquire;

use super::device::Room;
use super::ethernet::Resolve;
use crate::flow::Timed;

/// Where one send stands: its places in the lines that it waits in. Dropped, it gives them up; the packet
/// was then never accepted.
#[derive(Default)]
pub struct Place(OnceCell<Waits>);

#[derive(Default)]
struct Waits {
    budget: Kept<Timed<Acquire>>,
    neighbour: Kept<Timed<Resolve>>,
    cpu: Kept<Sleep>,
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

    /// Whether the send waits for its neighbour.
    #[inline(always)]
    pub(super) fn is_at_neighbour(&self) -> bool {
        self.0.get().is_some_and(|waits| !waits.neighbour.is_idle())
    }

    /// Whether the send waits for room.
    #[inline(always)]
    pub(super) fn is_at_room(&self) -> bool {
        self.0.get().is_some_and(|waits| !waits.room.is_idle())
    }

    /// Most sends need none of it.
    fn waits(&self) -> &Waits {
        self.0.get_or_init(Waits::default)
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place").finish_non_exhaustive()
    }
}

/// One wait, kept from its beginning until somebody takes what came of it.
pub(super) struct Kept<W: Future>(RefCell<State<W>>);

enum State<W: Future> {
    Idle,
    Waits(W),
    Done(W::Output),
}

impl<W: Future> Default for Kept<W> {
    fn default() -> Self {
        Self(RefCell::new(State::Idle))
    }
}

impl<W: Future + Unpin> Kept<W> {
    /// Whether nothing has begun, or what came of it was taken.
    fn is_idle(&self) -> bool {
        matches!(*self.0.borrow(), State::Idle)
    }

    /// Goes on with the wait, which `begin` begins if nothing did before. Ready if it is over.
    pub(super) async fn over(&self, begin: impl FnOnce() -> W) {
        if self.is_idle() {
            self.0.replace(State::Waits(begin()));
        }
        poll_fn(|cx| self.poll(cx)).await;
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.0.borrow_mut();
        if let State::Waits(wait) = &mut *state {
            match wait.poll_unpin(cx) {
                Poll::Ready(output) => *state = State::Done(output),
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(())
    }

    /// What came of a wait that is over.
    pub(super) fn take(&self) -> Option<W::Output> {
        match self.0.replace(State::Idle) {
            State::Done(output) => Some(output),
            State::Idle | State::Waits(_) => None,
        }
    }
}
