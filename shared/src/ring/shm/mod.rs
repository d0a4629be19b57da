//! The shm transport.
mod bells;
mod consumer;
mod end;
mod handover;
mod layout;
mod memory;
mod producer;
mod protocol;
mod slot;
mod staging;
mod words;

pub use bells::ShmStats;
pub use consumer::ShmConsumer;
pub use handover::{HandoverError, hand_over, receive};
pub use layout::Head;
pub use memory::{MemoryError, SharedMemory};
pub use producer::ShmProducer;
pub use protocol::{AWAKE, Reader, Writer, plan, planned_beyond, sleeps_until};
pub use words::{Word, Words};
