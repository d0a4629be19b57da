//! The ways to call, one module each: the trait of that way, how the leaf and the levels above it implement it, and how
//! a chain of five levels is built.

mod boxed;
mod dynify;
mod dynosaur;
mod native;
mod poll;
mod slot;
mod smallbox;
mod stackfuture;
mod sync;
mod variants;

use std::fmt;
use std::marker::PhantomData;

use crate::leaf::{Body, Leaf, LeafKind, Ready, Waits};
use crate::ring::Ring;
use variants::Variants;

/// A way to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Arm {
    /// Functions, generic over the level below. Without room they refuse instead of waiting.
    SyncGeneric,
    /// Functions of trait objects. Without room they refuse instead of waiting.
    SyncDyn,
    /// `async fn`, generic over the level below.
    Native,
    /// `async fn` as in `native`, but no level is inlined into the one above.
    NativeOutlined,
    /// `async_trait`, generic over the level below: boxes of known types.
    BoxedGeneric,
    /// `async_trait`, trait objects.
    BoxedDyn,
    /// `dynosaur`, trait objects: also boxes.
    Dynosaur,
    /// `dynify`, trait objects: futures in space that the caller provides.
    Dynify,
    /// `stackfuture`, trait objects: futures in space of a fixed size.
    Stackfuture,
    /// `smallbox`, trait objects: futures in space of a fixed size.
    Smallbox,
    /// Trait objects that each keep their future in a slot of their own, in safe code.
    Slot,
    /// Trait objects without futures: polled for a permit, then called to send.
    Poll,
}

impl Arm {
    /// All arms, in the order of reports.
    pub const ALL: [Self; 12] = [
        Self::SyncGeneric,
        Self::SyncDyn,
        Self::Native,
        Self::NativeOutlined,
        Self::BoxedGeneric,
        Self::BoxedDyn,
        Self::Dynosaur,
        Self::Dynify,
        Self::Stackfuture,
        Self::Smallbox,
        Self::Slot,
        Self::Poll,
    ];

