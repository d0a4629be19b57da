//! `dynify`: a trait object reports the space that its future needs, and builds it in space of the caller.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::pin::pin;

use dynify::{Dynify, PinConstruct};

use super::{Call, End, Level, Maker, space};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A level that may wait.
#[dynify::dynify(DynInPlace)]
pub(super) trait InPlace {
    async fn send(&self, word: u64) -> u64;
}

/// Any level whose future needs at most `SPACE` bytes.
struct Any<const SPACE: usize>(Box<dyn DynInPlace>);

impl<const V: u64, L: Leaf> InPlace for End<V, L> {
    async fn send(&self, word: u64) -> u64 {
        L::room(self.ring).await;
        L::send(word ^ const { key(V, 0) })
    }
}

impl<const V: u64, const D: u64, const SPACE: usize> InPlace for Level<V, D, Any<SPACE>> {
    async fn send(&self, word: u64) -> u64 {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; SPACE];
        let done = self.below.0.send(down(word, const { key(V, D) })).init(&mut space).await;
        up(done, const { key(V, D) })
    }
}

/// See [`Arm::Dynify`](super::Arm::Dynify).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry(Any<{ space(4) }>);

impl Call for Entry {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; space(4)];
        ring.drive(pin!(self.0.0.send(word).init(&mut space)))
    }

    fn cancel(&self, word: u64, ring: &Ring) -> bool {
        let mut space = [const { MaybeUninit::<u8>::uninit() }; space(4)];
        ring.start(pin!(self.0.0.send(word).init(&mut space)))
    }

    fn space(&self) -> usize {
        self.0.0.send(0).layout().size()
    }
}

impl<L: Leaf> Maker for Dyn<L> {
    type Call = Entry;
    const FUNCTIONS: usize = LEVELS;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        functions.push(<End<V, L> as DynInPlace>::send as *const ());
        levels::<V>(Any(Box::new(End::<V, L>::of(ring))), functions)
    }
}

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: Any<{ space(0) }>, functions: &mut Vec<*const ()>) -> Entry {
    functions.extend([
        <Level<V, 1, Any<{ space(0) }>> as DynInPlace>::send as *const (),
        <Level<V, 2, Any<{ space(1) }>> as DynInPlace>::send as *const (),
        <Level<V, 3, Any<{ space(2) }>> as DynInPlace>::send as *const (),
        <Level<V, 4, Any<{ space(3) }>> as DynInPlace>::send as *const (),
    ]);
    let one = Any(Box::new(Level::<V, 1, _>::above(end)));
    let two = Any(Box::new(Level::<V, 2, Any<{ space(1) }>>::above(one)));
    let three = Any(Box::new(Level::<V, 3, Any<{ space(2) }>>::above(two)));
    Entry(Any(Box::new(Level::<V, 4, Any<{ space(3) }>>::above(three))))
}
