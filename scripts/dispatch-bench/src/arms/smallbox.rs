//! `smallbox`: boxes that hold their content inline if it fits into a space of a fixed size.

use std::future::Future;
use std::marker::PhantomData;
use std::pin::pin;

use smallbox::{SmallBox, smallbox};

use super::{Call, End, Level, Maker, words};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A future in `WORDS` machine words.
type Boxed<'a, const WORDS: usize> = SmallBox<dyn Future<Output = u64> + 'a, [usize; WORDS]>;

/// A level that may wait.
pub(super) trait Small<const WORDS: usize> {
    fn send(&self, word: u64) -> Boxed<'_, WORDS>;
}

/// Any level.
type Any<const WORDS: usize> = Box<dyn Small<WORDS>>;

impl<const V: u64, L: Leaf, const WORDS: usize> Small<WORDS> for End<V, L> {
    fn send(&self, word: u64) -> Boxed<'_, WORDS> {
        smallbox!(async move {
            L::room(self.ring).await;
            L::send(word ^ const { key(V, 0) })
        })
    }
}

impl<const V: u64, const D: u64, const BELOW: usize, const WORDS: usize> Small<WORDS> for Level<V, D, Any<BELOW>> {
    fn send(&self, word: u64) -> Boxed<'_, WORDS> {
        smallbox!(async move {
            let done = self.below.send(down(word, const { key(V, D) })).await;
            up(done, const { key(V, D) })
        })
    }
}

/// See [`Arm::Smallbox`](super::Arm::Smallbox).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry(Any<{ words(4) }>);

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
        functions.push(<End<V, L> as Small<{ words(0) }>>::send as *const ());
        levels::<V>(Box::new(End::<V, L>::of(ring)), functions)
    }
}

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: Any<{ words(0) }>, functions: &mut Vec<*const ()>) -> Entry {
    functions.extend([
        <Level<V, 1, Any<{ words(0) }>> as Small<{ words(1) }>>::send as *const (),
        <Level<V, 2, Any<{ words(1) }>> as Small<{ words(2) }>>::send as *const (),
        <Level<V, 3, Any<{ words(2) }>> as Small<{ words(3) }>>::send as *const (),
        <Level<V, 4, Any<{ words(3) }>> as Small<{ words(4) }>>::send as *const (),
    ]);
    let one: Any<{ words(1) }> = Box::new(Level::<V, 1, _>::above(end));
    let two: Any<{ words(2) }> = Box::new(Level::<V, 2, _>::above(one));
    let three: Any<{ words(3) }> = Box::new(Level::<V, 3, _>::above(two));
    Entry(Box::new(Level::<V, 4, _>::above(three)))
}
