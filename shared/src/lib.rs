//! What both processes must agree on.
//!
//! The stack and the driver share no code but this crate: [`units`] and their spelling, the
//! [`exec`]utor with its real and virtual clock, the bounded [`ring`] and its transports, the
//! [`wire`] protocol of the session, the [`ledger`] that must balance, the [`report`] that a run
//! leaves behind, and the [`settings`] that both take. [`cpu`] is what
//! the processor does better when it is told to.
#![warn(missing_docs)]

pub mod cpu;
pub mod exec;
pub mod exit;
pub mod flags;
pub mod ledger;
pub mod leftovers;
pub mod limits;
pub mod liveness;
pub mod output;
pub mod parent;
pub mod peers;
pub mod report;
pub mod ring;
pub mod settings;
pub mod signals;
#[cfg(all(feature = "test-utils", target_os = "linux"))]
pub mod testing;
pub mod units;
pub mod whole;
pub mod wire;
