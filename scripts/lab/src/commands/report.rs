//! `lab report`: shows written reports as a table or as CSV.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use shared::process::exit::Status;
use shared::process::json::say;

use super::common::Failure;
use crate::replay::runs_in;
use crate::report::table::{csv, listed};

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Reports of `lab run` or `lab compare`; - reads one from standard input.
    #[arg(required = true, value_name = "FILE|-")]
    files: Vec<PathBuf>,

    /// The format of the output.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The format of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people, which is also Markdown.
    #[default]
    Table,
    /// Every figure, exact, for programs.
    Csv,
}

/// Shows all runs of all files in their order.
///
/// # Errors
/// If a file is not a report.
pub(crate) fn main(args: &ReportArgs) -> Result<Status, Failure> {
    let mut runs = Vec::new();
    for file in &args.files {
        runs.extend(runs_in(file)?);
    }
    let text = match args.format {
        Format::Table => listed(&runs) + "\n",
        Format::Csv => csv(&runs),
    };
    say(None, text.trim_end());
    Ok(Status::Fine)
}
