//! The code that the stack, the driver and the lab share.
//!
//! [`units`] and their spelling, the
//! [`exec`]utor with its real and virtual clock, the bounded [`ring`] and its transports, the
//! [`control`] protocol of the connection, the [`ledger`] that must balance, the [`report`] of a
//! run, and what both programs do as a [`process`]. [`cpu`] contains SIMD and prefetch instructions.
#![warn(missing_docs)]

pub mod connection;
pub mod control;
pub mod cpu;
pub mod credits;
pub mod depth;
pub mod exec;
pub mod frame;
pub mod ledger;
pub mod liveness;
pub mod process;
pub mod report;
pub mod ring;
#[cfg(all(feature = "test-utils", target_os = "linux"))]
pub mod testing;
pub mod units;
