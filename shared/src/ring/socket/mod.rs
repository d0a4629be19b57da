//! The socket transport: frames and completions as records on a connected Unix stream socket.
//!
//! Each end queues what it sends in its outbox and writes it once per turn, or earlier once 64 KiB
//! are queued, so that a full ring costs few system calls. Both ends always
//! read everything that arrived: frames go into private slots of the consumer, so the kernel's socket buffer
//! is never the bound, and a control message is never stuck behind frames that the consumer has not taken.
//!
//! The depth bounds what a peer can make this side hold. A slot counts as used from the
//! moment its frame is queued until its completion is read, and a record counts as sent only once
//! the kernel has all of it. So a peer that never reads cannot gain room by sending completions
//! for frames that were not written to it, or frames for slots whose completions were not written to it.
//!
//! | end | holds at most |
//! | --- | --- |
//! | producer | depth unsent frames, depth unread completions |
//! | consumer | depth frames, depth unsent completions |
//! | both | one receive buffer, [`MAX_UNREAD_CONTROL`] control messages, and the control messages it sends itself |
//!
//! [`MAX_UNREAD_CONTROL`]: crate::connection::MAX_UNREAD_CONTROL

use std::collections::TryReserveError;

use crate::connection::Outbox;
use crate::control::{COMPLETION_LEN, FRAME_HEADER_LEN};
use crate::depth::Depth;
use crate::frame::MAX_FRAME;

mod consumer;
mod producer;

pub use consumer::{ConsumerEnd, SocketConsumer};
pub use producer::{ProducerEnd, SocketProducer};

/// The parts of an end whose size depends on the depth. They are allocated here, before the session starts; the end
/// allocates nothing later, no matter what its peer sends.
#[derive(Debug)]
pub struct Tables<E> {
    end: E,
    outbox: Outbox,
}

/// Bytes of the longest record of a frame.
const FRAME_RECORD: usize = FRAME_HEADER_LEN + MAX_FRAME;

impl Tables<ProducerEnd> {
    /// Bytes of frames for which a producer's end of a ring of `depth` slots has memory: each of the two buffers of its
    /// outbox can hold all frames.
    pub fn size(depth: Depth) -> usize {
        2 * depth.as_usize() * FRAME_RECORD
    }

    /// Allocates them for the producer's end of a ring of `depth` slots.
    ///
    /// # Errors
    /// If the memory cannot be allocated.
    pub fn producer(depth: Depth) -> Result<Self, TryReserveError> {
        let outbox = Outbox::obtain(depth.as_usize(), FRAME_RECORD)?;
        Ok(Self { end: ProducerEnd::new(depth)?, outbox })
    }
}

impl Tables<ConsumerEnd> {
    /// Allocates them for the consumer's end of a ring of `depth` slots. Once the ring was full, its producer uses
    /// free slots only when there are at least `wake_point`.
    ///
    /// # Errors
    /// If the memory cannot be allocated.
    pub fn consumer(depth: Depth, wake_point: u32) -> Result<Self, TryReserveError> {
        let outbox = Outbox::obtain(depth.as_usize(), COMPLETION_LEN)?;
        Ok(Self { end: ConsumerEnd::new(depth, wake_point)?, outbox })
    }
}
