//! A backend of whose frames a capture is made, in both directions.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use shared::exec::Interest;
use shared::report::Warning;
use shared::ring::MAX_FRAME;
use shared::units::Nanos;

use super::{Backend, Capture};

/// Another backend, and the capture of the frames that it takes and of those that arrive at it.
#[derive(Debug)]
pub struct Captured<B> {
    inner: B,
    capture: Capture,
}

impl<B> Captured<B> {
    /// Captures the frames of `inner` in `capture`.
    pub fn new(inner: B, capture: Capture) -> Self {
        Self { inner, capture }
    }
}

impl<B: Backend> Backend for Captured<B> {
    fn sent(&mut self, frame: &[u8], at: Nanos) -> bool {
        // A frame that is not taken is offered again, and must be in the capture once.
        self.inner.sent(frame, at) && self.capture.sent(frame, at)
    }

    fn receives(&self) -> bool {
        self.inner.receives()
    }

    fn receive(&mut self, into: &mut [u8], now: Nanos) -> Option<usize> {
        let len = self.inner.receive(into, now)?;
        // A longer frame is left out of the ring, so it is not in the capture either.
        if let Some(frame) = into.get(..len).filter(|frame| frame.len() <= MAX_FRAME) {
            self.capture.sent(frame, now);
        }
        Some(len)
    }

    fn wait_on(&self, wanted: Interest) -> Option<(Arc<OwnedFd>, Interest)> {
        self.inner.wait_on(wanted)
    }

    fn failed(&self) -> Option<String> {
        self.inner.failed()
    }

    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn flush(&mut self) {
        self.inner.flush();
        self.capture.flush();
    }

    fn warning(&self) -> Option<Warning> {
        self.capture.warning().or_else(|| self.inner.warning())
    }
}
