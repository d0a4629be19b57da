//! The socket transport: frames and completions as records on a connected Unix stream socket.
//!
//! Both ends queue what they send in an outbox of their own and write it once per turn, or as soon
//! as a good deal has come together, so that a full ring costs few system calls. Both ends always
//! read whatever came: frames go into private slots of the consumer, so the kernel's socket buffer
//! is never the bound, and a control message is never stuck behind frames that nobody takes.
//!
//! What a peer can make this side hold is bounded by the depth. A slot counts as used from the
//! moment its frame is queued until its completion was read, and a record counts as sent only once
//! the kernel has all of it. So a peer that never reads cannot earn room by claiming completions
//! for frames that it never saw, or by sending frames against completions that it never fetched.
//!
//! | who | holds at most |
//! | --- | --- |
//! | producer | depth unsent frames, depth unread completions |
//! | consumer | depth frames, depth unsent completions |
//! | both | one inbox, [`MAX_UNREAD_CONTROL`] control messages, and the control messages it sends itself |

use std::collections::TryReserveError;

use super::channel::Outbox;
use super::{Depth, MAX_FRAME};
use crate::wire::{COMPLETION_LEN, FRAME_HEADER_LEN};

mod consumer;
mod producer;

pub use super::channel::ChannelStats as SocketStats;
pub use super::channel::MAX_UNREAD_CONTROL;
pub use consumer::{ConsumerSide, SocketConsumer};
pub use producer::{ProducerSide, SocketProducer};

/// The parts of an end whose size depends on the depth. An end that has them allocates no more, whatever its peer does.
#[derive(Debug)]
pub struct Tables<S> {
    side: S,
    outbox: Outbox,
}

impl Tables<ProducerSide> {
    /// For the producer's end of a ring of `depth` slots.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn producer(depth: Depth) -> Result<Self, TryReserveError> {
        let outbox = Outbox::obtain(depth.as_usize(), FRAME_HEADER_LEN + MAX_FRAME)?;
        Ok(Self { side: ProducerSide::new(depth)?, outbox })
    }
}

impl Tables<ConsumerSide> {
    /// For the consumer's end of a ring of `depth` slots. Once it was full, its producer has no use for fewer than
    /// `wake_point` free slots.
    ///
    /// # Errors
    /// If there is no memory for them.
    pub fn consumer(depth: Depth, wake_point: u32) -> Result<Self, TryReserveError> {
        let outbox = Outbox::obtain(depth.as_usize(), COMPLETION_LEN)?;
        Ok(Self { side: ConsumerSide::new(depth, wake_point)?, outbox })
    }
}
