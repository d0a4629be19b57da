//! The request to stop a run, from a signal handler or another thread.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Context;

use rustix::event::{EventfdFlags, eventfd};

use super::Signal;

/// Requests a running executor to stop, from a signal handler's task or another thread.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    requested: AtomicBool,
    /// Readable once the request is made, so that a sleeping executor wakes up.
    event: OwnedFd,
}

impl StopHandle {
    /// A handle without a request.
    ///
    /// # Errors
    /// If this process may open no more descriptors.
    pub fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Stop { requested: AtomicBool::new(false), event })))
    }

    /// Makes the request.
    pub fn stop(&self) {
        // Before the write: an executor that the eventfd wakes must find the flag set. Pairs with `is_asked`.
        self.0.requested.store(true, Ordering::Release);
        // Cannot fail before the counter of the eventfd is full, after 2^64 - 2 calls.
        let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
    }

    /// Whether the request was made.
    pub fn is_asked(&self) -> bool {
        self.0.requested.load(Ordering::Acquire)
    }
}

/// The executor's end of a [`StopHandle`], for tasks to wait on.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// `None` if no request can be made.
    handle: Option<StopHandle>,
    /// Whether [`Interrupt::notice`] has returned `true`.
    noticed: Cell<bool>,
    /// Notified by the first [`Interrupt::notice`] after the request.
    requested: Signal,
}

impl Interrupt {
    /// An interrupt that is never requested.
    pub fn never() -> Self {
        Self::default()
    }

    /// The executor's end of `handle`.
    pub fn by(handle: StopHandle) -> Self {
        Self { handle: Some(handle), ..Self::default() }
    }

    /// Whether a stop was requested.
    #[inline(always)]
    pub fn is_asked(&self) -> bool {
        self.handle.as_ref().is_some_and(StopHandle::is_asked)
    }

    /// Ready once a stop is requested.
    pub async fn asked(&self) {
        self.requested.wait_for(|| self.is_asked().then_some(())).await;
    }

    /// Registers the task to be woken once a stop is requested: for a task that asks whenever it is polled.
    #[inline]
    pub fn register(&self, cx: &Context<'_>) {
        if self.handle.is_some() {
            self.requested.register(cx);
        }
    }

    /// In the first call after the request, wakes the waiting tasks and returns `true`; otherwise returns `false`.
    #[inline]
    pub fn notice(&self) -> bool {
        let first = self.is_asked() && !self.noticed.replace(true);
        if first {
            self.requested.notify();
        }
        first
    }

    /// A descriptor to sleep on besides the transport. `None` once the request was noticed: it stays readable, so a
    /// sleep on it would end at once.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let handle = self.handle.as_ref().filter(|_| !self.noticed.get());
        handle.map(|handle| handle.0.event.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_is_seen_by_every_clone_and_noticed_once() -> std::io::Result<()> {
        let handle = StopHandle::new()?;
        let interrupt = Interrupt::by(handle.clone());
        assert!(!handle.is_asked() && !interrupt.notice());
        handle.clone().stop();
        assert!(handle.is_asked() && interrupt.notice() && !interrupt.notice());
        Ok(())
    }
}
