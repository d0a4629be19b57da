//! The code that the stack, the driver and the lab share.
//!
//! [`units`] and their spelling, the
//! [`exec`]utor with its real and virtual clock, the bounded [`ring`] and its transports, the
//! [`wire`] protocol of the connection, the [`ledger`] that must balance, the [`report`] of a
//! run, and the [`settings`] of both processes. [`cpu`] contains SIMD and prefetch instructions.
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
