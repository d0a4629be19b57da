//! A condition variable for tasks of one thread.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

/// Wakes the tasks that wait for a condition when it may have changed.
///
/// Each woken task checks the condition again, so a needless wake is harmless. No wake is lost, because the condition
/// is checked in the same poll that registers the waker.
#[derive(Debug, Default)]
pub struct Signal {
    waiting: RefCell<Vec<Waiter>>,
    /// Whether any of them waits now.
    awaited: Cell<bool>,
}

/// A task that waits, or that was woken last. Its waker is kept until the next wake, because most tasks wait again:
/// copying a waker costs two atomic operations, and a packet waits four times.
#[derive(Debug)]
struct Waiter {
    waker: Waker,
    /// Whether the task waits now.
    waits: bool,
}

impl Signal {
    /// Wakes the waiters, because the condition may have changed.
    #[inline(always)]
    pub fn notify(&self) {
        if self.awaited.replace(false) {
            self.wake_all();
        }
    }

    fn wake_all(&self) {
        let waiting = &mut *self.waiting.borrow_mut();
        // Mostly there is one, and then it is the one that waits.
        if let [only] = &mut waiting[..] {
            only.waits = false;
            return only.waker.wake_by_ref();
        }
        // Drops the wakers of tasks that have not waited since the last call, so the list does not grow. The borrow
        // is safe: a waker only queues its task, so it does not call this signal again.
        waiting.retain_mut(|waiter| {
            if waiter.waits {
                waiter.waker.wake_by_ref();
            }
            std::mem::replace(&mut waiter.waits, false)
        });
    }

    /// Whether a task waits.
    #[inline(always)]
    pub fn is_awaited(&self) -> bool {
        self.awaited.get()
    }

    /// Ready with the value of `condition` as soon as it returns one.
    pub fn wait_for<T>(&self, mut condition: impl FnMut() -> Option<T>) -> impl Future<Output = T> {
        poll_fn(move |cx| self.poll_for(cx, &mut condition))
    }

    /// One poll of [`Signal::wait_for`]: if `condition` returns none, registers the task to be woken.
    #[inline]
    pub fn poll_for<T>(&self, cx: &mut Context<'_>, condition: impl FnOnce() -> Option<T>) -> Poll<T> {
        match condition() {
            Some(value) => Poll::Ready(value),
            None => {
                self.register(cx);
                Poll::Pending
            }
        }
    }

    /// Registers the task to be woken by the next [`Signal::notify`]: for a task that checks what it waits for whenever
    /// it is polled.
    #[inline]
    pub fn register(&self, cx: &Context<'_>) {
        let (waker, mut waiting) = (cx.waker(), self.waiting.borrow_mut());
        self.awaited.set(true);
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
    use std::sync::Arc;
    use std::task::Wake;

    struct Ignored;

    impl Wake for Ignored {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_waiter_checks_the_condition_before_it_waits() {
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
    fn a_task_that_does_not_wait_again_is_forgotten_when_others_wait() {
        let signal = Signal::default();
        let (once, again) = (Waker::from(Arc::new(Ignored)), Waker::from(Arc::new(Ignored)));
        for waker in [&once, &again, &again, &again] {
            signal.register(&Context::from_waker(waker));
            assert!(signal.is_awaited());
            signal.notify();
            assert!(!signal.is_awaited());
            assert!(signal.waiting.borrow().len() <= 2, "it may wait again");
        }
        let left: Vec<_> = signal.waiting.borrow().iter().map(|waiter| waiter.waker.will_wake(&again)).collect();
        assert_eq!(left, [true]);
    }
}
