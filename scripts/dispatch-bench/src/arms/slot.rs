//! Each level holds the future of its call in a slot of its own, boxed once and overwritten for each
//! call: erased, without an allocation per call, in safe code. The price is that a chain carries one
//! call at a time, so each caller needs one of its own.

use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::{Call, Maker};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A level with a place for one call.
trait Slot {
    /// Starts a call, in place of the one that was there.
    fn begin(&self, word: u64);

    /// Goes on with it.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<u64>;

    /// Gives it up.
    fn clear(&self);

    /// Bytes of this slot and those below.
    fn space(&self) -> usize;
}

/// A slot for what `start` returns.
struct Place<S, F> {
    start: S,
    /// Pinned once: only what is in it is replaced.
    call: RefCell<Pin<Box<Option<F>>>>,
    below: usize,
}

impl<S: Fn(u64) -> F + 'static, F: Future<Output = u64> + 'static> Place<S, F> {
    /// Levels live as long as the process here, so that their futures may refer to the level below.
    fn leaked(start: S, below: usize, functions: &mut Vec<*const ()>) -> &'static dyn Slot {
        functions.extend([<Self as Slot>::begin as *const (), <Self as Slot>::poll as *const ()]);
        Box::leak(Box::new(Self { start, call: RefCell::new(Box::pin(None)), below }))
    }
}

impl<S: Fn(u64) -> F, F: Future<Output = u64>> Slot for Place<S, F> {
    fn begin(&self, word: u64) {
        self.call.borrow_mut().set(Some((self.start)(word)));
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<u64> {
        match self.call.borrow_mut().as_mut().as_pin_mut() {
            Some(call) => call.poll(cx),
            None => Poll::Pending,
        }
    }

    fn clear(&self) {
        self.call.borrow_mut().set(None);
    }

    fn space(&self) -> usize {
        size_of::<Option<F>>() + self.below
    }
}

/// The call that is in a slot. Dropped before it is done, the slot gives it up.
struct InSlot {
    slot: &'static dyn Slot,
    done: bool,
}

impl InSlot {
    #[inline(always)]
    fn begin(slot: &'static dyn Slot, word: u64) -> Self {
        slot.begin(word);
        Self { slot, done: false }
    }
}

impl Future for InSlot {
    type Output = u64;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<u64> {
        let polled = self.slot.poll(cx);
        self.done = polled.is_ready();
        polled
    }
}

impl Drop for InSlot {
    #[inline(always)]
    fn drop(&mut self) {
        if !self.done {
            self.slot.clear();
        }
    }
}

/// The last level. What is done before anything is awaited is done as the call begins, as it is in all
/// levels: if it were not, beginning would be the same for all variants, and the compiler would fold it.
fn end<const V: u64, L: Leaf>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> &'static dyn Slot {
    let start = move |word: u64| {
        // In two halves, so that neither beginning nor polling is the same for all variants.
        let word = word ^ const { key(V, 0) ^ key(V, LEVELS as u64) };
        async move {
            L::room(ring).await;
            L::send(word ^ const { key(V, LEVELS as u64) })
        }
    };
    Place::leaked(start, 0, functions)
}

/// Level `D`, above `below`.
fn level<const V: u64, const D: u64>(below: &'static dyn Slot, functions: &mut Vec<*const ()>) -> &'static dyn Slot {
    let start = move |word: u64| {
        let word = down(word, const { key(V, D) });
        async move { up(InSlot::begin(below, word).await, const { key(V, D) }) }
    };
    Place::leaked(start, below.space(), functions)
}

/// See [`Arm::Slot`](super::Arm::Slot).
pub(super) struct Dyn<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry(&'static dyn Slot);

impl Call for Entry {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        ring.drive(pin!(InSlot::begin(self.0, word)))
    }

    fn give_up(&self, word: u64, ring: &Ring) -> bool {
        ring.start(pin!(InSlot::begin(self.0, word)))
    }

    fn space(&self) -> usize {
        size_of::<InSlot>() + self.0.space()
    }
}

impl<L: Leaf> Maker for Dyn<L> {
    type Call = Entry;
    const FUNCTIONS: usize = 2 * LEVELS;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        levels::<V>(end::<V, L>(ring, functions), functions)
    }
}

/// What is above the leaf, and the same for each.
#[inline(never)]
fn levels<const V: u64>(end: &'static dyn Slot, functions: &mut Vec<*const ()>) -> Entry {
    let one = level::<V, 1>(end, functions);
    let two = level::<V, 2>(one, functions);
    let three = level::<V, 3>(two, functions);
    Entry(level::<V, 4>(three, functions))
}
