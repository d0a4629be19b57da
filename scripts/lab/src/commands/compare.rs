//! `lab compare`: the same traffic under several settings, seed by seed, and what they differ by.

use std::collections::BTreeMap;
use std::env;

use clap::Args;
use netstack::device::Policy;
use netstack::settings::{DEFAULT_TXQUEUE, LineSettings};
use serde::Serialize;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::Output;
use shared::process::signals::Signals;
use shared::report::{RunReport, human};
use shared::units::Nanos;

use super::base::{BaseArgs, ClockArgs, RunsArgs, VaryArgs, check_meaning, complained, whose};
use super::common::{Failure, shortcomings};
use crate::flags::Given;
use crate::points::axis::Axis;
use crate::points::difference::{Difference, Pair};
use crate::points::estimate::Estimated;
use crate::points::output::{COLUMNS, compared};
use crate::points::run::{Made, MakeError, Making, Order};
use crate::points::setting::set;
use crate::points::store::Memory;
use crate::points::table::{Points, PointsError, TableFile};
use crate::points::verdict::{Best, best, sentence};
use crate::replay::COMPARE_SCHEMA;
use crate::report::story::{Told, story};
use crate::report::table;
use crate::runner::sequence::ClockKind;
use crate::threshold::Thresholds;

/// The key that varies unless a flag says otherwise, and its values.
const POLICY: &str = "policy";
const POLICIES: [&str; 4] = ["wait", "drop-newest", "drop-oldest", "deadline=5ms"];

/// The app where none is given, policies are compared and time is virtual. The usual one, bulk, is never blocked under a
/// policy that drops, so it would offer packets without end in no time.
const DEFAULT_APP: &str = "cbr:load=2";

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    vary: VaryArgs,

    /// Short for --vary policy=...: the policies, in the order of the table. [default, without --vary: wait,
    /// drop-newest, drop-oldest, deadline=5ms]
    ///
    /// Policies in virtual time have the app cbr:load=2 unless --app says otherwise: bulk, which is usual, is never
    /// blocked under a policy that drops, and would offer packets without end in no time.
    #[arg(long, value_name = "POLICY,...", value_delimiter = ',')]
    policies: Vec<Policy>,

    #[command(flatten)]
    clock: ClockArgs,
    #[command(flatten)]
    runs: RunsArgs,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    lines: LineSettings,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    output: Output,
}

/// Makes the runs of all settings and compares them; returns the exit status.
///
/// # Errors
/// If there was nothing to run, or if the runs cannot be compared.
pub(crate) fn main(args: &CompareArgs, given: &Given) -> Result<Status, Failure> {
    let json = args.output.json.as_ref();
    let clock = args.clock.clock.unwrap_or(ClockKind::Virtual);
    let axes = args.axes(given)?;
    check_meaning(clock, given, &axes)?;
    let (count, level) = (args.runs.count(None, None), args.runs.level.0);
    let default_app = args.needs_app(clock, &axes, given);
    let mut set = args.points(clock, &axes, default_app)?.repeated(Making::at_first(count))?;
    set.points.iter().try_for_each(|point| args.thresholds.check_apps(point.settings.apps()))?;
    let sink = json.map(JsonTarget::open).transpose()?;
    let place = args.runs.place(clock, &args.base)?;
    let (mut signals, mut memory) = (Signals::new()?, Memory::default());
    let mut making = Making {
        place: &place,
        keep: &mut memory,
        count,
        level,
        order: Order::Paired,
        only: None,
        thresholds: &args.thresholds,
    };
    let made = making.make(&mut set, &mut signals)?;
    let status = complained(&set, &made);
    let status = status.or_worse(if signals.have_come() { Status::Interrupted } else { Status::Fine });
    let result = Comparison::new(&set, &made, &memory, level)?;
    if result.runs.is_empty() {
        if signals.have_come() {
            complain("lab: interrupted before a run had ended");
        }
        return Ok(status);
    }
    result.complain_of_wide(&made);
    let written = sink.map_or(Ok(()), |sink| sink.write(&result));
    if args.lines.quiet {
        result.reports().for_each(|(run, report)| shortcomings(report, &format!("{}: ", whose(&set, run))));
    } else {
        let note =
            if default_app { format!(" The app is {DEFAULT_APP}, because none is given.") } else { String::new() };
        say(json, format_args!("{}{note}\n\n{}", head(&set, &made), result.text()));
    }
    let fruitless = result.runs.iter().any(|run| run.is_fruitless());
    let status = status.or_worse(if fruitless { Status::Failed } else { Status::Fine });
    let status = status.after("lab", written.map_err(Failure::from), Failure::status);
    Ok(status.after("lab", result.one_arrivals(), Failure::status))
}

