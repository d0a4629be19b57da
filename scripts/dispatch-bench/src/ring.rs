//! The end of the calls: a ring that is full, and the loop that polls a call until it is done.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use shared::credits::Credits;

/// A ring without free slots: each slot that becomes free goes to the call that has waited longest. The wait queue is
/// the one of the product.
pub struct Ring {
    credits: Credits,
    woken: Arc<WakeFlag>,
    waker: Waker,
}

/// Records that a call was woken, as the ready queue of an executor would.
#[derive(Debug, Default)]
struct WakeFlag(AtomicBool);

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ring").field("credits", &self.credits).finish_non_exhaustive()
    }
}

impl Ring {
    /// Creates a full ring and leaks it, because the levels above it live as long as the process.
    pub fn full() -> &'static Self {
        let woken = Arc::new(WakeFlag::default());
        let waker = Waker::from(Arc::clone(&woken));
        Box::leak(Box::new(Self { credits: Credits::new(0), woken, waker }))
    }

    /// The free slots, and the wait queue for them.
    pub(crate) fn credits(&self) -> &Credits {
        &self.credits
    }

    /// The number of calls that wait for room.
    pub fn waiting(&self) -> usize {
        self.credits.waiting()
    }

    /// Polls until there is a result; each time it is pending, completes a frame.
    #[inline(always)]
    pub(crate) fn drive(&self, future: Pin<&mut impl Future<Output = u64>>) -> u64 {
        let mut future = future;
        self.poll(|cx| future.as_mut().poll(cx))
    }

    /// The same as [`Ring::drive`], for a function that is polled instead of a future.
    #[inline(always)]
    pub(crate) fn poll<T>(&self, mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        let mut cx = Context::from_waker(&self.waker);
        loop {
            match poll(&mut cx) {
                Poll::Ready(done) => return done,
                Poll::Pending => self.complete_and_wake(),
            }
        }
    }

    /// Polls once and drops the future. Returns whether it has to wait.
    pub(crate) fn start(&self, mut future: Pin<&mut impl Future<Output = u64>>) -> bool {
        self.poll_once(|cx| future.as_mut().poll(cx)).is_pending()
    }

    /// Polls once.
    pub(crate) fn poll_once<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(&mut Context::from_waker(&self.waker))
    }

    /// Tries until there is a result; after each refusal, completes a frame. Nothing is in the wait queue.
    #[inline(always)]
    pub(crate) fn retry(&self, attempt: impl Fn() -> Option<u64>) -> u64 {
        loop {
            match attempt() {
                Some(done) => return done,
                None => self.complete(),
            }
        }
    }

    #[inline(never)]
    fn complete(&self) {
        self.credits.release(1);
    }

    /// Completes a frame. Panics if no call was woken: a call that is not woken would never return.
    #[inline(never)]
    fn complete_and_wake(&self) {
        self.complete();
        assert!(
            self.woken.0.swap(false, Ordering::Relaxed),
            "a slot became free, but no call was woken: a fault of the arm"
        );
    }
}
