//! The command `lab stress`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, value_parser};
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RING, RUNS, examples};
use shared::process::settings::seed;
use shared::ring::Depth;

use super::common::Failure;
use crate::launch::Binaries;
use crate::progress::silence;
use crate::stress::{Printer, crowd, kills, starts};

/// A seed that is not given is below this: short enough to type.
const SHORT_SEEDS: u64 = 1_000_000;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "Do ten stacks in a row start and end?",
        "lab stress starts --count 10",
    ),
    (
        "What do five runs leave behind that signals end?",
        "lab stress kills --count 5",
    ),
    (
        "How long does a stack wait beside a hundred silent clients?",
        "lab stress crowd --clients 100 --starts 5",
    ),
]))]
pub(crate) struct StressArgs {
    #[command(subcommand)]
    what: What,

    /// Print only violations, on standard error.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_QUIET", global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start stacks one right after another, with one driver for all and with a driver for each.
    #[command(after_help = examples([
    (
        "Ten of each kind",
        "lab stress starts --count 10",
    ),
    (
        "At one depth",
        "lab stress starts --count 10 --depths 64",
    ),
    (
        "At the largest depth",
        "lab stress starts --count 2 --depths 65536",
    ),
]))]
    Starts {
        /// Stacks of each kind.
        #[arg(long, help_heading = RUNS, value_name = "N", default_value_t = 1000)]
        count: u32,
        /// Slots of the ring, 1 to 65536.
        #[arg(long, help_heading = RING, value_name = "N,...", value_delimiter = ',', default_values = ["1", "65536"])]
        depths: Vec<Depth>,
    },
    /// Send signals to driver, stack and lab at random moments: KILL, TERM, INT, QUIT, STOP and CONT.
    #[command(after_help = examples([
    (
        "Five random cases",
        "lab stress kills --count 5",
    ),
    (
        "The same cases at each call",
        "lab stress kills --count 5 --seed 7",
    ),
    (
        "One of them again",
        "lab stress kills --count 1 --seed 7 --first 3",
    ),
]))]
    Kills {
        /// Runs.
        #[arg(long, help_heading = RUNS, value_name = "N", default_value_t = 2000)]
        count: u32,
        /// Seed of the cases [default: a random one, which is printed].
        #[arg(long, help_heading = RUNS, value_name = "N", value_parser = seed)]
        seed: Option<u64>,
        /// Number of the first case.
        #[arg(long, help_heading = RUNS, value_name = "N", default_value_t = 0)]
        first: u32,
    },
    /// Time how long a stack takes to be served beside clients that send nothing.
    #[command(after_help = examples([
    (
        "A small crowd",
        "lab stress crowd --clients 50 --starts 5",
    ),
    (
        "One client",
        "lab stress crowd --clients 1 --starts 5",
    ),
    (
        "A larger crowd",
        "lab stress crowd --clients 200 --starts 2",
    ),
]))]
    Crowd {
        /// Silent clients.
        #[arg(long, help_heading = RUNS, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=100_000))]
        clients: u32,
        /// Stacks that are timed.
        #[arg(long, help_heading = RUNS, value_name = "N", default_value_t = 50)]
        starts: u32,
    },
}

/// Runs the test that `args` name, and returns the exit status.
///
/// # Errors
/// If it cannot run here.
pub(crate) fn main(args: &StressArgs) -> Result<Status, Failure> {
    silence(args.quiet);
    let (binaries, printer) = (Binaries::find()?, Printer { quiet: args.quiet });
    Ok(match &args.what {
        What::Starts { count, depths } => starts(&binaries, *count, depths, printer)?,
        What::Kills { count, seed, first } => {
            kills(&binaries, seed.unwrap_or_else(some_seed), (*first, *count), printer)?
        }
        What::Crowd { clients, starts } => crowd(&binaries, *clients, *starts, printer)?,
    })
}

fn some_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos())) % SHORT_SEEDS
}
