//! The end of a run, as apps see it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use shared::exec::Signal;
use shared::units::Nanos;

/// Whether and when the run ended: its time was up, it was interrupted, or the driver failed. The session sets it once;
/// apps then cancel what they are doing.
#[derive(Debug, Default)]
pub struct Ended {
    at: Cell<Option<Nanos>>,
    changed: Signal,
}

impl Ended {
    /// Sets the end of the run to `at`. Only the first call has an effect.
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

    /// Runs `task` until it is done, or drops it when the run ends and returns `None`.
    pub async fn interrupt<T>(&self, task: impl Future<Output = T>) -> Option<T> {
        let mut task = pin!(task);
        poll_fn(|cx| {
            // The end is checked before the task, so that a task that is always ready is interrupted too.
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
    fn a_waiting_task_is_dropped_at_the_end_and_the_first_end_is_kept() {
        let ended = Ended::default();
        let mut task = pin!(ended.interrupt(std::future::pending::<()>()));
        assert_eq!(task.as_mut().now_or_never(), None);
        ended.end(Nanos(5));
        ended.end(Nanos(6));
        assert_eq!((task.now_or_never(), ended.at()), (Some(None), Some(Nanos(5))));
    }
}
