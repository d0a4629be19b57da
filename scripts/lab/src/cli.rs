//! The commands of the lab. The flags of each command are in its module below `commands`.

use clap::{Parser, Subcommand};
use driver::settings::{CaptureSettings, DriverSettings, Settings as DriverArgs};
use netstack::process::Args as StackArgs;
use netstack::settings::{LineSettings, SessionSettings, StackSettings};
use shared::process::parent::{Bound, Lifetime};
use shared::process::settings::{Common, Meeting, Output, Waiting};
use shared::units::{Bytes, parse_accepted};

use crate::commands::{
    BenchArgs, CompareArgs, CountArgs, DispatchArgs, PeerArgs, PredictArgs, ReportArgs, RunArgs, SimulateArgs,
    StressArgs, TheoryArgs,
};

/// Runs both processes of Pushback, the stack and the driver, and reports.
#[derive(Debug, Parser)]
#[command(name = "lab", version, subcommand_required = true, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One run of both processes, with their reports merged into one.
    Run(RunArgs),
    /// The same traffic through several policies, side by side.
    Compare(CompareArgs),
    /// Packets per second between two processes, beside those of other programs measured in the same run.
    Bench(BenchArgs),
    /// Instructions per packet of both processes, counted by valgrind.
    Count(CountArgs),
    /// The cost of each way to call the layers: the same stack with and without futures, boxes and trait objects.
    Dispatch(DispatchArgs),
    /// One of the two processes of a program that a benchmark measures beside the stack.
    #[command(hide = true)]
    Peer(PeerArgs),
    /// Starts another program, and ends it when the lab ends.
    #[command(hide = true)]
    EndWithParent(Bound),
    /// The same run in virtual time, in this process: exact, and in a fraction of the time.
    Simulate(Box<SimulateArgs>),
    /// A grid of settings in virtual and in real time: does each run agree with its simulation?
    Predict(PredictArgs),
    /// What queueing theory predicts, without a run.
    Theory(TheoryArgs),
    /// Starts and kills the processes thousands of times, and checks what each leaves behind
    Stress(StressArgs),
    /// Shows reports that were written with --json, one line each.
    Report(ReportArgs),
}

/// The settings of both processes.
#[derive(Debug, Clone)]
pub(crate) struct Sides {
    pub(crate) stack: StackArgs,
    pub(crate) driver: DriverArgs,
}

impl Sides {
    /// The settings that shape a run in either clock. Those that exist only in real time, and those of one start only,
    /// keep their defaults.
    pub(crate) fn new(common: &Common, stack: StackSettings, driver: &DriverSettings) -> Self {
        Self {
            stack: StackArgs {
                meeting: Meeting::default(),
                lifetime: Lifetime::default(),
                common: common.clone(),
                waiting: Waiting::default(),
                stack,
                session: SessionSettings::default(),
                lines: LineSettings::default(),
                output: Output::default(),
            },
            driver: DriverArgs {
                meeting: Meeting::default(),
                lifetime: Lifetime::default(),
                common: common.clone(),
                waiting: Waiting::default(),
                driver: driver.clone(),
                capture: CaptureSettings::default(),
                once: true,
                output: Output::default(),
            },
        }
    }

    /// The default settings of both processes. The environment is ignored.
    pub(crate) fn defaults() -> Self {
        fn without_flags<A: Parser>() -> A {
            let command = A::command().mut_args(|arg| arg.env(None::<&str>));
            A::from_arg_matches(&command.get_matches_from([""])).unwrap_or_else(|error| error.exit())
        }
        Self { stack: without_flags(), driver: without_flags() }
    }
}

/// Parses the size of a frame that holds at least one byte of payload.
pub(crate) fn frame_size(text: &str) -> Result<Bytes, String> {
    parse_accepted(text, |size: &Bytes| (64..=1514).contains(&size.0), "use a frame of 64B to 1514B")
}
