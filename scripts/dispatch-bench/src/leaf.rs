//! The last level of a call: whether it waits, and what it does.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use shared::credits::{Acquire, Credits};

use crate::ring::Ring;
use crate::work::encapsulate;

/// The behaviour of the last level. A type and not a value, so that a leaf that never waits has no code for waiting.
pub trait Leaf: 'static {
    /// Waits for room.
    fn room(ring: &Ring) -> impl Future<Output = ()>;

    /// Takes room if there is any.
    fn try_room(ring: &Ring) -> bool;

    /// The same as [`Leaf::room`], with the wait held in `place`.
    fn poll_room<'a>(ring: &'a Ring, place: &mut Place<'a>, cx: &mut Context<'_>) -> Poll<Permit<'a>>;

    /// Sends.
    fn send(word: u64) -> u64;
}

/// A caller's position in the wait queue for room, if it waits: [`Leaf::poll_room`] uses it instead of a future.
#[derive(Debug, Default)]
pub struct Place<'a> {
    waiting: Option<Acquire<&'a Credits>>,
    marks: u64,
}

impl Place<'_> {
    /// Each level that is polled changes the marks, as if it checked something of its own, such as a budget or a route.
    /// Otherwise the compiler would merge that function of all variants into one, and leave the branch predictor
    /// nothing to predict.
    #[inline(always)]
    pub(crate) fn mark(&mut self, key: u64) {
        self.marks ^= key;
    }
}

/// Room for one send. If it is dropped unused, the room is released; a leaf that needs no room returns an empty one.
#[derive(Debug)]
pub struct Permit<'a>(Option<&'a Credits>);

impl Permit<'_> {
    /// Uses the room up.
    pub(crate) fn spend(mut self) {
        self.0 = None;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if let Some(credits) = self.0 {
            credits.release(1);
        }
    }
}

/// Always ready, and does nothing: the leaf of the published figures.
#[derive(Debug)]
pub struct Ready;

impl Leaf for Ready {
    async fn room(_: &Ring) {}

    fn try_room(_: &Ring) -> bool {
        true
    }

    fn poll_room<'a>(_: &'a Ring, _: &mut Place<'a>, _: &mut Context<'_>) -> Poll<Permit<'a>> {
        Poll::Ready(Permit(None))
    }

    fn send(word: u64) -> u64 {
        word
    }
}

/// The ring is full: ready after one wait in the wait queue.
#[derive(Debug)]
pub struct Waits;

impl Leaf for Waits {
    async fn room(ring: &Ring) {
        ring.credits().acquire(1).await.spend();
    }

    fn try_room(ring: &Ring) -> bool {
        ring.credits().try_acquire(1).map(shared::credits::Grant::spend).is_some()
    }

    fn poll_room<'a>(ring: &'a Ring, place: &mut Place<'a>, cx: &mut Context<'_>) -> Poll<Permit<'a>> {
        let credits = ring.credits();
        let waiting = place.waiting.get_or_insert_with(|| credits.acquire(1));
        match Pin::new(waiting).poll(cx) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(grant) => {
                grant.spend();
                Poll::Ready(Permit(Some(credits)))
            }
        }
    }

    fn send(word: u64) -> u64 {
        word
    }
}

/// Always ready, and does the work of a small packet: a header and a checksum.
#[derive(Debug)]
pub struct Body;

impl Leaf for Body {
    async fn room(_: &Ring) {}

    fn try_room(_: &Ring) -> bool {
        true
    }

    fn poll_room<'a>(_: &'a Ring, _: &mut Place<'a>, _: &mut Context<'_>) -> Poll<Permit<'a>> {
        Poll::Ready(Permit(None))
    }

    fn send(word: u64) -> u64 {
        encapsulate(word)
    }
}

/// The leaves, as values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum LeafKind {
    /// [`Ready`].
    Ready,
    /// [`Waits`].
    Waits,
    /// [`Body`].
    Body,
}

impl LeafKind {
    /// All of them, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Ready, Self::Waits, Self::Body];
}

impl fmt::Display for LeafKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ready => "ready",
            Self::Waits => "waits",
            Self::Body => "body",
        })
    }
}
