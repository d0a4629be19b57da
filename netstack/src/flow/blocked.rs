//! Blocked time: how long sends wait.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use shared::units::Nanos;

use super::{Flow, Stage};

/// A wait that records the time from its first pending poll to its end, whether it becomes ready or is dropped.
#[must_use = "nothing is waited for unless it is awaited"]
pub struct Timed<W> {
    flow: Rc<Flow>,
    stage: Stage,
    /// When it was first pending; `None` before that, and once its time is recorded.
    since: Option<Nanos>,
    wait: W,
}

impl<W> Timed<W> {
    pub(super) fn new(flow: Rc<Flow>, stage: Stage, wait: W) -> Self {
        Self { flow, stage, since: None, wait }
    }

    fn end(&mut self) {
        let Some(since) = self.since.take() else { return };
        self.flow.timeline.wait_ends();
        let span = self.flow.timeline.now().since(since);
        // A non-blocking try polls once and drops the wait at the same time: that is not a wait.
        if span > Nanos::ZERO {
            self.flow.blocked.borrow_mut()[self.stage as usize].record(span.0, 1);
        }
    }
}

impl<W: Future + Unpin> Future for Timed<W> {
    type Output = W::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<W::Output> {
        let polled = self.wait.poll_unpin(cx);
        if polled.is_ready() {
            self.end();
        } else if self.since.is_none() {
            self.flow.timeline.wait_begins();
            self.since = Some(self.flow.timeline.now());
        }
        polled
    }
}

impl<W> Drop for Timed<W> {
    fn drop(&mut self) {
        self.end();
    }
}
