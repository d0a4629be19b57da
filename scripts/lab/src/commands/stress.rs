//! The command `lab stress`.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, value_parser};
use shared::process::exit::Status;
use shared::process::settings::seed;
use shared::ring::Depth;

use super::common::Failure;
use crate::launch::Binaries;
use crate::stress::{crowd, kills, starts};

/// A seed that is not given is below this: short enough to type.
const SHORT_SEEDS: u64 = 1_000_000;

#[derive(Debug, Args)]
pub(crate) struct StressArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start stacks one right after another, with one driver for all and with a driver for each.
    Starts {
        /// Stacks of each kind.
        #[arg(long, value_name = "N", default_value_t = 1000)]
        count: u32,
        /// Slots of the ring, 1 to 65536.
        #[arg(long, value_name = "N,...", value_delimiter = ',', default_values = ["1", "65536"])]
        depths: Vec<Depth>,
    },
    /// Send signals to driver, stack and lab at random moments: KILL, TERM, INT, QUIT, STOP and CONT.
    Kills {
        /// Runs.
        #[arg(long, value_name = "N", default_value_t = 2000)]
        count: u32,
        /// Seed of the cases [default: a random one, which is printed].
        #[arg(long, value_name = "N", value_parser = seed)]
        seed: Option<u64>,
        /// Number of the first case.
        #[arg(long, value_name = "N", default_value_t = 0)]
        first: u32,
    },
    /// Time how long a stack takes to be served beside clients that send nothing.
    Crowd {
        /// Silent clients.
        #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=100_000))]
        clients: u32,
        /// Stacks that are timed.
        #[arg(long, value_name = "N", default_value_t = 50)]
        starts: u32,
    },
}

/// Runs the test that `args` name, and returns the exit status.
///
/// # Errors
/// If it cannot run here.
pub(crate) fn main(args: &StressArgs) -> Result<Status, Failure> {
    let binaries = Binaries::find()?;
    Ok(match &args.what {
        What::Starts { count, depths } => starts(&binaries, *count, depths)?,
        What::Kills { count, seed, first } => kills(&binaries, seed.unwrap_or_else(some_seed), *first, *count)?,
        What::Crowd { clients, starts } => crowd(&binaries, *clients, *starts)?,
    })
}

fn some_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos())) % SHORT_SEEDS
}
