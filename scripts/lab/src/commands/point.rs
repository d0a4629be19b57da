//! `lab point`: makes one run of a table that `lab sweep --dry-run` wrote, for machines that share its folder.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use netstack::settings::LineSettings;
use shared::process::exit::Status;
use shared::process::help::{RUNS, examples};
use shared::process::json::say;
use shared::process::output::complain;
use shared::process::signals::Signals;

use super::common::Failure;
use crate::flags::Given;
use crate::launch::{Binaries, Pinning};
use crate::points::run::MakeError;
use crate::points::store::Store;
use crate::points::table::{TableError, TableFile};
use crate::runner::sequence::{ClockKind, Place};

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "The first run of a table",
        "lab sweep --vary depth=1..8*2 --out runs --dry-run && lab point runs/table.json --index 0",
    ),
    (
        "All of its runs, two at a time",
        "seq 0 3 | xargs -P 2 -I N lab point runs/table.json --index N",
    ),
    (
        "What they show",
        "lab report runs",
    ),
]))]
pub(crate) struct PointArgs {
    /// The table, in the folder of the results.
    #[arg(value_name = "TABLE")]
    table: PathBuf,

    /// The index of the run in the table, from 0.
    #[arg(long, help_heading = RUNS, value_name = "N")]
    index: usize,

    #[command(flatten)]
    pinning: Pinning,

    #[command(flatten)]
    lines: LineSettings,
}

/// Makes the run, unless the folder holds it already; returns its exit status.
///
/// # Errors
/// If there is no such run, or its result cannot be kept.
pub(crate) fn main(args: &PointArgs, given: &Given) -> Result<Status, Failure> {
    let file = || args.table.clone();
    let text = fs::read_to_string(&args.table).map_err(|source| Failure::TableUnreadable { file: file(), source })?;
    let (table, set) = TableFile::parse(&text).map_err(|source| Failure::Table { file: file(), source })?;
    if given.has("pin") && set.clock == ClockKind::Virtual {
        return Err(Failure::NoMeaning { flag: "pin".to_owned(), clock: set.clock });
    }
    let digest = table.digests().nth(args.index).map(str::to_owned);
    let Some(digest) = digest else {
        let source = TableError::NoRow { index: args.index, rows: set.runs().len() };
        return Err(Failure::Table { file: file(), source });
    };
    let folder = args.table.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let store = Store::open(folder, &table)?;
    let run = set.runs()[args.index];
    let name = format!("run {} ({}, seed {})", args.index, set.name(run.point), run.seed);
    if let Some(Ok(_)) = store.load(&digest)? {
        if !args.lines.quiet {
            say(None, format_args!("{name} was made before: {}", store.report_file(&digest).display()));
        }
        return Ok(Status::Fine);
    }
    let place = match set.clock {
        ClockKind::Virtual => Place::Virtual { jobs: 1 },
        ClockKind::Real => Place::Real(Box::new(Binaries::find()?.on(args.pinning.pin.cpus()))),
    };
    let mut signals = Signals::new()?;
    let mut status = Status::Interrupted;
    place.run_all(1, &|_| set.settings(run), &mut signals, |ended| {
        store.write(&digest, &ended.result)?;
        status = match &ended.result {
            Ok(_) => Status::Fine,
            Err(fault) => {
                complain(format_args!("lab: {name} failed: {}", fault.reason));
                fault.status()
            }
        };
        Ok::<_, MakeError>(())
    })?;
    if status == Status::Fine && !args.lines.quiet {
        say(None, format_args!("{name}: {}", store.report_file(&digest).display()));
    }
    Ok(status)
}
