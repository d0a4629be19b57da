//! The wait for room in the ring.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use shared::credits::{Acquire, Grant};
use shared::exec::Sleep;

use super::pending::Pending;

/// The wait of one packet for a credit of the ring.
pub(in crate::stack) struct Room {
    pub(super) pending: Pending,
    pub(super) credit: Acquire,
    /// The end of the wait under [`super::Policy::Deadline`]; `None` waits without a limit.
    pub(super) expiry: Option<Sleep>,
}

/// The result of [`Room`].
pub(in crate::stack) struct Waited {
    /// The record of the packet, made when it reached the device.
    pub(super) pending: Pending,
    /// `None` if the deadline passed first.
    pub(super) credit: Option<Grant>,
}

impl Future for Room {
    type Output = Waited;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Waited> {
        // The credit first: one that arrives at the very time of the deadline is used.
        let credit = match self.credit.poll_unpin(cx) {
            Poll::Ready(credit) => Some(credit),
            Poll::Pending => match self.expiry.as_mut().map(|expiry| expiry.poll_unpin(cx)) {
                Some(Poll::Ready(())) => None,
                _ => return Poll::Pending,
            },
        };
        Poll::Ready(Waited { pending: self.pending, credit })
    }
}
