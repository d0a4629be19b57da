//! `lab compare`: the same traffic under several settings, seed by seed, and what they differ by.

use std::env;

use clap::Args;
use netstack::device::Policy;
use netstack::settings::{DEFAULT_TXQUEUE, LineSettings};
use shared::process::exit::Status;
use shared::process::help::{RING, examples};
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::Output;
use shared::process::signals::Signals;
use shared::report::Origin;
use shared::units::Nanos;

use super::base::{BaseArgs, ClockArgs, RunsArgs, VaryArgs, check_meaning, complained, whose};
use super::common::{Failure, shortcomings};
use crate::comparison::{Comparison, head};
use crate::flags::Given;
use crate::points::axis::Axis;
use crate::points::run::{Made, MakeError, Making, Order};
use crate::points::setting::set;
use crate::points::store::Memory;
use crate::points::table::{Points, PointsError};
use crate::progress::silence;
use crate::runner::sequence::ClockKind;
use crate::threshold::Thresholds;

/// The key that varies unless a flag says otherwise, and its values.
const POLICY: &str = "policy";
const POLICIES: [&str; 4] = ["wait", "drop-newest", "drop-oldest", "deadline=5ms"];

/// The app where none is given, policies are compared and time is virtual. The usual one, bulk, is never blocked under
/// a policy that drops, so it would offer packets without end in no time.
const DEFAULT_APP: &str = "cbr:load=2";

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "What each policy loses and delays, if apps send twice what the link carries",
        "lab compare --app cbr:load=2 --link 100Mbit --depth 64 --packets 2000",
    ),
    (
        "What two depths differ by, with ten seeds of each",
        "lab compare --vary depth=8,64 --app poisson:load=0.9 --packets 2000 --repetitions 10",
    ),
    (
        "Two policies in real time, with both processes",
        "lab compare --clock real --policies wait,drop-newest --link 20Mbit --packets 200",
    ),
]))]
pub(crate) struct CompareArgs {
    #[command(flatten)]
    vary: VaryArgs,

    /// The policies to compare. [default, without --vary: all four]
    ///
    /// Short for --vary policy=..., in the order of the table. The default is wait, drop-newest, drop-oldest and
    /// deadline=5ms. Policies in virtual time have the app cbr:load=2 unless --app says otherwise: bulk, which is
    /// usual, is never blocked under a policy that drops, and would offer packets without end in no time.
    #[arg(long, help_heading = RING, value_name = "POLICY,...", value_delimiter = ',')]
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
    silence(args.lines.quiet);
    let json = args.output.json.as_ref();
    let origin = Origin::now();
    let clock = args.clock.clock.unwrap_or(ClockKind::Virtual);
    let axes = args.axes(given)?;
    check_meaning(clock, given, &[], &axes)?;
    let (count, level) = (args.runs.count(None, None), args.runs.level.0);
    args.runs.check_meaning(count, clock, given)?;
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
    let mut result = Comparison::new(&set, &made, &memory, level).map_err(MakeError::from)?;
    result.origin = origin;
    if result.runs.is_empty() {
        if signals.have_come() {
            complain("lab: interrupted before a run had ended");
        }
        return Ok(status);
    }
    complain_of_wide(&set, &made);
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
    let arrivals = result.different_arrivals().map_or(Ok(()), |digests| Err(Failure::Arrivals(digests)));
    Ok(status.after("lab", arrivals, Failure::status))
}

impl CompareArgs {
    /// What varies.
    fn axes(&self, given: &Given) -> Result<Vec<Axis>, Failure> {
        // A flag wins over what a variable of the environment lets vary.
        let vary = if self.policies.is_empty() || given.has("vary") { &self.vary.vary[..] } else { &[] };
        if !self.policies.is_empty() && !vary.is_empty() {
            let remedy = "is short for --vary policy=..., and there are other settings that vary; write it like these";
            return Err(Failure::Flag { flag: "policies", remedy });
        }
        let policies: Vec<String> = match (&self.policies[..], vary.is_empty()) {
            ([], false) => Vec::new(),
            ([], true) => POLICIES.map(str::to_owned).into(),
            (policies, _) => policies.iter().map(ToString::to_string).collect(),
        };
        let mut axes = vary.to_vec();
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

/// Warns of settings whose intervals are wider than --precision asks for.
fn complain_of_wide(set: &Points, made: &Made) {
    for point in &made.wide {
        complain(format_args!(
            "lab: warning: {}: its intervals are still wider than --precision after {} runs; raise --max-replications, \
             or make the runs longer",
            set.name(*point),
            set.runs_of(*point).len()
        ));
    }
}
