//! Measures the cost of a call through five levels, in each way to call. `scripts/bench-dispatch.sh` builds and runs
//! it.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, value_parser};
use dispatch_bench::arms::Arm;
use dispatch_bench::leaf::LeafKind;
use dispatch_bench::measure::{
    Callgrind, Cell, Checks, MeasureError, Mode, PASSES, one_cell, read_allocations, wall_clock,
};
use dispatch_bench::report::Report;
use dispatch_bench::table::render;
use dispatch_bench::work::VARIANTS;
use shared::process::exit::Status;
use shared::process::json::{JsonError, JsonTarget, say};
use shared::process::output::complain;
use shared::process::parent::{EndWithParent, EndWithParentError};
use shared::process::start::run_main;

/// With fewer variants the branch predictor learns their order, and the figures are meaningless.
const ENOUGH_VARIANTS: usize = 512;

/// The cost of a call through five levels: sync, async, boxed, in place, polled.
#[derive(Debug, Parser)]
#[command(name = "dispatch-bench", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(flatten)]
    flags: Flags,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Flags {
    /// Fewer repetitions and no instruction counts: a rough result within seconds.
    #[arg(long)]
    quick: bool,

    /// Repetitions of each cell of the table; the medians are reported [default: 31, or 7 with --quick].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    repetitions: Option<u32>,

    /// Write the report as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    json: Option<JsonTarget>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one cell, for counting its instructions, and prints its checksum.
    #[command(hide = true)]
    Pass {
        arm: Arm,
        mode: Mode,
        leaf: LeafKind,
        /// How many passes over all variants.
        #[arg(value_parser = value_parser!(u8).range(1..=PASSES as i64))]
        passes: u8,
    },
    /// Starts a program that is measured, and ends it when this program ends.
    #[command(hide = true)]
    EndWithParent(EndWithParent),
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Cold calls would not be cold.
    #[error(
        "built with {VARIANTS} variants of each level, fewer than the {ENOUGH_VARIANTS} that exceed a branch predictor; \
         build with --features all-variants, or run scripts/bench-dispatch.sh"
    )]
    TooFewVariants,
    /// The file for JSON cannot be written.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A program that is measured cannot be started.
    #[error(transparent)]
    EndWithParent(#[from] EndWithParentError),
    /// A measurement failed or is invalid.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The checksum cannot be written to standard output.
    #[error("the checksum cannot be printed: {0}")]
    Print(#[source] io::Error),
}

impl Failure {
    fn status(&self) -> Status {
        match self {
            Self::Json(error) => error.status(),
            Self::TooFewVariants | Self::EndWithParent(_) | Self::Measure(_) | Self::Print(_) => Status::Failed,
        }
    }
}

fn main() -> ExitCode {
    run_main("dispatch-bench", run, Failure::status, |_| None)
}

fn run(cli: &Cli) -> Result<Status, Failure> {
    match &cli.command {
        Some(Command::EndWithParent(program)) => return Err(program.exec().into()),
        Some(Command::Pass { arm, mode, leaf, passes }) => {
            let cell = Cell { arm: *arm, mode: *mode, leaf: *leaf };
            print(one_cell(cell, usize::from(*passes))).map_err(Failure::Print)?;
        }
        None => bench(&cli.flags)?,
    }
    Ok(Status::Fine)
}

/// Prints directly, without the thread of [`shared::process::output`]: the instructions of that thread vary, and the
/// count must repeat exactly.
#[expect(clippy::disallowed_methods, reason = "the program that counts reads the pipe")]
fn print(checksum: impl Display) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{checksum}")
}

fn bench(flags: &Flags) -> Result<(), Failure> {
    let json = flags.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    if VARIANTS < ENOUGH_VARIANTS {
        return Err(Failure::TooFewVariants);
    }
    let mut checks = Checks::default();
    let repetitions = flags.repetitions.unwrap_or(if flags.quick { 7 } else { 31 });
    complain("counting allocations ...");
    let allocated = read_allocations()?;
    for (cell, allocated) in Cell::all().zip(&allocated) {
        checks.same_work(cell, 1, allocated.checksum)?;
    }
    complain("timing calls ...");
    let timed = wall_clock(repetitions, &mut checks)?;
    let counted = instructions(flags, &mut checks)?;
    let report = Report::new(timed, counted, &allocated, &checks);
    let written = sink.map_or(Ok(()), |sink| sink.write(&report));
    say(json, render(&report));
    Ok(written?)
}

/// Instructions per call, or the reason why they were not counted.
fn instructions(flags: &Flags, checks: &mut Checks) -> Result<Result<Vec<f64>, &'static str>, MeasureError> {
    if flags.quick {
        return Ok(Err("--quick omits them"));
    }
    let Some(callgrind) = Callgrind::find()? else { return Ok(Err("valgrind is not installed")) };
    complain("counting instructions ...");
    callgrind.count_all(checks).map(Ok)
}
