//! The driver process.

use std::process::ExitCode;

use driver::listener::{RunError, run};
use shared::process::start::run_main;

fn main() -> ExitCode {
    run_main("driver", run, RunError::status, |_| None)
}
