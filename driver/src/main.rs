//! The driver process: flags in, exit status out.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use driver::listener;
use driver::settings::Settings;

/// Wrong flags, or a place that cannot be written to or listened at.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let settings = match Settings::try_parse() {
        Ok(settings) => settings,
        // Help and version are no errors, and are printed as they are.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => return fail(&one_line(&error.to_string())),
    };
    match listener::run(&settings) {
        Ok(outcome) => ExitCode::from(outcome.exit_status()),
        Err(error) => fail(&error.to_string()),
    }
}

fn fail(message: &str) -> ExitCode {
    // With nobody to read it, the status alone must do.
    let _ = writeln!(io::stderr(), "driver: {message}");
    ExitCode::from(USAGE)
}

/// What is wrong and what to do, without the usage around it.
fn one_line(error: &str) -> String {
    let said = error.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<_> = said.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    format!("{}; see driver --help", said.join(" ").trim_start_matches("error: "))
}