    /// The name in reports and flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SyncGeneric => "sync-generic",
            Self::SyncDyn => "sync-dyn",
            Self::Native => "native",
            Self::NativeOutlined => "native-outlined",
            Self::BoxedGeneric => "boxed-generic",
            Self::BoxedDyn => "boxed-dyn",
            Self::Dynosaur => "dynosaur",
            Self::Dynify => "dynify",
            Self::Stackfuture => "stackfuture",
            Self::Smallbox => "smallbox",
            Self::Slot => "slot",
            Self::Poll => "poll",
        }
    }

    /// Builds all variants of this arm, ending in `leaf`, above `ring`.
    pub fn build(self, leaf: LeafKind, ring: &'static Ring) -> Box<dyn Table> {
        match leaf {
            LeafKind::Ready => self.ending_in::<Ready>(ring),
            LeafKind::Waits => self.ending_in::<Waits>(ring),
            LeafKind::Body => self.ending_in::<Body>(ring),
        }
    }

    fn ending_in<L: Leaf>(self, ring: &'static Ring) -> Box<dyn Table> {
        match self {
            Self::SyncGeneric => Variants::<sync::Generic<L>>::boxed(ring),
            Self::SyncDyn => Variants::<sync::Dyn<L>>::boxed(ring),
            Self::Native => Variants::<native::Inlined<L>>::boxed(ring),
            Self::NativeOutlined => Variants::<native::Outlined<L>>::boxed(ring),
            Self::BoxedGeneric => Variants::<boxed::Generic<L>>::boxed(ring),
            Self::BoxedDyn => Variants::<boxed::Dyn<L>>::boxed(ring),
            Self::Dynosaur => Variants::<dynosaur::Dyn<L>>::boxed(ring),
            Self::Dynify => Variants::<dynify::Dyn<L>>::boxed(ring),
            Self::Stackfuture => Variants::<stackfuture::Dyn<L>>::boxed(ring),
            Self::Smallbox => Variants::<smallbox::Dyn<L>>::boxed(ring),
            Self::Slot => Variants::<slot::Dyn<L>>::boxed(ring),
            Self::Poll => Variants::<poll::Dyn<L>>::boxed(ring),
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All variants of one way to call.
pub trait Table {
    /// Calls each variant in `order`, and returns a checksum of the results.
    fn pass(&self, order: &[u16], ring: &Ring) -> u64;

    /// Starts a call of each variant, and cancels it if it must wait. Returns whether all had to wait.
    fn cancel(&self, ring: &Ring) -> bool;

    /// The bytes that hold one call in progress, without boxes made for it: those are allocations.
    fn space(&self) -> usize;

    /// The number of distinct functions that are called through a pointer, and how many there should be.
    fn functions(&self) -> (usize, usize);
}

/// One variant of a chain.
pub(crate) trait Call {
    /// Calls it, and polls until it is done.
    fn call(&self, word: u64, ring: &Ring) -> u64;

    /// Starts a call, and cancels it if it must wait. Returns whether it had to wait.
    fn cancel(&self, word: u64, ring: &Ring) -> bool;

    /// The bytes that hold one call in progress, without boxes made for it.
    fn space(&self) -> usize;
}

/// Builds one variant of a chain.
pub(crate) trait Maker {
    /// The chain.
    type Call: Call + 'static;

    /// How many functions of each variant are called through a pointer.
    const FUNCTIONS: usize;

    /// Builds variant `V`, and adds those functions to `functions`. Never inlined: 512 variants in one function would
    /// take the compiler a quarter of an hour.
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call;
}

/// Level `D` of variant `V`, above `B`. Its constant is part of its code, so it holds only the level below.
#[derive(Debug)]
pub(crate) struct Level<const V: u64, const D: u64, B> {
    below: B,
}

impl<const V: u64, const D: u64, B> Level<V, D, B> {
    fn above(below: B) -> Self {
        Self { below }
    }
}

/// The last level of variant `V`.
#[derive(Debug)]
pub(crate) struct End<const V: u64, L> {
    ring: &'static Ring,
    leaf: PhantomData<L>,
}

impl<const V: u64, L: Leaf> End<V, L> {
    fn of(ring: &'static Ring) -> Self {
        Self { ring, leaf: PhantomData }
    }
}

/// Five levels, each of which has the type of the level below as a parameter.
pub(crate) type Chain<const V: u64, L> = Level<V, 4, Level<V, 3, Level<V, 2, Level<V, 1, End<V, L>>>>>;

/// Builds a [`Chain`].
fn chain<const V: u64, L: Leaf>(ring: &'static Ring) -> Chain<V, L> {
    Level::above(Level::above(Level::above(Level::above(End::of(ring)))))
}

/// Bytes for the future of `level`, whose type the caller does not know; level 0 is the leaf.
///
/// The future of a level contains the space of the level below, so the space grows with each level. It is part of the
/// traits, so it must be enough for every leaf. The leaf that waits needs it to within two words. Too little space
/// shows: dynify panics, stackfuture does not build, smallbox allocates.
const fn space(level: usize) -> usize {
    96 + level * 48
}

/// The same in machine words.
const fn words(level: usize) -> usize {
    space(level).div_ceil(size_of::<usize>())
}

/// The address of a future's poll function: what a trait object of it points to.
fn poll_of<F: Future>(_: &F) -> *const () {
    <F as Future>::poll as *const ()
}

/// A chain of known type is called through one pointer, which selects the variant; trait objects have a pointer at each
/// level.
impl Call for Box<dyn Call> {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        (**self).call(word, ring)
    }

    fn cancel(&self, word: u64, ring: &Ring) -> bool {
        (**self).cancel(word, ring)
    }

    fn space(&self) -> usize {
        (**self).space()
    }
}
