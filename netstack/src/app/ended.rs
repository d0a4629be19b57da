//! The end of a run, as apps hear of it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use shared::exec::Signal;
use shared::units::Nanos;

/// Says that the run is over: its time is up, somebody interrupted it, or the driver failed.
/// Whoever runs the session sets it, once; apps give up what they are doing.
#[derive(Debug, Default)]
pub struct Ended {
    at: Cell<Option<Nanos>>,
    changed: Signal,
}

impl Ended {
    /// The run ended at `at`. Only the first call counts.
    pub fn end(&self, at: Nanos) {
        if self.at.get().is_none() {
            self.at.set(Some(at));
            self.changed.notify();
        }
    }

    /// When the run ended, if it has.
    pub fn at(&self) -> Option<Nanos> {
        self.at.get()
    }

    /// Runs `task` until it is done or the run has ended, whichever comes first. What the task was
    /// doing is then dropped.
    pub async fn interrupt<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        let mut task = pin!(task);
        poll_fn(|cx| {
            // First, so that a task that always finds something to do hears of the end as well.
            let ended = pin!(self.changed.wait_for(|| self.at()));
            if ended.poll(cx).is_ready() {
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
        let ended = Ended::default();
        assert_eq!(ended.interrupt(std::future::ready(7)).now_or_never(), Some(Some(7)));
    }

    #[test]
    fn a_task_that_waits_is_dropped_at_the_end_and_the_first_end_counts() {
        let ended = Ended::default();
        let mut task = pin!(ended.interrupt(std::future::pending::<()>()));
        assert_eq!(task.as_mut().now_or_never(), None);
        ended.end(Nanos(5));
        ended.end(Nanos(6));
        assert_eq!((task.now_or_never(), ended.at()), (Some(None), Some(Nanos(5))));
    }
}
