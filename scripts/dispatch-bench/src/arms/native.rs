//! `async fn`, generic over the level below: one future that contains all levels.

use std::future::{Future, poll_fn};
use std::marker::PhantomData;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use super::{Call, Chain, End, Level, Maker, chain};
use crate::leaf::Leaf;
use crate::ring::Ring;
use crate::work::{down, key, up};

/// A level that may wait.
trait Native {
    /// All levels in one future, which the compiler can inline.
    async fn send(&self, word: u64) -> u64;

    /// Each level is polled by a function of its own.
    async fn send_outlined(&self, word: u64) -> u64;
}

impl<const V: u64, L: Leaf> Native for End<V, L> {
    async fn send(&self, word: u64) -> u64 {
        L::room(self.ring).await;
        L::send(word ^ const { key(V, 0) })
    }

    async fn send_outlined(&self, word: u64) -> u64 {
        self.send(word).await
    }
}

impl<const V: u64, const D: u64, B: Native> Native for Level<V, D, B> {
    async fn send(&self, word: u64) -> u64 {
        let done = self.below.send(down(word, const { key(V, D) })).await;
        up(done, const { key(V, D) })
    }

    async fn send_outlined(&self, word: u64) -> u64 {
        let mut below = pin!(self.below.send_outlined(down(word, const { key(V, D) })));
        let done = poll_fn(|cx| poll_outlined(below.as_mut(), cx)).await;
        up(done, const { key(V, D) })
    }
}

#[inline(never)]
fn poll_outlined<F: Future>(future: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
    future.poll(cx)
}

/// See [`Arm::Native`](super::Arm::Native).
pub(super) struct Inlined<L>(PhantomData<L>);

/// See [`Arm::NativeOutlined`](super::Arm::NativeOutlined).
pub(super) struct Outlined<L>(PhantomData<L>);

/// The outermost level.
pub(super) struct Entry<N>(N);

impl<N: Native> Call for Entry<N> {
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

/// The outermost level, whose own poll is not inlined either.
struct OutlinedEntry<N>(N);

impl<N: Native> Call for OutlinedEntry<N> {
    fn call(&self, word: u64, ring: &Ring) -> u64 {
        let mut future = pin!(self.0.send_outlined(word));
        ring.poll(|cx| poll_outlined(future.as_mut(), cx))
    }

    fn cancel(&self, word: u64, ring: &Ring) -> bool {
        ring.start(pin!(self.0.send_outlined(word)))
    }

    fn space(&self) -> usize {
        size_of_val(&self.0.send_outlined(0))
    }
}

impl<L: Leaf> Maker for Inlined<L> {
    type Call = Box<dyn Call>;
    const FUNCTIONS: usize = 1;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        functions.push(<Entry<Chain<V, L>> as Call>::call as *const ());
        Box::new(Entry(chain::<V, L>(ring)))
    }
}

impl<L: Leaf> Maker for Outlined<L> {
    type Call = Box<dyn Call>;
    const FUNCTIONS: usize = 1;

    #[inline(never)]
    fn make<const V: u64>(ring: &'static Ring, functions: &mut Vec<*const ()>) -> Self::Call {
        functions.push(<OutlinedEntry<Chain<V, L>> as Call>::call as *const ());
        Box::new(OutlinedEntry(chain::<V, L>(ring)))
    }
}
