//! The hostile-peer kit: either side of a session, played by hand, so that it can lie.
//!
//! For tests only, and so behind the feature `test-utils`. It shares nothing with the product but
//! the records of the [`wire`](crate::wire): where words lie in the memory is said here once more, as
//! another program would have it from the specification of [`ring::shm`](crate::ring::shm).
//!
//! A [`Stack`] connects to a driver, a [`Driver`] waits for a stack; both are honest until they are
//! told a [`Lie`], one switch for each class of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up has failed"
)]

mod cpu;
mod driver;
mod handover;
mod lie;
mod memory;
mod peer;
mod skipped;
mod stack;
mod wire;

pub use cpu::cpu_time;
pub use driver::{Driver, listen};
pub use handover::Parcel;
pub use lie::{Lie, Scribbler};
pub use memory::{
    COMPLETED, CONSUMER_EVENT, CONSUMER_PLAN, GENERATION_AT, HEAD, PRODUCED, PRODUCER_EVENT, RawRing, STRIDE,
    size_of_ring,
};
pub use peer::Peer;
pub use skipped::skipped;
pub use stack::{Stack, ring};
pub use wire::{Heard, Wire};
