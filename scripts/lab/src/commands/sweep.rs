//! `lab sweep`: every combination of settings, each with several seeds, and what is estimated of them.

use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use netstack::settings::LineSettings;
use serde::{Deserialize, Serialize};
use shared::process::exit::Status;
use shared::process::json::say;
use shared::process::signals::Signals;
use shared::report::{HostReport, human};

use super::base::{BaseArgs, ClockArgs, RunsArgs, VaryArgs, check_meaning, complained};
use super::common::Failure;
use crate::flags::Given;
use crate::points::axis::Axis;
use crate::points::estimate::Estimated;
use crate::points::output::{Row, apps_csv, points_csv, table};
use crate::points::plan::Plan;
use crate::points::run::{Made, MakeError, Making, Only, Order};
use crate::points::store::{Store, StoreError};
use crate::points::table::{Points, TableFile, program};
use crate::runner::sequence::ClockKind;
use crate::settings::RunSettings;
use crate::threshold::Thresholds;

/// Schema of the file that says when, where and by which command a sweep was made.
const SWEEP_SCHEMA: &str = "pushback.sweep/1";

/// The most points that are printed; the folder has all of them.
const MOST_PRINTED: usize = 40;

#[derive(Debug, Args)]
pub(crate) struct SweepArgs {
    /// A plan: a TOML file with settings and what varies, as in scripts/plans. Flags win over it.
    #[arg(value_name = "PLAN.toml")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    vary: VaryArgs,

    /// The folder of the results: a file for each run, points.csv, apps.csv, points.md and sweep.json.
    ///
    /// Runs that it holds already are not made again, so the same command goes on after an interrupt.
    #[arg(long, env = "PUSHBACK_OUT", value_name = "DIR", overrides_with = "out")]
    out: PathBuf,

    /// Write the table of runs to table.json in the folder, and make none: lab point makes one of them.
    #[arg(long)]
    dry_run: bool,

    /// Make only the runs that failed before.
    #[arg(long, value_name = "WHICH", value_enum)]
    only: Option<Only>,

    #[command(flatten)]
    clock: ClockArgs,
    #[command(flatten)]
    runs: RunsArgs,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    lines: LineSettings,
}

/// Makes the runs and estimates; returns the exit status.
///
/// # Errors
/// If there is nothing to run, or the results cannot be kept.
pub(crate) fn main(args: &SweepArgs, given: &Given) -> Result<Status, Failure> {
    let began = Timestamp::now();
    let (plan, base, axes) = args.question(given)?;
    let clock = args.clock.clock.or(plan.clock).unwrap_or(ClockKind::Virtual);
    check_meaning(clock, given, &axes)?;
    let (count, level) = (args.runs.count(plan.repetitions, plan.precision), args.runs.level.0);
    let mut set = Points::combinations(&base, clock, &axes)?.repeated(Making::at_first(count))?;
    let written = TableFile::new(&set);
    let mut store = Store::open(&args.out, &written)?;
    if args.dry_run {
        store.write_json("table.json", &written)?;
        say(None, planned(&set, store.folder()));
        return Ok(Status::Fine);
    }
    let thresholds = args.thresholds.with(plan.fail_if.clone());
    set.points.iter().try_for_each(|point| thresholds.check_apps(point.settings.apps()))?;
    let place = args.runs.place(clock, &args.base)?;
    let mut signals = Signals::new()?;
    let mut making = Making {
        place: &place,
        keep: &mut store,
        count,
        level,
        order: Order::Mixed,
        only: args.only,
        thresholds: &thresholds,
    };
    let made = making.make(&mut set, &mut signals)?;
    let rows = rows(&set, &made, level)?;
    let text = document(&plan, &set, &rows);
    store.write_text("points.csv", &points_csv(&set, &rows))?;
    store.write_text("apps.csv", &apps_csv(&set, &rows))?;
    store.write_text("points.md", &text)?;
    store.write_json("sweep.json", &Provenance::new(began, &made, &store)?)?;
    if !args.lines.quiet {
        say(None, answer(&set, &made, &rows, store.folder()));
    }
    let interrupted = if signals.have_come() { Status::Interrupted } else { Status::Fine };
    Ok(complained(&set, &made).or_worse(interrupted))
}

impl SweepArgs {
    /// The plan, the settings of all points and what varies. What the command line says replaces what the plan says.
    fn question(&self, given: &Given) -> Result<(Plan, RunSettings, Vec<Axis>), Failure> {
        let Some(file) = &self.plan else { return Ok((Plan::default(), self.base.settings(), self.vary.vary.clone())) };
        let plan = Plan::read(file)?;
        let mut base = plan.settings(file, given)?;
        base.set_quiet();
        let mut axes = plan.axes(file)?;
        axes.retain(|axis| !self.vary.vary.iter().any(|other| other.key == axis.key));
        axes.extend(self.vary.vary.iter().cloned());
        Ok((plan, base, axes))
    }
}

