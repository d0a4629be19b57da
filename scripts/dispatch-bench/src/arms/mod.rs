//! The ways to call, one file each. Every file has the trait of its way, what the leaf and the levels
//! above it do with it, and how a chain of five is built.

mod boxed;
mod dynify;
mod dynosaur;
mod native;
mod one_thread;
mod poll;
mod slot;
mod smallbox;
mod spaces;
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
    /// Functions, generic over the level below. Refused instead of waiting.
    SyncGeneric,
    /// Functions of trait objects. Refused instead of waiting.
    SyncDyn,
    /// `async fn`, generic over the level below.
    Native,
    /// The same, but no level is inlined into the one above.
    NativeOutlined,
    /// `async_trait`, generic over the level below: boxes, but known ones.
    BoxedGeneric,
    /// `async_trait`, trait objects.
    BoxedDyn,
    /// `dynosaur`, trait objects: boxes as well.
    Dynosaur,
    /// `dynify`, trait objects: futures in space that the caller provides.
    Dynify,
    /// `stackfuture`, trait objects: futures in space of a fixed size.
    Stackfuture,
    /// `smallbox`, trait objects: futures in space of a fixed size.
    Smallbox,
    /// Trait objects that each hold their future in a slot of their own: safe code.
    Slot,
    /// Trait objects without futures: polled for a permit, then told to send.
    Poll,
}

impl Arm {
    /// All of them, in the order of reports.
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

    /// All variants of this way, ending in `leaf`, above `ring`.
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
    /// Calls each variant that `order` names, and returns a checksum of what they returned.
    fn pass(&self, order: &[u16], ring: &Ring) -> u64;

    /// Starts a call, and gives it up when it has to wait. `false` if it did not have to.
    fn give_up(&self, ring: &Ring) -> bool;

    /// Bytes that hold one call under way, but for boxes made for it: those are allocations.
    fn space(&self) -> usize;

    /// How many functions that are called through a pointer are there, and how many there should be.
    fn functions(&self) -> (usize, usize);
}

/// One variant of a chain.
pub(crate) trait Call {
    /// Calls it, and sees it through.
    fn call(&self, word: u64, ring: &Ring) -> u64;

    /// Starts a call, and gives it up when it has to wait. `false` if it did not have to.
    fn give_up(&self, word: u64, ring: &Ring) -> bool;

    /// Bytes that hold one call under way, but for boxes made for it.
    fn space(&self) -> usize;
}

/// How one variant of a chain is built.
pub(crate) trait Maker {
    /// What it is.
    type Call: Call + 'static;

    /// Functions of each variant that are called through a pointer.
    const FUNCTIONS: usize;

    /// Builds variant `V`, and lists those functions. Never inlined: 512 of them in one function
    /// would take the compiler a quarter of an hour.
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call;
}

/// Level `D` of variant `V`, above `B`. Its constant is in its code, so it holds nothing else.
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

/// Five levels that know the type below them.
pub(crate) type Chain<const V: u64, L> = Level<V, 4, Level<V, 3, Level<V, 2, Level<V, 1, End<V, L>>>>>;

/// Builds a [`Chain`].
fn chain<const V: u64, L: Leaf>(ring: &'static Ring) -> Chain<V, L> {
    Level::above(Level::above(Level::above(Level::above(End::of(ring)))))
}

/// Where the code of a future is: what a trait object of it points to.
fn poll_of<F: Future>(_: &F) -> *const () {
    <F as Future>::poll as *const ()
}

/// A chain whose type is known is reached through one pointer, which is how a variant is chosen;
/// trait objects have pointers of their own.
impl Call for Box<dyn Call> {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        (**self).call(word, ring)
    }

    fn give_up(&self, word: u64, ring: &Ring) -> bool {
        (**self).give_up(word, ring)
    }

    fn space(&self) -> usize {
        (**self).space()
    }
}
