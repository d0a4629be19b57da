//! `stackfuture`: futures of any type in space of a fixed size, which is part of the trait.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use stackfuture::StackFuture;

use super::{Call, End, Level, Maker, space};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A future that claims to be `Send`. It costs nothing at run time.
struct OneThread<F>(F);

#[expect(
    unsafe_code,
    reason = "stackfuture requires `Send`, but the wait queue for room belongs to one thread, like the whole stack"
)]
// SAFETY: no arm passes a future to another thread: each is built, polled and dropped within one call.
unsafe impl<F> Send for OneThread<F> {}

impl<F: Future> Future for OneThread<F> {
    type Output = F::Output;

    #[expect(unsafe_code, reason = "a pin of the field, by hand")]
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        // SAFETY: the field is pinned whenever its owner is: it is never moved out, and there is no `Drop`.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll(cx)
    }
}

/// A level that may wait, in `SPACE` bytes.
pub(super) trait Stacked<const SPACE: usize> {
    fn send(&self, word: u64) -> StackFuture<'_, u64, SPACE>;
}

/// Any level.
type Any<const SPACE: usize> = Box<dyn Stacked<SPACE>>;

impl<const V: u64, L: Leaf, const SPACE: usize> Stacked<SPACE> for End<V, L> {
    fn send(&self, word: u64) -> StackFuture<'_, u64, SPACE> {
        StackFuture::from(OneThread(async move {
            L::room(self.ring).await;
            L::send(word ^ const { key(V, 0) })
        }))
    }
}

impl<const V: u64, const D: u64, const BELOW: usize, const SPACE: usize> Stacked<SPACE> for Level<V, D, Any<BELOW>> {
    fn send(&self, word: u64) -> StackFuture<'_, u64, SPACE> {
        StackFuture::from(OneThread(async move {
            let done = self.below.send(down(word, const { key(V, D) })).await;
            up(done, const { key(V, D) })
        }))
    }
}

/// See [`Arm::Stackfuture`](super::Arm::Stackfuture).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry(Any<{ space(4) }>);

impl Call for Entry {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        ring.drive(pin!(self.0.send(word)))
    }

    fn cancel(&self, word: u64, ring: &Ring) -> bool {
        ring.start(pin!(self.0.send(word)))
    }

    fn space(&self) -> usize {
        size_of_val(&self.0.send(0))
    }
}

impl<L: Leaf> Maker for Dyn<L> {
    type Call = Entry;
    const FUNCTIONS: usize = LEVELS;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        functions.push(<End<V, L> as Stacked<{ space(0) }>>::send as *const ());
        levels::<V>(Box::new(End::<V, L>::of(ring)), functions)
    }
}

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: Any<{ space(0) }>, functions: &mut Vec<*const ()>) -> Entry {
    functions.extend([
        <Level<V, 1, Any<{ space(0) }>> as Stacked<{ space(1) }>>::send as *const (),
        <Level<V, 2, Any<{ space(1) }>> as Stacked<{ space(2) }>>::send as *const (),
        <Level<V, 3, Any<{ space(2) }>> as Stacked<{ space(3) }>>::send as *const (),
        <Level<V, 4, Any<{ space(3) }>> as Stacked<{ space(4) }>>::send as *const (),
    ]);
    let one: Any<{ space(1) }> = Box::new(Level::<V, 1, _>::above(end));
    let two: Any<{ space(2) }> = Box::new(Level::<V, 2, _>::above(one));
    let three: Any<{ space(3) }> = Box::new(Level::<V, 3, _>::above(two));
    Entry(Box::new(Level::<V, 4, _>::above(three)))
}
