//! The driver process.

use std::process::ExitCode;

use driver::listener;
use shared::exit::{Status, run_main};

fn main() -> ExitCode {
    // Whatever keeps a driver from serving at all is a matter of its flags and of where it is.
    run_main("driver", listener::run, |_| Status::Usage)
}
