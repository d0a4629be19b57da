//! The laboratory: runs both processes of Pushback or simulates them, and merges, compares and renders the reports.
//!
//! [`settings`] describe a run, [`runner`] makes it, and [`theory`] predicts its figures. All else belongs to the
//! commands of the program `lab`.
#![forbid(unsafe_code)]

mod bench;
mod commands;
mod count;
mod dispatch;
#[cfg(test)]
mod fixture;
mod flags;
mod launch;
mod predict;
mod profile;
mod progress;
mod replay;
mod report;
pub mod runner;
pub mod settings;
mod stress;
pub mod theory;

pub use commands::main;
