//! How long a send waited.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use shared::units::Nanos;

use super::{Flow, Stage};

/// A wait that counts the time between its first poll and its end, be that ready or given up.
pub(super) struct Timed<'a, W> {
    flow: &'a Flow,
    stage: Stage,
    /// When it was found that there is something to wait for.
    since: Option<Nanos>,
    wait: Pin<&'a mut W>,
}

impl<'a, W> Timed<'a, W> {
    pub(super) fn new(flow: &'a Flow, stage: Stage, wait: Pin<&'a mut W>) -> Self {
        Self { flow, stage, since: None, wait }
    }
}

impl<W: Future> Future for Timed<'_, W> {
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let polled = self.wait.as_mut().poll(cx);
        if polled.is_pending() && self.since.is_none() {
            self.since = Some(self.flow.clock.now());
        }
        polled
    }
}

impl<W> Drop for Timed<'_, W> {
    fn drop(&mut self) {
        let Some(since) = self.since else { return };
        let span = self.flow.clock.now().since(since);
        // A try that found no room is not a wait.
        if span > Nanos::ZERO {
            self.flow.blocked.borrow_mut()[self.stage as usize].record(span);
        }
    }
}