impl CompareArgs {
    /// What varies.
    fn axes(&self, given: &Given) -> Result<Vec<Axis>, Failure> {
        let vary = &self.vary.vary;
        if !self.policies.is_empty() && !vary.is_empty() {
            let remedy = "is short for --vary policy=..., and there are other settings that vary; write it like these";
            return Err(Failure::Flag { flag: "policies", remedy });
        }
        let policies: Vec<String> = match (&self.policies[..], vary.is_empty()) {
            ([], false) => Vec::new(),
            ([], true) => POLICIES.map(str::to_owned).into(),
            (policies, _) => policies.iter().map(ToString::to_string).collect(),
        };
        let mut axes = vary.clone();
        if !policies.is_empty() {
            axes.push(Axis::new(POLICY, policies.iter().map(String::as_str)).map_err(Failure::Policies)?);
        }
        if given.has(POLICY) && axes.iter().any(|axis| axis.key == POLICY) {
            let remedy = "is what varies; list the policies with --policies, or vary another setting with --vary";
            return Err(Failure::Flag { flag: POLICY, remedy });
        }
        Ok(axes)
    }

    /// Whether [`DEFAULT_APP`] is used.
    fn needs_app(&self, clock: ClockKind, axes: &[Axis], given: &Given) -> bool {
        let is_given = given.has("apps") || env::var_os("PUSHBACK_APP").is_some();
        let varies = |key: &str| axes.iter().any(|axis| axis.key == key);
        let timeless = self.base.settings().simulation.stack_cost == Nanos::ZERO && !varies("stack-cost");
        clock == ClockKind::Virtual && !is_given && timeless && varies(POLICY) && !varies("app")
    }

    fn points(&self, clock: ClockKind, axes: &[Axis], default_app: bool) -> Result<Points, Failure> {
        let mut base = self.base.settings();
        if default_app {
            base = set(&base, &[("app", DEFAULT_APP)]).map_err(PointsError::from)?;
        }
        let mut set = Points::combinations(&base, clock, axes)?;
        for point in &mut set.points {
            let stack = &mut point.settings.netstack.stack;
            // A policy without a transmit queue must not record a size for one.
            if !stack.policy.has_queue() {
                stack.layers.txqueue = DEFAULT_TXQUEUE;
            }
        }
        Ok(set)
    }
}

/// What varies, with the values of a setting.
type Values = BTreeMap<String, String>;

/// The result, and the file that `--json` writes.
#[derive(Debug, Serialize)]
struct Comparison<'a> {
    /// [`COMPARE_SCHEMA`].
    schema: &'static str,
    /// What varies, for each of `runs`.
    settings: Vec<Values>,
    /// What each setting but the first differs by from the first.
    differences: Vec<Apart>,
    /// `None` if fewer than two settings have a run.
    verdict: Option<Verdict>,
    /// The reports: all of the first setting in the order of their seeds, then all of the second, and so on.
    runs: Vec<&'a RunReport>,
    /// The number of each of `runs` in the set.
    #[serde(skip)]
    numbers: Vec<usize>,
    #[serde(skip)]
    set: &'a Points,
    /// What the settings are called.
    #[serde(skip)]
    names: Vec<String>,
    #[serde(skip)]
    estimates: Vec<Estimated>,
    /// In the order of `differences` and of [`COLUMNS`].
    #[serde(skip)]
    by_column: Vec<Vec<Difference>>,
    #[serde(skip)]
    level: f64,
}

