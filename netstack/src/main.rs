//! The stack process.

use std::process::ExitCode;

use netstack::process::{RunError, run};
use shared::process::start::run_main;

fn main() -> ExitCode {
    run_main("netstack", run, RunError::status, |_| None)
}