fn rows(set: &Points, made: &Made, level: f64) -> Result<Vec<Row>, Failure> {
    let row = |(point, estimated): (usize, Estimated)| {
        let missing = estimated.runs + estimated.failed < set.runs_of(point).len();
        let codes = [
            ("RUN_FAILED", estimated.failed > 0),
            ("NOT_RUN", missing),
            ("THRESHOLD", estimated.beyond_thresholds > 0),
            ("INTERVAL_TOO_WIDE", made.wide.contains(&point)),
        ];
        let verdicts = codes.into_iter().filter(|(_, holds)| *holds).map(|(code, _)| code).collect();
        Row { point, estimated, verdicts }
    };
    let estimates = made.estimates(set, level).map_err(MakeError::from)?;
    Ok(estimates.into_iter().enumerate().map(row).collect())
}

/// What `--dry-run` says.
fn planned(set: &Points, folder: &Path) -> String {
    let table = folder.join("table.json");
    format!(
        "{} in {} time. The table is {}; lab point {} --index 0 makes the first one, and lab sweep with the same flags \
         the rest",
        size(set),
        set.clock,
        table.display(),
        table.display()
    )
}

/// `20 points, 60 runs`.
fn size(set: &Points) -> String {
    let count = |count: usize, what: &str| {
        let ending = if count == 1 { "" } else { "s" };
        format!("{} {what}{ending}", human::count(count as u64))
    };
    format!("{}, {}", count(set.points.len(), "point"), count(set.runs().len(), "run"))
}

/// `points.md`: it depends on the runs alone, not on when and where they were made.
fn document(plan: &Plan, set: &Points, rows: &[Row]) -> String {
    let title = plan.title.as_deref().unwrap_or("Sweep");
    format!("# {title}\n\n{} in {} time.\n\n{}\n\n{}\n", size(set), set.clock, table(set, rows), legend(set))
}

/// What the columns mean.
fn legend(set: &Points) -> String {
    let several = set.runs().len() > set.points.len();
    let widths =
        if several { " A figure after +- is half the width of its interval; < is an upper bound." } else { "" };
    format!("Sojourn is from acceptance to completion; latency is from the intended time to completion.{widths}")
}

/// What is printed: the result in a line, the table, and where everything is.
fn answer(set: &Points, made: &Made, rows: &[Row], folder: &Path) -> String {
    let failed = made.faults().count();
    let missing = made.missing();
    let mut head = format!("{} in {} time: {} made", size(set), set.clock, human::count(made.new as u64));
    for (count, what) in [(made.found, "found"), (failed, "failed"), (missing, "not made")] {
        if count > 0 {
            head += &format!(", {} {what}", human::count(count as u64));
        }
    }
    let run: Vec<_> = rows.iter().filter(|row| row.estimated.runs + row.estimated.failed > 0).cloned().collect();
    let more = run.len().saturating_sub(MOST_PRINTED);
    let shown = table(set, &run[..run.len() - more]);
    let more = if more > 0 { format!("\n\n{more} more points are in points.md.") } else { String::new() };
    let rest = if missing > 0 { "\nThe same command makes the rest." } else { "" };
    format!("{head}\n\n{shown}{more}\n\n{}\n\nResults: {}{rest}", legend(set), folder.display())
}

/// When, where and how a sweep was made: all that differs from one time to the next.
#[derive(Debug, Serialize)]
struct Provenance {
    /// [`SWEEP_SCHEMA`].
    schema: &'static str,
    /// When the last command began and ended.
    began: String,
    ended: String,
    /// The command line.
    command: Vec<String>,
    program: String,
    host: HostReport,
    /// How long each run took, by the name of its file, also those of earlier commands.
    wall_ns: BTreeMap<String, u64>,
}

/// The part of it that the next command keeps.
#[derive(Default, Deserialize)]
struct Earlier {
    #[serde(default)]
    wall_ns: BTreeMap<String, u64>,
}

impl Provenance {
    fn new(began: Timestamp, made: &Made, store: &Store) -> Result<Self, StoreError> {
        let text = store.read_text("sweep.json")?.unwrap_or_default();
        // A file that is not of this schema is replaced.
        let mut wall_ns = serde_json::from_str::<Earlier>(&text).unwrap_or_default().wall_ns;
        wall_ns.extend(made.wall_ns.clone());
        Ok(Self {
            schema: SWEEP_SCHEMA,
            began: began.to_string(),
            ended: Timestamp::now().to_string(),
            command: env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect(),
            program: program(),
            host: HostReport::read(),
            wall_ns,
        })
    }
}
