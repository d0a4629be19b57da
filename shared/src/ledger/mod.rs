//! The ledger: counts of what happened to each packet, and two equations that they must satisfy.
//!
//! `offered = accepted + refused` and `accepted = delivered + dropped + in flight + lost`, for each
//! app and in total, and the same counts from the driver's side. [`Histogram`] holds distributions of times and of
//! occupancy; [`Doorbells`] and [`IdleStats`] count how a process waited.

mod counters;
mod histogram;
mod reason;
mod waiting;

pub use counters::{Counters, Imbalance};
pub use histogram::Histogram;
pub use reason::{DropReason, RefuseReason};
pub use waiting::{Doorbells, IdleStats};
