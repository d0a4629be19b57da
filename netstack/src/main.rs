//! The stack process.

use std::process::ExitCode;

use clap::Parser;
use netstack::process::{Args, run};

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(status) => status.into(),
        Err(error) => {
            eprintln!("netstack: {error}");
            error.status().into()
        }
    }
}
