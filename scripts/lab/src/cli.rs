//! What a person may ask of the lab.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Arg, Args, Parser, Subcommand, ValueEnum};
use driver::settings::{DriverSettings, Settings as DriverArgs};
use netstack::process::Args as StackArgs;
use netstack::settings::StackSettings;
use netstack::stack::Policy;
use shared::report::JsonTarget;
use shared::ring::Depth;
use shared::settings::Common;
use shared::units::{Bytes, Nanos, UnitError};

use crate::bench::Peer;
use crate::commands::{SimulateArgs, TheoryArgs};

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
    /// The same run in virtual time, in this process: exact, and in a fraction of the time.
    Simulate(Box<SimulateArgs>),
    /// What queueing theory says, without a run.
    Theory(TheoryArgs),
    /// Shows reports that were written with --json, one line each.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
#[command(mut_args(|arg| hidden_if(arg, &["socket", "once"])))]
pub(crate) struct RunArgs {
    /// Repeat the run that this report is of; - reads it from standard input.
    ///
    /// Flags on the command line win over the report. Environment variables do not: the report has
    /// every setting.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) from: Option<PathBuf>,

    /// Also report where the CPU time of a packet goes: app, each layer, copy, ring, driver.
    ///
    /// perf samples both processes for that; it costs a few per cent of their speed.
    #[arg(long)]
    pub(crate) profile: bool,

    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
#[command(mut_args(|arg| hidden_if(arg, &["socket", "once", "policy", "quiet", "pcap"])))]
pub(crate) struct CompareArgs {
    /// The policies, in the order of the table.
    #[arg(
        long,
        value_name = "POLICY,...",
        value_delimiter = ',',
        default_values = ["wait", "drop-newest", "drop-oldest", "deadline=5ms"]
    )]
    pub(crate) policies: Vec<Policy>,

    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// How long each measurement takes.
    #[arg(long, value_name = "TIME", default_value = "2s")]
    pub(crate) time: Nanos,

    /// How often each is repeated; the medians count.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repetitions: u32,

    /// Ethernet frames without check sequence, 64B to 1514B.
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "1500B"], value_parser = frame_size)]
    pub(crate) sizes: Vec<Bytes>,

    /// Slots of every ring, 1 to 65536.
    #[arg(long, value_name = "N", default_value = "1024")]
    pub(crate) depth: Depth,

    /// Draw the rows as bars in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// Write the rows as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    pub(crate) json: Option<JsonTarget>,
}

/// A size that the stack can send with a payload in it.
fn frame_size(text: &str) -> Result<Bytes, String> {
    let size: Bytes = text.parse().map_err(|error: UnitError| error.to_string())?;
    if (64..=1514).contains(&size.0) { Ok(size) } else { Err("use a frame of 64B to 1514B".to_owned()) }
}

#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// Ethernet frames without check sequence, 64B to 1514B.
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "1500B"], value_parser = frame_size)]
    pub(crate) sizes: Vec<Bytes>,

    /// Fail if a count is above what this file allows.
    #[arg(long, value_name = "FILE")]
    pub(crate) ceilings: Option<PathBuf>,

    /// Write these counts to the file of --ceilings: from now on they are what is allowed.
    #[arg(long, requires = "ceilings")]
    pub(crate) accept: bool,

    /// Write the counts as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    pub(crate) json: Option<JsonTarget>,
}

#[derive(Debug, Args)]
pub(crate) struct DispatchArgs {
    /// How long each measurement takes.
    #[arg(long, value_name = "TIME", default_value = "1s")]
    pub(crate) time: Nanos,

    /// How often each is repeated; the medians count.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repetitions: u32,

    /// Ethernet frames without check sequence, 64B to 1514B; costs are compared at the first.
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "500B", "1500B"], value_parser = frame_size)]
    pub(crate) sizes: Vec<Bytes>,

    /// How many times slower the CPU is that the stack shall hold a gigabit on.
    #[arg(long, value_name = "FACTOR", default_value_t = 10.0, value_parser = slowdown)]
    pub(crate) slowdown: f64,

    /// Slots of the ring, 1 to 65536.
    #[arg(long, value_name = "N", default_value = "1024")]
    pub(crate) depth: Depth,

    /// Draw the costs as bars in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// Write the figures as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    pub(crate) json: Option<JsonTarget>,
}

/// A factor that makes a CPU slower, or leaves it alone.
fn slowdown(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (1.0..=1e6).contains(factor));
    factor.ok_or_else(|| "use a factor of 1 to 1000000, as in 10".to_owned())
}

#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    /// Which.
    #[arg(value_enum)]
    pub(crate) peer: Peer,
    /// Ethernet frame without check sequence.
    #[arg(long)]
    pub(crate) size: Bytes,
    /// Slots, if it is a ring.
    #[arg(long)]
    pub(crate) depth: Depth,
    #[command(subcommand)]
    pub(crate) role: PeerRole,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeerRole {
    /// Says where it is met, and counts what comes.
    Sink {
        /// A private folder.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Sends as fast as it can.
    Source {
        /// What the sink said.
        #[arg(long)]
        to: String,
        /// For how long.
        #[arg(long)]
        time: Nanos,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Reports of `lab run` or `lab compare`; - reads one from standard input.
    #[arg(required = true, value_name = "FILE|-")]
    pub(crate) files: Vec<PathBuf>,

    /// How to show them.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// How reports are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people, which is also Markdown.
    #[default]
    Table,
    /// Every figure, exact, for programs.
    Csv,
}

/// The flags of both processes. What both take, both get.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) stack: StackSettings,
    #[command(flatten)]
    pub(crate) driver: DriverSettings,
}

/// What the lab decides itself is not offered to people.
fn hidden_if(arg: Arg, ids: &[&str]) -> Arg {
    let hidden = ids.contains(&arg.get_id().as_str());
    arg.hide(hidden)
}

/// What each process is started with.
#[derive(Debug, Clone)]
pub(crate) struct Sides {
    pub(crate) stack: StackArgs,
    pub(crate) driver: DriverArgs,
}

impl Flags {
    /// What runs get if nobody says anything.
    pub(crate) fn defaults() -> Self {
        #[derive(Parser)]
        struct Only {
            #[command(flatten)]
            flags: Flags,
        }
        Only::parse_from(["lab"]).flags
    }

    /// Gives each process what it takes.
    pub(crate) fn sides(&self) -> Sides {
        Sides {
            stack: StackArgs { common: self.common.clone(), stack: self.stack.clone() },
            driver: DriverArgs { common: self.common.clone(), driver: self.driver.clone() },
        }
    }
}
