//! The end of an app, as its loop sees it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Poll, Waker};

use shared::credits::Credits;
use shared::units::Nanos;

/// Whether and when an app must end: it was removed, or the run ended. The session cancels it once; the app then drops
/// what it is doing.
#[derive(Debug)]
pub struct CancelToken {
    at: Cell<Option<Nanos>>,
    /// Empty until the token is cancelled, and inexhaustible from then on. A wait queue, and not a signal, because it
    /// forgets tasks that stop waiting: a socket may have any number of sends that wait, one after the other.
    cancelled: Credits,
}

impl Default for CancelToken {
    fn default() -> Self {
        Self { at: Cell::new(None), cancelled: Credits::new(0) }
    }
}

impl CancelToken {
    /// Sets the end to `at`. Only the first call has an effect.
    pub fn cancel(&self, at: Nanos) {
        if self.at.get().is_none() {
            self.at.set(Some(at));
            self.cancelled.release(u64::MAX);
        }
    }

    /// When it was cancelled, if it was.
    pub fn at(&self) -> Option<Nanos> {
        self.at.get()
    }

    /// Runs `task` until it is done, or returns `None` when this token is cancelled: the caller then drops the task.
    ///
    /// The task is borrowed because a future that takes another one by value has room for it twice.
    pub async fn run_until<T>(&self, mut task: Pin<&mut impl Future<Output = T>>) -> Option<T> {
        let mut cancelled = pin!(self.cancelled.acquire(1));
        let mut waker: Option<Waker> = None;
        poll_fn(|cx| {
            // The end is checked before the task, so that a task that is always ready is interrupted too.
            if self.at.get().is_some() {
                return Poll::Ready(None);
            }
            // The wait queue has this waker already, except in the first poll: leave its memory alone.
            if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                waker = Some(cx.waker().clone());
                let _not_cancelled = cancelled.as_mut().poll(cx);
            }
            task.as_mut().poll(cx).map(Some)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    #[test]
    fn a_task_that_is_done_is_not_interrupted() {
        let token = CancelToken::default();
        assert_eq!(token.run_until(pin!(std::future::ready(7))).now_or_never(), Some(Some(7)));
    }

    #[test]
    fn a_waiting_task_is_dropped_at_the_end_and_the_first_end_is_kept() {
        let token = CancelToken::default();
        let forever = pin!(std::future::pending::<()>());
        let mut task = pin!(token.run_until(forever));
        assert_eq!(task.as_mut().now_or_never(), None);
        token.cancel(Nanos(5));
        token.cancel(Nanos(6));
        assert_eq!((task.now_or_never(), token.at()), (Some(None), Some(Nanos(5))));
    }

    #[test]
    fn tasks_that_end_or_are_dropped_are_forgotten() {
        let token = CancelToken::default();
        assert_eq!(token.run_until(pin!(std::future::ready(7))).now_or_never(), Some(Some(7)));
        assert_eq!(token.run_until(pin!(std::future::pending::<()>())).now_or_never(), None);
        assert_eq!(token.cancelled.waiting(), 0);
        token.cancel(Nanos(5));
        for _ in 0..2 {
            assert_eq!(token.run_until(pin!(std::future::ready(7))).now_or_never(), Some(None));
        }
    }
}
