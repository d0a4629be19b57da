//! `lab report`: reports that were written before, as a table or as CSV.

use std::io::{self, Write};

use shared::exit::Status;

use super::Failure;
use crate::cli::{Format, ReportArgs};
use crate::render::{csv, listed};
use crate::replay::runs_in;

/// Shows all runs of all files, in their order.
///
/// # Errors
/// If a file holds none.
pub(crate) fn main(args: &ReportArgs) -> Result<Status, Failure> {
    let mut runs = Vec::new();
    for file in &args.files {
        runs.extend(runs_in(file)?);
    }
    let text = match args.format {
        Format::Table => listed(&runs) + "\n",
        Format::Csv => csv(&runs),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Status::Fine),
        written => Ok(written.map(|()| Status::Fine)?),
    }
}
