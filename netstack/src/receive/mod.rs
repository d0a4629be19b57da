//! The way up: from the receive ring to the sockets of apps.
//!
//! ```text
//!  driver --> receive ring --> [receiver] --> layers::ingress --> [ports] --> [inbox] --> an app
//!                                  |                |
//!                             [ledger]           answers go down through the device, and never wait
//! ```
//!
//! The task in `receiver` takes each frame from the ring, lets the pure functions of the layers decide, and completes
//! it at once, so the ring is never held up by an app: an app that does not read has its own bounded [`Inbox`]. An
//! answer that finds no room on the way down is dropped and counted. So two full rings cannot wait for each other.

mod inbox;
mod ledger;
mod ports;
mod receiver;
mod reception;
mod tracker;

pub use inbox::{Inbox, Received};
pub use ledger::UpCounters;
pub use ports::{PortTaken, Ports};
pub(crate) use receiver::Receiver;
pub use reception::Reception;
pub use tracker::{Tracked, Tracker};
