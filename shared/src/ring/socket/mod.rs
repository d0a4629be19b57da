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

mod consumer;
mod producer;

pub use super::channel::ChannelStats as SocketStats;
pub use super::channel::MAX_UNREAD_CONTROL;
pub use consumer::{ConsumerSide, SocketConsumer};
pub use producer::{ProducerSide, SocketProducer};
