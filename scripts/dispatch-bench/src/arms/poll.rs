//! No futures: a trait object is polled for a permit, with a position in the wait queue that the caller holds, and then
//! called to send. The work is done once, after the wait.

use std::marker::PhantomData;
use std::task::{Context, Poll};

use super::{Call, End, Level, Maker};
use crate::leaf::{Leaf, Permit, Place};
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A level that may wait.
pub(super) trait Polled {
    /// Ready when there is room for a send, so that the send cannot fail.
    fn poll_permit<'a>(&'a self, place: &mut Place<'a>, cx: &mut Context<'_>) -> Poll<Permit<'a>>;

    /// Sends at once.
    fn send(&self, permit: Permit<'_>, word: u64) -> u64;
}

/// Any level.
type Any = Box<dyn Polled>;

impl<const V: u64, L: Leaf> Polled for End<V, L> {
    fn poll_permit<'a>(&'a self, place: &mut Place<'a>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        place.mark(const { key(V, 0) });
        L::poll_room(self.ring, place, cx)
    }

    fn send(&self, permit: Permit<'_>, word: u64) -> u64 {
        permit.spend();
        L::send(word ^ const { key(V, 0) })
    }
}

impl<const V: u64, const D: u64> Polled for Level<V, D, Any> {
    fn poll_permit<'a>(&'a self, place: &mut Place<'a>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        place.mark(const { key(V, D) });
        self.below.poll_permit(place, cx)
    }

    fn send(&self, permit: Permit<'_>, word: u64) -> u64 {
        let done = self.below.send(permit, down(word, const { key(V, D) }));
        up(done, const { key(V, D) })
    }
}

/// See [`Arm::Poll`](super::Arm::Poll).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry(Any);

impl Call for Entry {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        let mut place = Place::default();
        let permit = ring.poll(|cx| self.0.poll_permit(&mut place, cx));
        self.0.send(permit, word)
    }

    fn cancel(&self, _: u64, ring: &Ring) -> bool {
        let mut place = Place::default();
        ring.poll_once(|cx| self.0.poll_permit(&mut place, cx)).is_pending()
    }

    fn space(&self) -> usize {
        size_of::<Place<'_>>() + size_of::<Permit<'_>>()
    }
}

impl<L: Leaf> Maker for Dyn<L> {
    type Call = Entry;
    const FUNCTIONS: usize = 2 * LEVELS;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        functions.extend([<End<V, L> as Polled>::poll_permit as *const (), <End<V, L> as Polled>::send as *const ()]);
        levels::<V>(Box::new(End::<V, L>::of(ring)), functions)
    }
}

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: Any, functions: &mut Vec<*const ()>) -> Entry {
    functions.extend([
        <Level<V, 1, Any> as Polled>::poll_permit as *const (),
        <Level<V, 2, Any> as Polled>::poll_permit as *const (),
        <Level<V, 3, Any> as Polled>::poll_permit as *const (),
        <Level<V, 4, Any> as Polled>::poll_permit as *const (),
        <Level<V, 1, Any> as Polled>::send as *const (),
        <Level<V, 2, Any> as Polled>::send as *const (),
        <Level<V, 3, Any> as Polled>::send as *const (),
        <Level<V, 4, Any> as Polled>::send as *const (),
    ]);
    let one = Box::new(Level::<V, 1, Any>::above(end));
    let two = Box::new(Level::<V, 2, Any>::above(one));
    let three = Box::new(Level::<V, 3, Any>::above(two));
    Entry(Box::new(Level::<V, 4, Any>::above(three)))
}
