//! `dynosaur`: `async fn` that is native where the type is known, and boxed behind a trait object.

use std::marker::PhantomData;
use std::pin::pin;

use super::{Call, End, Level, Maker};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A level that may wait.
#[dynosaur::dynosaur(DynSaur = dyn(box) Saur)]
pub(super) trait Saur {
    async fn send(&self, word: u64) -> u64;
}

/// Any level.
type Any = Box<DynSaur<'static>>;

impl<const V: u64, L: Leaf> Saur for End<V, L> {
    async fn send(&self, word: u64) -> u64 {
        L::room(self.ring).await;
        L::send(word ^ const { key(V, 0) })
    }
}

impl<const V: u64, const D: u64> Saur for Level<V, D, Any> {
    async fn send(&self, word: u64) -> u64 {
        let done = self.below.send(down(word, const { key(V, D) })).await;
        up(done, const { key(V, D) })
    }
}

/// See [`Arm::Dynosaur`](super::Arm::Dynosaur).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry(Any);

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
        levels::<V>(DynSaur::new_box(listed(End::<V, L>::of(ring), functions)), functions)
    }
}

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: Any, functions: &mut Vec<*const ()>) -> Entry {
    let one = DynSaur::new_box(listed(Level::<V, 1, Any>::above(end), functions));
    let two = DynSaur::new_box(listed(Level::<V, 2, Any>::above(one), functions));
    let three = DynSaur::new_box(listed(Level::<V, 3, Any>::above(two), functions));
    Entry(DynSaur::new_box(listed(Level::<V, 4, Any>::above(three), functions)))
}

/// Adds the poll function of this level's future to `functions`: the functions that the macro generates have no names.
fn listed<S: Saur>(level: S, functions: &mut Vec<*const ()>) -> S {
    functions.push(super::poll_of(&level.send(0)));
    level
}
