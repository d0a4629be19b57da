//! The bounded ring between two processes.
//!
//! A ring has `depth` slots. The producer needs a [`Permit`] (one credit) for each frame that it
//! submits; the consumer takes frames in order and completes them in order; only a completion
//! frees a slot. So frames in the ring, in the consumer and in its hardware together never exceed
//! depth, the ring never drops, and a producer that finds no credit waits in FIFO order.
//!
//! The arithmetic is pure ([`ProducerIndex`], [`ConsumerIndex`], [`Credits`]); what carries frames
//! and completions across is a port ([`ProducerPort`], [`ConsumerPort`]).

pub mod channel;
mod credits;
mod depth;
mod frame;
mod frames;
mod index;
pub mod memory;
mod occupancy;
mod port;
mod producer;
mod reason;
pub mod shm;
pub mod socket;
mod wake;

pub use credits::{Acquire, Credits, Grant};
pub use depth::{Depth, DepthError};
pub use frame::{Completion, Descriptor, MAX_FRAME, MIN_FRAME, Status};
pub use frames::{Frame, Frames, HEADROOM, Headroom};
pub use index::{ConsumerIndex, IndexError, ProducerIndex};
pub use occupancy::Occupancy;
pub use port::{CloseReason, ConsumerPort, Need, Port, ProducerPort};
pub use producer::{Permit, Producer, Reserve, RingStats};
pub use wake::{WakePoint, WakePointError};
