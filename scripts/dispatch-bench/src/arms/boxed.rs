//! `async_trait`: a box for the future of each level, even if the type of the level below is known.

use std::marker::PhantomData;
use std::pin::pin;

use async_trait::async_trait;

use super::{Call, Chain, End, Level, Maker, chain};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A level that may wait.
#[async_trait(?Send)]
pub(super) trait Boxed {
    async fn send(&self, word: u64) -> u64;
}

#[async_trait(?Send)]
impl<const V: u64, L: Leaf> Boxed for End<V, L> {
    async fn send(&self, word: u64) -> u64 {
        L::room(self.ring).await;
        L::send(word ^ const { key(V, 0) })
    }
}

#[async_trait(?Send)]
impl<const V: u64, const D: u64, B: Boxed> Boxed for Level<V, D, B> {
    async fn send(&self, word: u64) -> u64 {
        let done = self.below.send(down(word, const { key(V, D) })).await;
        up(done, const { key(V, D) })
    }
}

/// Written by hand, because the macro would add another box.
impl<B: Boxed + ?Sized> Boxed for Box<B> {
    fn send<'this, 'future>(&'this self, word: u64) -> std::pin::Pin<Box<dyn Future<Output = u64> + 'future>>
    where
        'this: 'future,
        Self: 'future,
    {
        (**self).send(word)
    }
}

/// Any level.
type Any = Box<dyn Boxed>;

/// See [`Arm::BoxedGeneric`](super::Arm::BoxedGeneric).
pub(super) struct Generic<L>(PhantomData<L>);

/// See [`Arm::BoxedDyn`](super::Arm::BoxedDyn).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry<B>(B);

impl<B: Boxed> Call for Entry<B> {
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

impl<L: Leaf> Maker for Generic<L> {
    type Call = Box<dyn Call>;
    const FUNCTIONS: usize = 1;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        functions.push(<Entry<Chain<V, L>> as Call>::call as *const ());
        Box::new(Entry(chain::<V, L>(ring)))
    }
}

impl<L: Leaf> Maker for Dyn<L> {
    type Call = Entry<Any>;
    const FUNCTIONS: usize = LEVELS;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        functions.push(<End<V, L> as Boxed>::send as *const ());
        levels::<V>(Box::new(End::<V, L>::of(ring)), functions)
    }
}

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: Any, functions: &mut Vec<*const ()>) -> Entry<Any> {
    functions.extend([
        <Level<V, 1, Any> as Boxed>::send as *const (),
        <Level<V, 2, Any> as Boxed>::send as *const (),
        <Level<V, 3, Any> as Boxed>::send as *const (),
        <Level<V, 4, Any> as Boxed>::send as *const (),
    ]);
    let one = Box::new(Level::<V, 1, Any>::above(end));
    let two = Box::new(Level::<V, 2, Any>::above(one));
    let three = Box::new(Level::<V, 3, Any>::above(two));
    Entry(Box::new(Level::<V, 4, Any>::above(three)))
}
