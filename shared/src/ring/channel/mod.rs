//! The Unix socket between the two ends, as both transports use it.
//!
//! It carries control messages, and whatever else the transport makes records of: all frames and
//! completions, or only the doorbells of a ring that lies in shared memory. What is sent is queued
//! in an outbox and written once per turn, or as soon as a good deal has come together.

#[allow(clippy::module_inception, reason = "the type is what the module is for")]
mod channel;
mod inbox;
mod outbox;
mod stats;

pub use channel::{Channel, MAX_UNREAD_CONTROL, Side};
pub(in crate::ring) use outbox::Outbox;
pub use stats::ChannelStats;
