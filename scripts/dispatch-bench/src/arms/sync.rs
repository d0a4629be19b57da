//! No futures: a call that would have to wait is refused and made again. This is the control of the experiment.

use std::marker::PhantomData;

use super::{Call, Chain, End, Level, Maker, chain};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A level that sends at once or refuses.
pub(super) trait TrySend {
    fn try_send(&self, word: u64) -> Option<u64>;
}

impl<const V: u64, L: Leaf> TrySend for End<V, L> {
    fn try_send(&self, word: u64) -> Option<u64> {
        L::try_room(self.ring).then(|| L::send(word ^ const { key(V, 0) }))
    }
}

impl<const V: u64, const D: u64, B: TrySend> TrySend for Level<V, D, B> {
    fn try_send(&self, word: u64) -> Option<u64> {
        let done = self.below.try_send(down(word, const { key(V, D) }))?;
        Some(up(done, const { key(V, D) }))
    }
}

impl<S: TrySend + ?Sized> TrySend for Box<S> {
    fn try_send(&self, word: u64) -> Option<u64> {
        (**self).try_send(word)
    }
}

/// Any level.
type Any = Box<dyn TrySend>;

/// See [`Arm::SyncGeneric`](super::Arm::SyncGeneric).
pub(super) struct Generic<L>(PhantomData<L>);

/// See [`Arm::SyncDyn`](super::Arm::SyncDyn).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry<S>(S);

impl<S: TrySend> Call for Entry<S> {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        ring.retry(|| self.0.try_send(word))
    }

    fn cancel(&self, word: u64, _: &Ring) -> bool {
        self.0.try_send(word).is_none()
    }

    fn space(&self) -> usize {
        0
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
        functions.push(<End<V, L> as TrySend>::try_send as *const ());
        levels::<V>(Box::new(End::<V, L>::of(ring)), functions)
    }
}

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: Any, functions: &mut Vec<*const ()>) -> Entry<Any> {
    functions.extend([
        <Level<V, 1, Any> as TrySend>::try_send as *const (),
        <Level<V, 2, Any> as TrySend>::try_send as *const (),
        <Level<V, 3, Any> as TrySend>::try_send as *const (),
        <Level<V, 4, Any> as TrySend>::try_send as *const (),
    ]);
    let one = Box::new(Level::<V, 1, Any>::above(end));
    let two = Box::new(Level::<V, 2, Any>::above(one));
    let three = Box::new(Level::<V, 3, Any>::above(two));
    Entry(Box::new(Level::<V, 4, Any>::above(three)))
}
