//! The bounded ring between two processes.
//!
//! A ring has `depth` slots. The producer needs a [`Permit`] (which holds one credit) for each frame that it
//! submits. The consumer takes frames in order and completes them in order; only a completion frees a slot.
//! So the frames in the ring, in the consumer and in its hardware together never exceed the depth, the ring
//! never drops, and senders that find no credit wait in FIFO order.
//!
//! The index arithmetic does no I/O ([`ProducerIndex`], [`ConsumerIndex`], [`Credits`](crate::credits::Credits)). A port
//! ([`ProducerPort`], [`ConsumerPort`]) is one end of the transport that carries frames and completions.

mod frames;
mod index;
pub mod loopback;
mod occupancy;
mod port;
mod producer;
pub mod shm;
pub mod socket;

pub use crate::depth::{Depth, DepthError, WakePoint, WakePointError};
pub use crate::frame::{Completion, Descriptor, MAX_FRAME, MIN_FRAME, Status};
pub use frames::{Frame, Frames, HEADROOM, Headroom};
pub use index::{ConsumerIndex, ProducerIndex};
pub use occupancy::Occupancy;
pub use port::{ConsumerPort, Need, ProducerPort};
pub use producer::{Permit, Producer, Reserve, RingStats};
