//! The end of an app, as its loop sees it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use shared::exec::Signal;
use shared::units::Nanos;

/// Whether and when an app must end: it was removed, or the run ended. The session cancels it once; the app then drops
/// what it is doing.
#[derive(Debug, Default)]
pub struct CancelToken {
    at: Cell<Option<Nanos>>,
    changed: Signal,
}

impl CancelToken {
    /// Sets the end to `at`. Only the first call has an effect.
    pub fn cancel(&self, at: Nanos) {
        if self.at.get().is_none() {
            self.at.set(Some(at));
            self.changed.notify();
        }
    }

    /// When it was cancelled, if it was.
    pub fn at(&self) -> Option<Nanos> {
        self.at.get()
    }

    /// Runs `task` until it is done, or drops it when this token is cancelled and returns `None`.
    pub async fn run_until<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        let mut task = pin!(task);
        poll_fn(|cx| {
            // The end is checked before the task, so that a task that is always ready is interrupted too.
            let cancelled = pin!(self.changed.wait_for(|| self.at()));
            if cancelled.poll(cx).is_ready() {
                return Poll::Ready(None);
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
        assert_eq!(token.run_until(std::future::ready(7)).now_or_never(), Some(Some(7)));
    }

    #[test]
    fn a_waiting_task_is_dropped_at_the_end_and_the_first_end_is_kept() {
        let token = CancelToken::default();
        let mut task = pin!(token.run_until(std::future::pending::<()>()));
        assert_eq!(task.as_mut().now_or_never(), None);
        token.cancel(Nanos(5));
        token.cancel(Nanos(6));
        assert_eq!((task.now_or_never(), token.at()), (Some(None), Some(Nanos(5))));
    }
}