/// What a setting differs by from the reference.
#[derive(Debug, Serialize)]
struct Apart {
    setting: Values,
    reference: Values,
    figures: BTreeMap<&'static str, FigureApart>,
}

/// The difference in one figure, in its base unit.
#[derive(Debug, Serialize)]
struct FigureApart {
    difference: Option<f64>,
    lower: Option<f64>,
    upper: Option<f64>,
    /// Over how many seeds.
    pairs: u64,
    /// Whether it is shown not to be 0; null if there is one pair of random runs.
    shown: Option<bool>,
}

#[derive(Debug, Serialize)]
struct Verdict {
    text: String,
    best: Vec<BestIn>,
}

/// The settings that are best in a figure.
#[derive(Debug, Serialize)]
struct BestIn {
    figure: &'static str,
    settings: Vec<Values>,
    /// Whether they are shown to be better than the others; false if there are no others, null if there is one random
    /// run of each.
    shown: Option<bool>,
}

impl<'a> Comparison<'a> {
    fn new(set: &'a Points, made: &Made, memory: &'a Memory, level: f64) -> Result<Self, Failure> {
        let table = TableFile::new(set);
        let digests: Vec<_> = table.digests().collect();
        let report = |run: &usize| -> Option<&'a RunReport> {
            match memory.result(digests[*run])? {
                Ok(report) => Some(report),
                // Evidence of what is wrong, which is not part of the estimates.
                Err(fault) => fault.report.as_deref(),
            }
        };
        let numbers = (0..set.points.len()).flat_map(|point| set.runs_of(point).iter().copied());
        let numbers: Vec<usize> = numbers.filter(|run| report(run).is_some()).collect();
        let estimates = made.estimates(set, level).map_err(MakeError::from)?;
        let by_column = (1..set.points.len()).map(|point| {
            let pair = Pair { set, samples: &made.samples, level, point, reference: 0 };
            COLUMNS.iter().map(|(_, key, _)| pair.difference(key)).collect()
        });
        let by_column: Vec<Vec<Difference>> = by_column.collect::<Result<_, _>>().map_err(MakeError::from)?;
        let names: Vec<_> = (0..set.points.len()).map(|point| name(set, point)).collect();
        let best = best(set, &made.samples, &estimates, level).map_err(MakeError::from)?;
        let differences = by_column.iter().zip(1..).map(|(differences, point)| apart(set, point, differences));
        Ok(Self {
            schema: COMPARE_SCHEMA,
            settings: numbers.iter().map(|run| values(set, set.runs()[*run].point)).collect(),
            differences: differences.collect(),
            verdict: verdict(set, &best, &names),
            runs: numbers.iter().filter_map(report).collect(),
            numbers,
            set,
            names,
            estimates,
            by_column,
            level,
        })
    }

    /// The reports, each with the number of its run.
    fn reports(&self) -> impl Iterator<Item = (usize, &'a RunReport)> {
        self.numbers.iter().copied().zip(self.runs.iter().copied())
    }

    /// The settings that have a report.
    fn told(&self) -> Vec<Told<'a>> {
        let of_point = |(point, name): (usize, &String)| {
            let runs = self.reports().filter(|(run, _)| self.set.runs()[*run].point == point);
            Told { name: name.clone(), runs: runs.map(|(_, report)| report).collect() }
        };
        self.names.iter().enumerate().map(of_point).filter(|told| !told.runs.is_empty()).collect()
    }

    /// The verdict, the figures, and what explains them.
    fn text(&self) -> String {
        let told = self.told();
        let repeated = told.iter().any(|told| told.runs.len() > 1);
        let mut text = String::new();
        if let Some(verdict) = &self.verdict {
            let by_chance = !repeated && (0..self.set.points.len()).any(|point| self.set.has_noise(point));
            let caution =
                if by_chance { " With one run of each, some of it may be chance: see --repetitions." } else { "" };
            text += &format!("{}{caution}\n\n", verdict.text);
        }
        text += &if repeated {
            format!(
                "{}\n\nBehind +- is half the width of an interval that holds at {}. A difference is that of runs with \
                 the same seed; of a loss it is in percentage points. Sojourn is from acceptance to completion; latency \
                 is from the intended time to completion.",
                compared(&self.names, &self.estimates, &self.by_column),
                human::percent(self.level)
            )
        } else {
            let columns = told.iter().flat_map(|told| told.runs.iter().map(|run| (told.name.clone(), *run)));
            table::compared(&columns.collect::<Vec<_>>())
        };
        text + "\n\n" + &story(&told, self.set.keys == [POLICY]).join("\n")
    }

    /// Warns of settings whose intervals are wider than --precision asks for.
    fn complain_of_wide(&self, made: &Made) {
        for point in &made.wide {
            complain(format_args!(
                "lab: warning: {}: its intervals are still wider than --precision after {} runs; raise \
                 --max-replications, or make the runs longer",
                self.names[*point],
                self.set.runs_of(*point).len()
            ));
        }
    }

    /// Checks that runs with the same seed, apps and link had the same arrivals; otherwise they cannot be compared.
    fn one_arrivals(&self) -> Result<(), Failure> {
        let mut first: BTreeMap<(u64, String), &str> = BTreeMap::new();
        for (number, report) in self.reports() {
            let run = self.set.runs()[number];
            let settings = &self.set.points[run.point].settings;
            let apps = settings.apps().iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            let digest = report.arrivals_digest.as_str();
            let other = *first.entry((run.seed, format!("{} {apps}", settings.hardware().link))).or_insert(digest);
            if other != digest {
                return Err(Failure::Arrivals(format!("{other}, {digest}")));
            }
        }
        Ok(())
    }
}

