//! Runs both processes of Pushback, and makes something of what they report.

mod cli;
mod commands;
mod figures;
mod flags;
mod launch;
mod merge;
mod progress;
mod render;
mod replay;
mod story;
mod verdict;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};
use cli::{Cli, Command};
use commands::{compare, report, run};
use shared::exit::Status;

fn main() -> ExitCode {
    let matches = match Cli::command().try_get_matches() {
        Ok(matches) => matches,
        // Help and version are no errors, and are printed as they are.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => return fail(&flags::one_line(&error), Status::Usage),
    };
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => return fail(&flags::one_line(&error), Status::Usage),
    };
    let given = flags::Given::in_subcommand(&matches);
    let done = match cli.command {
        Command::Run(args) => run::main(&args, &given),
        Command::Compare(args) => compare::main(&args, &given),
        Command::Report(args) => report::main(&args),
    };
    match done {
        Ok(status) => status.into(),
        Err(failure) => fail(&failure.to_string(), failure.status()),
    }
}

fn fail(message: &str, status: Status) -> ExitCode {
    eprintln!("lab: {message}");
    status.into()
}
