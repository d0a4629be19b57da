//! The time that tasks read, and the timers that they wait on.

use std::cell::{Cell, OnceCell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::timers::{Due, Order, TimerId, Timers};
use crate::units::Nanos;

/// A handle on the executor's time. Cheap to clone; every task has one.
///
/// `now` does not advance while tasks run: the executor reads its source of time once per turn, so that no packet
/// costs a clock call.
#[derive(Debug, Clone, Default)]
pub struct Clock(Rc<Inner>);

#[derive(Default)]
struct Inner {
    now: Cell<Nanos>,
    timers: RefCell<Timers>,
    /// Tasks that yielded, to be woken in the next turn.
    next_turn: RefCell<Vec<Waker>>,
    /// The tasks that this turn wakes. Kept between turns for its allocation.
    beginning: RefCell<Vec<Waker>>,
    /// Called with the lateness of each wake-up, if it was set.
    on_late: OnceCell<Box<dyn Fn(Nanos)>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("now", &self.now).field("timers", &self.timers).finish_non_exhaustive()
    }
}

impl Clock {
    /// A clock at `now`, with no timer pending.
    pub fn starting_at(now: Nanos) -> Self {
        let clock = Self::default();
        clock.advance(now);
        clock
    }

    /// The time of this turn.
    #[inline(always)]
    pub fn now(&self) -> Nanos {
        self.0.now.get()
    }

    /// Ready once the clock is at `at` or later.
    pub fn sleep_until(&self, at: Nanos) -> Sleep {
        self.sleep_until_as(Order::Arrival, at)
    }

    /// Like [`Clock::sleep_until`]; `order` decides which of several timers of the same time fires first.
    pub fn sleep_until_as(&self, order: Order, at: Nanos) -> Sleep {
        Sleep { clock: self.clone(), at, order, pending: None }
    }

    /// Ready in the next turn, after the other tasks and the transport have run. A task that never has to wait for
    /// anything else awaits this from time to time, to let them run.
    pub fn next_turn(&self) -> NextTurn {
        NextTurn { clock: self.clone(), polled: false }
    }

    /// Has this task polled again in the next turn: for a task that yields without a [`NextTurn`].
    #[inline(never)]
    pub fn wake_next_turn(&self, cx: &Context<'_>) {
        self.0.next_turn.borrow_mut().push(cx.waker().clone());
    }

    /// Moves the clock forward; it never goes back.
    pub(super) fn advance(&self, to: Nanos) {
        self.0.now.set(self.now().max(to));
    }

    /// Sets `record` to be called with the lateness of each wake-up from now on: for a timer, now minus its deadline;
    /// for a sender that waited for room, now minus the completion time that made the room. Only the first
    /// call has an effect.
    pub fn on_late_wakeup(&self, record: impl Fn(Nanos) + 'static) {
        // Fails on a second call, which is documented to have no effect.
        let _ = self.0.on_late.set(Box::new(record));
    }

    /// Records the lateness of a task that is woken now and could have run at `due`.
    pub fn note_late(&self, due: Nanos) {
        if let Some(record) = self.0.on_late.get() {
            record(self.now().since(due));
        }
    }

    /// Fires the earliest group of timers (one time, one order), if it is due.
    // Always, as the next one: a turn of a simulation is a call of each, and a program may have several loops of turns.
    #[inline(always)]
    pub(super) fn fire_due(&self) -> Due {
        // In a simulation the hardware's timers fire here too. They are not wake-ups of the stack. The grant of a slot
        // that they free is one, and is recorded where the slot is granted.
        let noted = |at, order| match order {
            Order::Completion => {}
            Order::Arrival => self.note_late(at),
        };
        self.0.timers.borrow_mut().fire_due(self.now(), noted)
    }

    /// Wakes the tasks that yielded in the turn before.
    #[inline(always)]
    pub(super) fn begin_turn(&self) {
        if !self.has_yielded() {
            return;
        }
        let mut beginning = self.0.beginning.take();
        std::mem::swap(&mut beginning, &mut *self.0.next_turn.borrow_mut());
        beginning.drain(..).for_each(Waker::wake);
        self.0.beginning.replace(beginning);
    }

    pub(super) fn has_yielded(&self) -> bool {
        !self.0.next_turn.borrow().is_empty()
    }
}

/// Future of [`Clock::sleep_until`].
#[derive(Debug)]
#[must_use = "a sleep has an effect only when it is awaited"]
pub struct Sleep {
    clock: Clock,
    at: Nanos,
    order: Order,
    pending: Option<TimerId>,
}

impl Sleep {
    /// The time it waits for.
    pub fn at(&self) -> Nanos {
        self.at
    }
}

impl Future for Sleep {
    type Output = ();

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        self.poll_until(cx, at)
    }
}

impl Sleep {
    /// Ready once the clock is at `at` or later. For a task that sleeps again and again: it keeps one value, and polls
    /// it with one time after the other.
    #[inline(always)]
    pub fn poll_until(&mut self, cx: &Context<'_>, at: Nanos) -> Poll<()> {
        if self.clock.now() >= at {
            return Poll::Ready(());
        }
        self.set_timer(cx, at);
        Poll::Pending
    }

    #[inline(always)]
    fn cancel(&mut self) {
        if let Some(id) = self.pending.take() {
            self.clock.0.timers.borrow_mut().cancel(id);
        }
    }

    fn set_timer(&mut self, cx: &Context<'_>, until: Nanos) {
        if self.at != until {
            self.cancel();
            self.at = until;
        }
        let Self { clock, at, order, pending } = self;
        let mut timers = clock.0.timers.borrow_mut();
        match *pending {
            Some(id) => timers.update(id, cx.waker()),
            None => *pending = Some(timers.insert(*at, *order, cx.waker())),
        }
    }
}

impl Drop for Sleep {
    #[inline]
    fn drop(&mut self) {
        self.cancel();
    }
}

/// Future of [`Clock::next_turn`].
#[derive(Debug)]
#[must_use = "this yields only when it is awaited"]
pub struct NextTurn {
    clock: Clock,
    polled: bool,
}

impl Future for NextTurn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.polled {
            return Poll::Ready(());
        }
        self.polled = true;
        self.clock.wake_next_turn(cx);
        Poll::Pending
    }
}
