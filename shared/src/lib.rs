//! The code that the stack, the driver and the lab share.
//!
//! From below: [`units`] and their spelling, [`cpu`] with SIMD and prefetch instructions, [`frame`], [`depth`],
//! [`credits`] and the [`fifo`] queue, the system's [`limits`], the [`ledger`] that must balance, the [`exec`]utor with its real and virtual
//! clock, the [`report`] of a run, [`control`] messages, the [`connection`] to the peer with its [`liveness`], the
//! bounded [`ring`] and its transports, the [`stalls`] of the hardware with the random numbers that they [`draw`], and what both programs do as a [`process`].
#![warn(missing_docs)]

pub mod connection;
pub mod control;
pub mod cpu;
pub mod credits;
pub mod depth;
pub mod draw;
pub mod exec;
pub mod fifo;
pub mod frame;
pub mod ledger;
pub mod limits;
pub mod liveness;
pub mod process;
pub mod report;
pub mod ring;
pub mod stalls;
#[cfg(all(feature = "test-utils", target_os = "linux"))]
pub mod testing;
pub mod units;
