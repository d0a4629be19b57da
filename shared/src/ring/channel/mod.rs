//! The Unix socket between the two ends, which both transports use.
//!
//! It carries control messages and the records of the transport: all frames and completions (socket), or only
//! doorbells (shm). Records are queued in an outbox and written once per turn, or earlier once 64 KiB are queued.

#[allow(clippy::module_inception, reason = "the type is what the module is for")]
mod channel;
mod inbox;
mod outbox;
mod stats;

pub use channel::{Channel, MAX_UNREAD_CONTROL, Side};
pub(in crate::ring) use outbox::Outbox;
pub use stats::ChannelStats;
