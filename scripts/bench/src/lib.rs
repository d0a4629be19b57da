//! The programs that Pushback is measured against: other ways to pass packets between two processes.
//!
//! Each has a sink and a source, in a process each. A sink first prints the address that the source needs, and at the
//! end how many packets arrived and in what time: only received packets count.

mod memory;
mod ring;
pub mod ring_peer;
mod tally;
pub mod udp;
pub mod unix_stream;

pub use tally::Tally;
