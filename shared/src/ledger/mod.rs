//! The ledger: counts of what happened to each packet, and two equations that they must satisfy.
//!
//! `offered = accepted + refused` and `accepted = delivered + dropped + in flight + lost`, for each
//! app and in total, and the same counts from the driver's side. [`Histogram`] holds distributions of times and of
//! occupancy, [`Repeats`] those whose values often repeat; [`Doorbells`] and [`IdleStats`] count how a process waited.

mod counters;
mod histogram;
mod reason;
mod repeats;
mod waiting;

pub use counters::{Counters, Imbalance};
pub use histogram::Histogram;
pub use reason::{DropReason, RefuseReason, UpDropReason};
pub use repeats::Repeats;
pub use waiting::{Doorbells, IdleStats};
