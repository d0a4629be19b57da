//! How a run is told to stop from outside.

use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{EventfdFlags, eventfd};

use super::Signal;

/// Asks a running executor to stop, from a signal handler's task or another thread.
#[derive(Debug, Clone)]
pub struct StopHandle(Arc<Stop>);

#[derive(Debug)]
struct Stop {
    asked: AtomicBool,
    /// Readable once asked, so that a sleeping executor wakes up.
    event: OwnedFd,
}

impl StopHandle {
    /// A handle that nobody has used yet.
    ///
    /// # Errors
    /// If the system has no event descriptor left.
    pub fn new() -> std::io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Stop { asked: AtomicBool::new(false), event })))
    }

    /// Asks to stop.
    pub fn stop(&self) {
        self.0.asked.store(true, Ordering::Release);
        // The counter of an eventfd is full after 2^64 - 2 calls; until then this cannot fail.
        let _ = rustix::io::write(&self.0.event, &1u64.to_ne_bytes());
    }

    /// Whether somebody asked.
    pub fn is_asked(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }
}

/// The executor's end of a [`StopHandle`], for tasks to wait on.
#[derive(Debug, Default)]
pub struct Interrupt {
    /// `None` where nobody can interrupt: in virtual time.
    handle: Option<StopHandle>,
    told: Cell<bool>,
    asked: Signal,
}

impl Interrupt {
    /// Never asked.
    pub fn never() -> Self {
        Self::default()
    }

    /// Asked when `handle` is.
    pub fn by(handle: StopHandle) -> Self {
        Self { handle: Some(handle), ..Self::default() }
    }

    /// Whether somebody asked to stop.
    pub fn is_asked(&self) -> bool {
        self.handle.as_ref().is_some_and(StopHandle::is_asked)
    }

    /// Ready once somebody asked to stop.
    pub async fn asked(&self) {
        self.asked.wait_for(|| self.is_asked().then_some(())).await;
    }

    /// Wakes those who wait, the first time after somebody asked. Returns whether this was it.
    pub fn notice(&self) -> bool {
        let news = self.is_asked() && !self.told.replace(true);
        if news {
            self.asked.notify();
        }
        news
    }

    /// What to sleep on besides the transport, until it was noticed: it stays readable.
    pub(super) fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        let handle = self.handle.as_ref().filter(|_| !self.told.get());
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