/// `In virtual time: 4 settings, 10 runs each, seeds 1 to 10.`
fn head(set: &Points, made: &Made) -> String {
    let counts = || (0..set.points.len()).map(|point| set.runs_of(point).len());
    let (least, most) = (counts().min().unwrap_or(0), counts().max().unwrap_or(0));
    let settings = if set.points.len() == 1 { "setting" } else { "settings" };
    let runs = match (least, most) {
        (1, 1) => "1 run each".to_owned(),
        (least, most) if least == most => format!("{} runs each", human::count(most as u64)),
        (least, most) => format!("{} to {} runs each", human::count(least as u64), human::count(most as u64)),
    };
    let first = set.base.seed();
    let seeds =
        if most > 1 { format!("seeds {first} to {}", first + most as u64 - 1) } else { format!("seed {first}") };
    let mut text = format!("In {} time: {} {settings}, {runs}, {seeds}", set.clock, set.points.len());
    for (count, what) in [(made.faults().count(), "failed"), (made.missing(), "not made")] {
        if count > 0 {
            text += &format!("; {} {what}", human::count(count as u64));
        }
    }
    text + "."
}

/// What a setting is called: its policy if nothing else varies, or what varies with its value.
fn name(set: &Points, point: usize) -> String {
    if set.keys == [POLICY] { set.points[point].values.concat() } else { set.name(point) }
}

fn values(set: &Points, point: usize) -> Values {
    set.keys.iter().cloned().zip(set.points[point].values.iter().cloned()).collect()
}

fn apart(set: &Points, point: usize, differences: &[Difference]) -> Apart {
    let figures = COLUMNS.iter().zip(differences).map(|((_, key, _), difference)| {
        let bounds = difference.estimate.bounds;
        let apart = FigureApart {
            difference: difference.estimate.mean,
            lower: bounds.map(|(low, _)| low),
            upper: bounds.map(|(_, high)| high),
            pairs: difference.pairs,
            shown: difference.shown,
        };
        (*key, apart)
    });
    Apart { setting: values(set, point), reference: values(set, 0), figures: figures.collect() }
}

fn verdict(set: &Points, best: &[Best], names: &[String]) -> Option<Verdict> {
    let best_in = |best: &Best| BestIn {
        figure: best.criterion.key,
        settings: best.points.iter().map(|point| values(set, *point)).collect(),
        shown: best.is_sure.then_some(!best.are_all),
    };
    Some(Verdict { text: sentence(best, names)?, best: best.iter().map(best_in).collect() })
}
