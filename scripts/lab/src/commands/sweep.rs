//! `lab sweep`: every combination of settings, each with several seeds, and what is estimated of them.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use netstack::settings::LineSettings;
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RUNS, examples};
use shared::process::json::say;
use shared::process::signals::Signals;
use shared::report::human;

use super::base::{BaseArgs, ClockArgs, RunsArgs, VaryArgs, check_meaning, complained};
use super::common::Failure;
use crate::flags::Given;
use crate::page::{Estimates, verdict};
use crate::points::axis::Axis;
use crate::points::output::{Row, apps_csv, document, legend, points_csv, rows, settings_of, size, table};
use crate::points::plan::Plan;
use crate::points::provenance::Provenance;
use crate::points::run::{Made, MakeError, Making, Only, Order};
use crate::points::store::Store;
use crate::points::table::{Points, TableFile};
use crate::progress::silence;
use crate::runner::sequence::ClockKind;
use crate::settings::RunSettings;
use crate::threshold::Thresholds;

/// The most points that are printed; the folder has all of them.
const MOST_PRINTED: usize = 40;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "Loss and latency by depth",
        "lab sweep --vary depth=1..64*2 --app poisson:load=0.9 --packets 2000 --out depths",
    ),
    (
        "By load, with five seeds each; after an interrupt it goes on",
        "lab sweep --vary app.load=0.5,0.9 --app poisson:load=1 --packets 500 --repetitions 5 --out loads",
    ),
    (
        "Only the table of runs, for machines that share the folder",
        "lab sweep --vary depth=4,16 --packets 1000 --out shared --dry-run",
    ),
]))]
pub(crate) struct SweepArgs {
    /// A plan: a TOML file with settings and what varies, as in scripts/plans.
    ///
    /// Flags win over it.
    #[arg(value_name = "PLAN.toml")]
    plan: Option<PathBuf>,

    #[command(flatten)]
    vary: VaryArgs,

    /// The folder of the results.
    ///
    /// It gets a file for each run, points.csv, apps.csv, points.md and sweep.json. Runs that it holds already are not
    /// made again, so the same command goes on after an interrupt.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_OUT", value_name = "DIR", overrides_with = "out")]
    out: PathBuf,

    /// Write the table of runs, and make none.
    ///
    /// The table is table.json in the folder; lab point makes one of its runs.
    #[arg(long, help_heading = RUNS)]
    dry_run: bool,

    /// Make only the runs that failed before.
    #[arg(long, help_heading = RUNS, value_name = "WHICH", value_enum)]
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
    silence(args.lines.quiet);
    let began = Timestamp::now();
    let (plan, base, axes) = args.question(given)?;
    let clock = args.clock.clock.or(plan.clock).unwrap_or(ClockKind::Virtual);
    check_meaning(clock, given, &plan.flags().collect::<Vec<_>>(), &axes)?;
    let thresholds = args.thresholds.with(plan.fail_if.clone());
    let (count, level) = (args.runs.count(plan.repetitions, plan.precision), args.runs.level.0);
    args.runs.check_meaning(count, clock, given)?;
    let mut set = Points::combinations(&base, clock, &axes)?.repeated(Making::at_first(count))?;
    set.points.iter().try_for_each(|point| thresholds.check_apps(point.settings.apps()))?;
    let written = TableFile::new(&set);
    let mut store = Store::open(&args.out, &written)?;
    if args.dry_run {
        store.write_json("table.json", &written)?;
        if !args.lines.quiet {
            say(None, planned(&set, store.folder()));
        }
        return Ok(Status::Fine);
    }
    if args.only.is_some() {
        set = last_table(&store, set)?;
    }
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
    let rows = rows(&set, made.estimates(&set, level).map_err(MakeError::from)?, &made.wide);
    store.write_text("points.csv", &points_csv(&set, &rows))?;
    store.write_text("apps.csv", &apps_csv(&set, &rows))?;
    let values = set.points.iter().map(|point| &*point.values);
    let estimates = rows.iter().map(|row| &row.estimated);
    let first = set.points.first().map(|point| (point.settings.in_report(), None));
    let verdict = verdict(&Estimates { keys: &set.keys, points: values.zip(estimates).collect(), first });
    store.write_text("points.md", &document(plan.title.as_deref(), &verdict, &set, &rows))?;
    Provenance::write(&store, plan.title, began, level, &made.wall_ns)?;
    if !args.lines.quiet {
        say(None, format!("{verdict}\n\n{}\n\n{}", settings_of(&set), answer(&set, &made, &rows, store.folder())));
    }
    let interrupted = if signals.have_come() { Status::Interrupted } else { Status::Fine };
    Ok(complained(&set, &made).or_worse(interrupted))
}

/// The same points with the runs of the last table in the folder: a precision may have added some.
fn last_table(store: &Store, set: Points) -> Result<Points, Failure> {
    let Some(text) = store.read_text("table.json")? else { return Ok(set) };
    let file = store.folder().join("table.json");
    let (_, last) = TableFile::parse(&text).map_err(|source| Failure::Table { file, source })?;
    let same = TableFile::new(&last).has_points_of(&TableFile::new(&set));
    Ok(if same { last } else { set })
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

/// What is printed below the verdict and the settings: how many runs there are, the table, and where everything is.
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
