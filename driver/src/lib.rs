//! The driver: takes frames from the ring and sends them at the pace of its hardware.
//!
//! ```text
//!  listener   greets stacks, refuses what cannot be served, one session after the other
//!  session    takes frames only while the hardware has room, completes them in ring order
//!  hardware   link rate, queue, service times, stalls: a pure model
//!  backend    where frames go: nowhere, or into a capture
//! ```
//!
//! [`session::serve`] is a plain future over the executor's clock and a port of the ring, so a
//! simulation runs the same code in virtual time.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod backend;
pub mod hardware;
pub mod listener;
pub mod session;
pub mod settings;
