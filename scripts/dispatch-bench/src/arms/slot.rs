//! Each level keeps the future of its call in a slot of its own, boxed once and overwritten for each call: the type is
//! erased without an allocation per call, in safe code. The cost is that a chain carries one call at a time, so each
//! caller needs a chain of its own.

use std::cell::RefCell;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::{Call, Maker};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{LEVELS, down, key, up};

/// A level with space for one call.
trait Slot {
    /// Starts a call, replacing the previous one.
    fn begin(&self, word: u64);

    /// Polls the call.
    fn poll(&self, cx: &mut Context<'_>) -> Poll<u64>;

    /// Cancels the call.
    fn clear(&self);

    /// Bytes of this slot and of those below.
    fn space(&self) -> usize;
}

/// A slot for the future that `start` returns.
struct Place<S, F> {
    start: S,
    /// Pinned once: only its content is replaced.
    call: RefCell<Pin<Box<Option<F>>>>,
    below: usize,
}

impl<S: Fn(u64) -> F + 'static, F: Future<Output = u64> + 'static> Place<S, F> {
    /// Leaks the level, so that the futures of the level above may refer to it without a lifetime.
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

/// The call in a slot. If it is dropped before it is done, the call is cancelled.
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

/// The last level. The work before the first await is done when the call starts, as in all levels: otherwise starting
/// would be the same code for all variants, and the compiler would merge it.
fn end<const V: u64, L: Leaf>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> &'static dyn Slot {
    let start = move |word: u64| {
        // The key is applied in two halves, so that neither starting nor polling is the same code for all variants.
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

    fn cancel(&self, word: u64, ring: &Ring) -> bool {
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

/// Builds the levels above the leaf, which are the same for every leaf.
#[inline(never)]
fn levels<const V: u64>(end: &'static dyn Slot, functions: &mut Vec<*const ()>) -> Entry {
    let one = level::<V, 1>(end, functions);
    let two = level::<V, 2>(one, functions);
    let three = level::<V, 3>(two, functions);
    Entry(level::<V, 4>(three, functions))
}
