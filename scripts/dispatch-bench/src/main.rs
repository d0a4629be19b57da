//! What a call through five levels costs, in each way to call. `scripts/bench-dispatch.sh` builds and runs it.

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
use dispatch_bench::work::VARIANTS;
use shared::exit::{Status, complain, run_main, say};
use shared::parent::{Bound, BoundError};
use shared::report::{JsonError, JsonTarget};

/// Below this, the branch predictor learns the order of the variants, and no figure is worth printing.
const ENOUGH_VARIANTS: usize = 512;

/// What a call through five levels costs: sync, async, boxed, in place, polled.
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
    /// Few repetitions and no instruction counts: a look within seconds.
    #[arg(long)]
    quick: bool,

    /// How often each cell of the table is timed; the medians count [default: 31, or 7 with --quick].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=1000))]
    repetitions: Option<u32>,

    /// Write the report as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    json: Option<JsonTarget>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs one cell, for whoever counts its instructions, and prints its checksum.
    #[command(hide = true)]
    Pass {
        arm: Arm,
        mode: Mode,
        leaf: LeafKind,
        /// How many passes over all variants.
        #[arg(value_parser = value_parser!(u8).range(1..=PASSES as i64))]
        passes: u8,
    },
    /// A program that is measured, which ends when this one does.
    #[command(hide = true)]
    EndWithParent(Bound),
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// Nothing would be cold.
    #[error(
        "built with {VARIANTS} variants of each level, fewer than the {ENOUGH_VARIANTS} that no branch predictor learns; \
         build with --features all-variants, or run scripts/bench-dispatch.sh"
    )]
    TooFewVariants,
    /// Nowhere to write to.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A program that is to be measured does not start.
    #[error(transparent)]
    Bound(#[from] BoundError),
    /// Figures that would mean nothing.
    #[error(transparent)]
    Measure(#[from] MeasureError),
    /// The checksum has no reader.
    #[error("the checksum cannot be printed: {0}")]
    Print(#[source] io::Error),
}

impl Failure {
    fn status(&self) -> Status {
        match self {
            Self::Json(JsonError::Open { .. }) => Status::Usage,
            Self::Json(JsonError::Unread { .. }) => Status::Interrupted,
            Self::TooFewVariants
            | Self::Json(JsonError::Write { .. })
            | Self::Bound(_)
            | Self::Measure(_)
            | Self::Print(_) => Status::Failed,
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

/// Prints to the program that counts. No thread of [`shared::output`] takes part: its instructions are not the same
/// each time, and the count must repeat to the digit.
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
    say(json, report.for_people());
    Ok(written?)
}

/// Instructions per call, or why they were not counted.
fn instructions(flags: &Flags, checks: &mut Checks) -> Result<Result<Vec<f64>, &'static str>, MeasureError> {
    if flags.quick {
        return Ok(Err("--quick leaves them out"));
    }
    let Some(callgrind) = Callgrind::find()? else { return Ok(Err("valgrind is not installed")) };
    complain("counting instructions ...");
    callgrind.count_all(checks).map(Ok)
}
