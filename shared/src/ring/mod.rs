//! The bounded ring between two processes.
//!
//! A ring has `depth` slots. The producer needs a [`Permit`] (which holds one credit) for each frame that it
//! submits. The consumer takes frames in order and completes them in order; only a completion frees a slot.
//! So the frames in the ring, in the consumer and in its hardware together never exceed the depth, the ring
//! never drops, and senders that find no credit wait in FIFO order.
//!
//! The index arithmetic does no I/O ([`ProducerIndex`], [`ConsumerIndex`], [`Credits`](crate::credits::Credits)). A
//! port ([`ProducerPort`], [`ConsumerPort`]) is one end of a ring: it moves frames and completions over a transport
//! ([`loopback`], [`socket`], [`shm`]). It belongs to a [`Connection`](crate::connection::Connection), which may have
//! several rings, in either direction.
//!
//! ```
//! use shared::exec::Clock;
//! use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, Producer, Status, loopback};
//! use shared::units::Nanos;
//!
//! let depth = Depth::new(1).unwrap();
//! let (port, consumer) = loopback::pair(depth);
//! let ring = Producer::new(port, depth, Clock::default());
//!
//! // The permit holds the only credit, so submitting cannot fail.
//! let permit = ring.try_reserve().unwrap();
//! permit.submit(Descriptor::default(), b"headers and ", b"payload");
//! assert!(ring.try_reserve().is_none(), "the ring is full");
//!
//! let mut buffer = [0; 64];
//! let (frame, bytes) = consumer.take(Some(&mut buffer)).unwrap();
//! assert_eq!((frame.len, bytes), (19, &b"headers and payload"[..]));
//! let (taken, at) = (Nanos(0), Nanos(12_304));
//! consumer.complete(Completion { position: 0, status: Status::Sent, taken, at });
//!
//! assert_eq!(ring.next_completion().map(|completion| completion.position), Some(0));
//! assert!(ring.try_reserve().is_some(), "the completion has freed the slot");
//! ```

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
pub use port::{Buffers, ConsumerPort, Need, NoRing, ProducerPort};
pub use producer::{Permit, Producer, Reserve, RingStats};
