//! The flags of commands that make a set of runs, in virtual or in real time.

use std::num::NonZero;
use std::thread;

use clap::{Args, CommandFactory};
use driver::settings::DriverSettings;
use netstack::settings::{SessionSettings, StackSettings};
use shared::process::exit::Status;
use shared::process::help::{RARE, RUNS};
use shared::process::output::complain;
use shared::process::settings::{Common, Waiting};
use shared::units::Percent;

use super::common::Failure;
use crate::flags::Given;
use crate::launch::{Binaries, Pinning};
use crate::points::axis::Axis;
use crate::points::run::{Count, Made};
use crate::points::table::Points;
use crate::runner::sequence::{ClockKind, Place};
use crate::settings::{RunSettings, SimulationSettings};

/// The settings of all points, real or simulated.
#[derive(Debug, Args)]
pub(crate) struct BaseArgs {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    stack: StackSettings,
    #[command(flatten)]
    driver: DriverSettings,
    #[command(flatten)]
    simulation: SimulationSettings,
    #[command(flatten)]
    real: RealArgs,
}

/// Settings that only runs in real time have.
#[derive(Debug, Args)]
struct RealArgs {
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    pinning: Pinning,
    #[command(flatten)]
    session: SessionSettings,
}

/// What varies.
#[derive(Debug, Args)]
pub(crate) struct VaryArgs {
    /// A setting that varies, such as depth=1..1024*2; repeatable.
    ///
    /// Every combination is a point. KEY is a flag without dashes, a part of one (stall.for), a key of all apps
    /// (app.load) or of one (app.web.load), or apps, which repeats those of --app. VALUES are separated by commas, or
    /// by | where a value has commas; 1..1024*2 and 0.1..0.9+0.2 are ranges; none leaves out a flag without a default,
    /// such as --stall.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_VARY", value_name = "KEY=VALUES", value_delimiter = ';')]
    pub(super) vary: Vec<Axis>,
}

/// By which clock the runs of a set are made.
#[derive(Debug, Args)]
pub(crate) struct ClockArgs {
    /// Whether runs are simulated, or made in real time. [default: virtual]
    ///
    /// virtual simulates in this process, exactly and fast; real runs both processes.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_CLOCK", value_name = "CLOCK", value_enum, overrides_with = "clock")]
    pub(super) clock: Option<ClockKind>,
}

/// How many runs of each point are made, and how many at once.
#[derive(Debug, Args)]
pub(crate) struct RunsArgs {
    /// Runs of each point, with consecutive seeds. [default: 1]
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_REPETITIONS", value_name = "N", conflicts_with = "precision",
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    repetitions: Option<u64>,

    /// As many runs of each point as this precision needs, such as 5%.
    ///
    /// The intervals of loss, mean sojourn and rate become that narrow.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_PRECISION", value_name = "PERCENT")]
    precision: Option<Percent>,

    /// The confidence of each interval.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_LEVEL", value_name = "PERCENT", default_value = "95%")]
    pub(crate) level: Percent,

    /// The most runs of a point with --precision.
    ///
    /// If an interval is still too wide then, a warning says so.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_MAX_REPLICATIONS", value_name = "N", default_value_t = 1000,
          value_parser = clap::value_parser!(u64).range(2..))]
    max_replications: u64,

    /// Simulations at once. [default: the number of CPUs]
    ///
    /// Runs in real time are made one after the other.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_JOBS", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
}

impl BaseArgs {
    /// The settings of every point before what varies is set.
    pub(super) fn settings(&self) -> RunSettings {
        let mut settings = RunSettings::new(&self.common, self.stack.clone(), &self.driver);
        settings.set_waiting(&self.real.waiting);
        settings.netstack.session = self.real.session.clone();
        settings.simulation = self.simulation;
        settings.set_quiet();
        settings
    }
}

/// Prints a line for each run that failed and for each condition that is true; returns the status that they give.
pub(super) fn complained(set: &Points, made: &Made) -> Status {
    for (run, fault) in made.faults() {
        complain(format_args!("lab: {} failed: {}", whose(set, run), fault.reason));
    }
    for (run, failure) in made.failures() {
        complain(format_args!("lab: {}: {failure}", whose(set, run)));
    }
    let beyond = if made.failures().next().is_some() { Status::Failed } else { Status::Fine };
    made.status().or_worse(beyond)
}

/// `depth=8 with seed 1`: the run of this number.
pub(super) fn whose(set: &Points, run: usize) -> String {
    let run = set.runs()[run];
    format!("{} with seed {}", set.name(run.point), run.seed)
}

/// Refuses a flag, a flag of a plan or a varied setting that has no meaning under `clock`.
pub(super) fn check_meaning(clock: ClockKind, given: &Given, planned: &[&str], axes: &[Axis]) -> Result<(), Failure> {
    let foreign = match clock {
        ClockKind::Virtual => RealArgs::augment_args(clap::Command::new("real")),
        ClockKind::Real => SimulationSettings::command(),
    };
    for arg in foreign.get_arguments() {
        let (id, Some(long)) = (arg.get_id().as_str(), arg.get_long()) else { continue };
        if given.has(id) || planned.contains(&long) || axes.iter().any(|axis| axis.key == long) {
            return Err(Failure::NoMeaning { flag: long.to_owned(), clock });
        }
    }
    Ok(())
}

impl RunsArgs {
    /// Refuses flags that have no meaning for `count` runs of each point, or by `clock`.
    pub(super) fn check_meaning(&self, count: Count, clock: ClockKind, given: &Given) -> Result<(), Failure> {
        let flag = |flag, remedy| Err(Failure::Flag { flag, remedy });
        if given.has("jobs") && clock == ClockKind::Real {
            return flag(
                "jobs",
                "runs in real time are made one after the other; leave it out, or use --clock virtual",
            );
        }
        match count {
            Count::Exactly(1) if given.has("level") => {
                flag("level", "one run has no intervals; add --repetitions or --precision, or leave it out")
            }
            Count::Exactly(_) if given.has("max_replications") => {
                flag("max-replications", "is the end of --precision; add --precision, or leave it out")
            }
            Count::Exactly(_) | Count::Until { .. } => Ok(()),
        }
    }

    /// How many runs a point has. What a plan says holds where no flag says otherwise.
    pub(super) fn count(&self, repetitions: Option<u64>, precision: Option<Percent>) -> Count {
        let until = |precision: Percent| Count::Until { precision: precision.0, at_most: self.max_replications };
        match (self.repetitions, self.precision, repetitions, precision) {
            (Some(count), ..) | (None, None, Some(count), _) => Count::Exactly(count),
            (None, Some(precision), ..) | (None, None, None, Some(precision)) => until(precision),
            (None, None, None, None) => Count::Exactly(1),
        }
    }

    /// Where the runs are made.
    ///
    /// # Errors
    /// If the programs of a real run are not there.
    pub(super) fn place(&self, clock: ClockKind, base: &BaseArgs) -> Result<Place, Failure> {
        Ok(match clock {
            ClockKind::Virtual => {
                let cpus = || thread::available_parallelism().map_or(1, NonZero::get);
                Place::Virtual { jobs: self.jobs.map_or_else(cpus, usize::from) }
            }
            ClockKind::Real => Place::Real(Box::new(Binaries::find()?.on(base.real.pinning.pin.cpus()))),
        })
    }
}
