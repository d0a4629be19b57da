//! What `stackfuture` asks for and nothing else here needs: futures that may change threads.
#![allow(
    unsafe_code,
    reason = "stackfuture wants `Send`, and the line for room, like all of the stack, is of one thread"
)]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A future that claims to be `Send`. It costs nothing at run time.
pub(super) struct OneThread<F>(pub(super) F);

// SAFETY: no arm hands a future to another thread: each is built, polled and dropped within one call.
unsafe impl<F> Send for OneThread<F> {}

impl<F: Future> Future for OneThread<F> {
    type Output = F::Output;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned whenever its owner is: it is never moved out, and there is no `Drop`.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
    }
}
