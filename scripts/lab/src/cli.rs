//! The commands of the lab. The flags of each are beside its `main`.

use clap::{Parser, Subcommand};
use driver::settings::{CaptureSettings, DriverSettings, Settings as DriverArgs};
use netstack::process::Args as StackArgs;
use netstack::settings::{LineSettings, SessionSettings, StackSettings};
use shared::parent::Bound;
use shared::settings::{Common, Lifetime, Meeting, Output, Waiting};
use shared::units::{Bytes, parse_accepted};

use crate::commands::{
    BenchArgs, CompareArgs, CountArgs, DispatchArgs, PeerArgs, PredictArgs, ReportArgs, RunArgs, SimulateArgs,
    TheoryArgs,
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
    /// Packets a second between two processes, beside those of others in the same run.
    Bench(BenchArgs),
    /// Instructions per packet of both processes, counted by valgrind.
    Count(CountArgs),
    /// What the ways to call the layers cost: the same stack with and without futures, boxes and objects.
    Dispatch(DispatchArgs),
    /// One process of a benchmark's peer.
    #[command(hide = true)]
    Peer(PeerArgs),
    /// A program of others, which ends when the lab does.
    #[command(hide = true)]
    EndWithParent(Bound),
    /// The same run in virtual time, in this process: exact, and in a fraction of the time.
    Simulate(Box<SimulateArgs>),
    /// A grid of settings in virtual and in real time: does each run agree with its simulation?
    Predict(PredictArgs),
    /// What queueing theory says, without a run.
    Theory(TheoryArgs),
    /// Shows reports that were written with --json, one line each.
    Report(ReportArgs),
}

/// What each process is started with.
#[derive(Debug, Clone)]
pub(crate) struct Sides {
    pub(crate) stack: StackArgs,
    pub(crate) driver: DriverArgs,
}

impl Sides {
    /// Both processes with what shapes a run in either clock. What only real time has, and what belongs to one start
    /// alone, keeps its default.
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

    /// What each process does unless flags say otherwise. The environment has no say.
    pub(crate) fn defaults() -> Self {
        fn without_flags<A: Parser>() -> A {
            let command = A::command().mut_args(|arg| arg.env(None::<&str>));
            A::from_arg_matches(&command.get_matches_from([""])).unwrap_or_else(|error| error.exit())
        }
        Self { stack: without_flags(), driver: without_flags() }
    }
}

/// A size that the stack can send with a payload in it.
pub(crate) fn frame_size(text: &str) -> Result<Bytes, String> {
    parse_accepted(text, |size: &Bytes| (64..=1514).contains(&size.0), "use a frame of 64B to 1514B")
}
