//! What Pushback is measured against: the other ways in which two processes hand packets over.
//!
//! Each is a sink and a source, in a process of its own. A sink first prints a line that says where it
//! is met, and at the end what arrived and in which time, so that only what was received counts.

mod memory;
mod ring;
pub mod ring_peer;
mod tally;
pub mod udp;
pub mod unix_stream;

pub use tally::Tally;
