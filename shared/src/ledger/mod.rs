//! The ledger: every packet's fate, in two equations that must hold.
//!
//! `offered = accepted + refused` and `accepted = delivered + dropped + in flight + lost`, for each
//! app and in total, and the same counts seen from the driver's side. Beside it, [`Histogram`]: how long things took.

mod counters;
mod histogram;
mod reason;

pub use counters::{Counters, Imbalance};
pub use histogram::Histogram;
pub use reason::{DropReason, RefuseReason};
