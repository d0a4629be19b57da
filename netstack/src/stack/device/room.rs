//! The wait for room.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use shared::exec::Sleep;
use shared::ring::{Acquire, Grant};

use super::pending::Pending;

/// The wait of one packet for room in the ring.
pub(in crate::stack) struct Room {
    pub(super) pending: Pending,
    pub(super) credit: Acquire,
    /// When to stop waiting.
    pub(super) expiry: Option<Sleep>,
}

/// What came of it.
pub(in crate::stack) struct Waited {
    /// The packet, as it was when it reached the device.
    pub(super) pending: Pending,
    /// None if it was not worth waiting any longer.
    pub(super) credit: Option<Grant>,
}

impl Future for Room {
    type Output = Waited;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Waited> {
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
