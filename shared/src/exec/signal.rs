//! A condition variable for tasks of one thread.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

/// Wakes whoever waits for a condition, when somebody says that it may have changed.
///
/// Waiters look again themselves, so a wake too many is harmless, and none is lost: the condition
/// is checked in the same poll that registers.
#[derive(Debug, Default)]
pub struct Signal {
    waiting: RefCell<Vec<Waiter>>,
}

/// A task that waits, or that waited when the signal was told last. Tasks mostly come back, and then
/// their waker is still here: copying one costs two atomic operations, and a packet waits four times.
#[derive(Debug)]
struct Waiter {
    waker: Waker,
    waits: bool,
}

impl Signal {
    /// Says that a condition may have changed.
    pub fn notify(&self) {
        // Who did not come back since the last time is forgotten, so the list stays as short as the
        // line. Wakers only queue their task, so none of them re-enters this signal.
        self.waiting.borrow_mut().retain_mut(|waiter| {
            if waiter.waits {
                waiter.waker.wake_by_ref();
            }
            std::mem::replace(&mut waiter.waits, false)
        });
    }

    /// Whether anybody waits.
    pub fn is_awaited(&self) -> bool {
        !self.waiting.borrow().is_empty()
    }

    /// Ready with what `condition` returns as soon as that is something.
    pub fn wait_for<T>(&self, mut condition: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
        poll_fn(move |cx| self.poll_for(cx, &mut condition))
    }

    /// One look of [`Signal::wait_for`]: if there is nothing yet, the task will be woken.
    pub fn poll_for<T>(&self, cx: &mut Context<'_>, condition: impl FnOnce() -> Option<T>) -> Poll<T> {
        match condition() {
            Some(value) => Poll::Ready(value),
            None => {
                self.register(cx.waker());
                Poll::Pending
            }
        }
    }

    fn register(&self, waker: &Waker) {
        let mut waiting = self.waiting.borrow_mut();
        match waiting.iter_mut().find(|known| known.waker.will_wake(waker)) {
            Some(known) => known.waits = true,
            None => waiting.push(Waiter { waker: waker.clone(), waits: true }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::cell::Cell;

    #[test]
    fn a_waiter_looks_first_and_then_waits() {
        let (signal, ready) = (Signal::default(), Cell::new(true));
        let look = || ready.get().then_some(7);
        assert_eq!(signal.wait_for(look).now_or_never(), Some(7));
        ready.set(false);
        assert_eq!(signal.wait_for(look).now_or_never(), None);
    }

    #[test]
    fn the_same_task_registers_once() {
        let signal = Signal::default();
        for _ in 0..3 {
            assert_eq!(signal.wait_for(|| None::<()>).now_or_never(), None);
        }
        assert_eq!(signal.waiting.borrow().len(), 1);
    }

    #[test]
    fn who_does_not_come_back_is_forgotten() {
        let signal = Signal::default();
        assert_eq!(signal.wait_for(|| None::<()>).now_or_never(), None);
        signal.notify();
        assert_eq!(signal.waiting.borrow().len(), 1, "it may come back");
        signal.notify();
        assert_eq!(signal.waiting.borrow().len(), 0);
    }
}
