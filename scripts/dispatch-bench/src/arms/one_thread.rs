//! A wrapper for `stackfuture`, which alone requires futures that may change threads (`Send`).
#![allow(
    unsafe_code,
    reason = "stackfuture requires `Send`, but the wait queue for room belongs to one thread, like the whole stack"
)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that claims to be `Send`. It costs nothing at run time.
pub(super) struct OneThread<F>(pub(super) F);

// SAFETY: no arm passes a future to another thread: each is built, polled and dropped within one call.
unsafe impl<F> Send for OneThread<F> {}

impl<F: Future> Future for OneThread<F> {
    type Output = F::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned whenever its owner is: it is never moved out, and there is no `Drop`.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
    }
}
