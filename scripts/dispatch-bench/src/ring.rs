//! The far end of the calls: a ring that may be full, and whoever polls a call until it is through.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use shared::ring::Credits;

/// A ring without room: each slot that comes free is taken by whoever has waited longest. The line
/// is that of the product.
pub struct Ring {
    credits: Credits,
    bell: Arc<Bell>,
    waker: Waker,
}

/// Remembers that somebody was woken, as the ready queue of an executor would.
#[derive(Debug, Default)]
struct Bell(AtomicBool);

impl Wake for Bell {
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
    /// A ring that lives as long as the process, because the levels above it do.
    pub fn full() -> &'static Self {
        let bell = Arc::new(Bell::default());
        let waker = Waker::from(Arc::clone(&bell));
        Box::leak(Box::new(Self { credits: Credits::new(0), bell, waker }))
    }

    /// Room, and the line for it.
    pub(crate) fn credits(&self) -> &Credits {
        &self.credits
    }

    /// Calls that wait for room.
    pub fn waiting(&self) -> usize {
        self.credits.waiting()
    }

    /// Polls until there is a result; whenever there is none, a frame completes.
    #[inline(always)]
    pub(crate) fn drive(&self, future: Pin<&mut impl Future<Output = u64>>) -> u64 {
        let mut future = future;
        self.poll(|cx| future.as_mut().poll(cx))
    }

    /// As [`Ring::drive`], for what is polled but is no future.
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

    /// Polls once, and drops what it polled. Whether it has to wait.
    pub(crate) fn start(&self, mut future: Pin<&mut impl Future<Output = u64>>) -> bool {
        self.poll_once(|cx| future.as_mut().poll(cx)).is_pending()
    }

    /// Polls once.
    pub(crate) fn poll_once<T>(&self, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(&mut Context::from_waker(&self.waker))
    }

    /// Tries until there is a result; after each refusal, a frame completes. Nobody is in line.
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

    /// One that waits without being woken would wait for ever: better to know.
    #[inline(never)]
    fn complete_and_wake(&self) {
        self.complete();
        assert!(
            self.bell.0.swap(false, Ordering::Relaxed),
            "a slot came free, and nobody was woken: a fault of the arm"
        );
    }
}
