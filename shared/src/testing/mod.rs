//! The hostile-peer kit: either side of a session under control of a test, so that it can violate the protocol.
//!
//! For tests only, behind the feature `test-utils`. It shares with the product only the [records](crate::control) on
//! the socket: the layout of the memory is defined here again, from the specification of
//! [`ring::shm`](crate::ring::shm), as another program would do it.
//!
//! A [`Stack`] connects to a driver, a [`Driver`] waits for a stack. Both keep to the protocol until the test
//! commits a [`Lie`], one variant for each kind of violation.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up has failed"
)]

pub mod conformance;
mod cpu;
mod driver;
mod handover;
mod lie;
mod memory;
mod peer;
mod skipped;
mod smoke;
mod stack;
mod wire;

pub use cpu::cpu_time;
pub use driver::{Driver, listen};
pub use handover::Parcel;
pub use lie::{Lie, Scribbler};
pub use memory::{
    COMPLETED, CONSUMER_EVENT, CONSUMER_PLAN, FRAMES, GENERATION_AT, PRODUCED, PRODUCER_EVENT, RECORD, RawRing,
    SLOT_SIZE, size_of_ring,
};
pub use peer::Peer;
pub use skipped::skipped;
pub use smoke::{Dice, smoke};
pub use stack::{Stack, receiving, ring};
pub use wire::{Received, Wire};
