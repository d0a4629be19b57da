//! Runs both processes of Pushback, and merges, compares and renders their reports.
#![forbid(unsafe_code)]

mod bench;
mod chart;
mod cli;
mod commands;
mod dispatch;
mod figures;
#[cfg(test)]
mod fixture;
mod flags;
mod foreign;
mod instructions;
mod launch;
mod merge;
mod predict;
mod profile;
mod progress;
mod render;
mod replay;
mod story;
mod stress;
mod verdict;

use std::process::ExitCode;

use commands::{Failure, dispatch};
use shared::process::start::run_main;

fn main() -> ExitCode {
    run_main("lab", dispatch, Failure::status, foreign::tip)
}
