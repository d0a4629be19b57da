//! The state of a pending send: its waits, kept across polls.
//!
//! A layer's `send` is written once, as an `async fn` that may be called again for the same packet: each wait, and what
//! it granted, is kept in a [`Wait`]. Usually that is a local variable of the layer's future. Under
//! [`poll`](crate::dispatch::Dispatch::Poll) no future outlives a poll; the waits are then in the [`PendingSend`] that
//! the packet refers to, so a send keeps its position in each wait queue.
//!
//! This module depends on the kinds of waits (for credits, for a condition, for a time), not on the layers that wait.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use shared::credits::{Acquire, Grant};
use shared::exec::Sleep;
use shared::units::Nanos;

use crate::account::Blocked;
use crate::error::SendError;

/// The state of one pending send: its positions in the wait queues, and what was granted so far. Dropping it cancels
/// the send and returns what was granted; the packet was then never accepted.
///
/// The waits of the stack's own layers allocate nothing. They are initialised by the first wait, because most sends
/// never wait.
#[derive(Default)]
pub struct PendingSend {
    waits: OnceCell<Waits>,
    /// The send of a layer that does not resume, from that layer down: see [`crate::layer::Egress::RESUMES`].
    kept: RefCell<Option<LocalBoxFuture<'static, Result<(), SendError>>>>,
}

#[derive(Default)]
struct Waits {
    budget: Wait,
    neighbour: Wait,
    cpu: Wait,
    room: Wait,
}

impl PendingSend {
    /// The wait for bytes of the socket's send budget.
    pub(crate) fn budget(&self) -> &Wait {
        &self.waits().budget
    }

    /// The wait for the Ethernet address of the next hop.
    pub(crate) fn neighbour(&self) -> &Wait {
        &self.waits().neighbour
    }

    /// The wait for the modelled CPU.
    pub(crate) fn cpu(&self) -> &Wait {
        &self.waits().cpu
    }

    /// The wait for a slot of the ring.
    pub(crate) fn room(&self) -> &Wait {
        &self.waits().room
    }

    fn waits(&self) -> &Waits {
        self.waits.get_or_init(Waits::default)
    }

    /// Polls the send that `begin` creates in the first call, and that is kept until it is ready.
    pub(crate) fn poll_kept(
        &self,
        cx: &mut Context<'_>,
        begin: impl FnOnce() -> LocalBoxFuture<'static, Result<(), SendError>>,
    ) -> Poll<Result<(), SendError>> {
        let mut kept = self.kept.borrow_mut();
        let polled = kept.get_or_insert_with(begin).poll_unpin(cx);
        if polled.is_ready() {
            *kept = None;
        }
        polled
    }
}

impl fmt::Debug for PendingSend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingSend").finish_non_exhaustive()
    }
}

/// One wait, kept across polls until its result is taken.
#[derive(Default)]
pub(crate) struct Wait(RefCell<State>);

/// What to wait for. The first of these that happens ends the wait.
#[derive(Default)]
pub(crate) struct WaitFor {
    /// Credits, in FIFO order.
    pub(crate) credit: Option<Acquire>,
    /// A time.
    pub(crate) expiry: Option<Sleep>,
    /// When the send reached the layer that waits. [`Wait::take`] returns it, for a layer that needs it afterwards.
    pub(crate) began: Nanos,
}

#[derive(Default)]
enum State {
    /// Not begun, or the result was taken.
    #[default]
    Idle,
    /// Not over when it was polled last.
    Waiting { what: WaitFor, blocked: Option<Blocked> },
    /// Over; the result was not taken yet.
    Over(WaitOver),
}

/// A wait that is over.
pub(crate) struct WaitOver {
    pub(crate) waited: Waited,
    /// [`WaitFor::began`].
    pub(crate) began: Nanos,
    /// How long the app was blocked; zero if it was not, or if the caller does not count it.
    pub(crate) blocked: Nanos,
}

/// How a wait ended.
pub(crate) enum Waited {
    /// The credits were granted.
    Granted(Grant),
    /// The condition holds.
    Met,
    /// The time was reached.
    Expired,
}

impl Wait {
    /// Whether it has not begun, or its result was taken.
    pub(crate) fn is_idle(&self) -> bool {
        matches!(*self.0.borrow(), State::Idle)
    }

    /// Ready once the wait is over. If the wait has not begun, `begin` returns what to wait for, and `blocked` begins
    /// to count the blocked time. The result stays here until [`Wait::take`], and until then further calls are ready at
    /// once.
    pub(crate) async fn wait(&self, begin: impl FnMut() -> WaitFor, blocked: impl FnMut() -> Option<Blocked>) {
        self.wait_until(begin, blocked, |_| Poll::Pending).await;
    }

    /// Like [`Wait::wait`], but the wait is also over once `condition`, which each poll of the wait calls, is ready.
    pub(crate) async fn wait_until(
        &self,
        mut begin: impl FnMut() -> WaitFor,
        mut blocked: impl FnMut() -> Option<Blocked>,
        mut condition: impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) {
        poll_fn(|cx| self.poll(cx, &mut begin, &mut blocked, &mut condition)).await;
    }

    fn poll(
        &self,
        cx: &mut Context<'_>,
        begin: &mut impl FnMut() -> WaitFor,
        blocked: &mut impl FnMut() -> Option<Blocked>,
        condition: &mut impl FnMut(&mut Context<'_>) -> Poll<()>,
    ) -> Poll<()> {
        let state = &mut *self.0.borrow_mut();
        let (waited, began) = match state {
            State::Idle => {
                let mut what = begin();
                let (waited, began) = (what.poll(cx, condition), what.began);
                if waited.is_pending() {
                    // Blocked time begins with the first poll that is pending.
                    *state = State::Waiting { what, blocked: blocked() };
                }
                (waited, began)
            }
            State::Waiting { what, .. } => (what.poll(cx, condition), what.began),
            State::Over(_) => return Poll::Ready(()),
        };
        waited.map(|waited| {
            let blocked = match std::mem::take(state) {
                State::Waiting { blocked: Some(blocked), .. } => blocked.end(),
                _ => Nanos::ZERO,
            };
            *state = State::Over(WaitOver { waited, began, blocked });
        })
    }

    /// How long the app was blocked in the wait that is over, if no earlier call returned it; otherwise zero.
    pub(crate) fn take_blocked(&self) -> Nanos {
        match &mut *self.0.borrow_mut() {
            State::Over(over) => std::mem::take(&mut over.blocked),
            State::Idle | State::Waiting { .. } => Nanos::ZERO,
        }
    }

    /// Takes the result of a wait that is over; `None` if there is none.
    pub(crate) fn take(&self) -> Option<WaitOver> {
        match self.0.take() {
            State::Over(over) => Some(over),
            State::Idle | State::Waiting { .. } => None,
        }
    }
}

impl WaitFor {
    fn poll(&mut self, cx: &mut Context<'_>, condition: &mut impl FnMut(&mut Context<'_>) -> Poll<()>) -> Poll<Waited> {
        // The time last: what is granted at the very time of the deadline is used.
        if let Some(Poll::Ready(grant)) = self.credit.as_mut().map(|credit| credit.poll_unpin(cx)) {
            return Poll::Ready(Waited::Granted(grant));
        }
        if condition(cx).is_ready() {
            return Poll::Ready(Waited::Met);
        }
        match self.expiry.as_mut().map(|expiry| expiry.poll_unpin(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Waited::Expired),
            _ => Poll::Pending,
        }
    }
}
