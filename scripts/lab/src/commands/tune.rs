//! `lab tune`: how deep must the ring be?

use std::env;

use clap::Args;
use netstack::device::Policy;
use netstack::settings::LineSettings;
use shared::process::exit::Status;
use shared::process::help::{RUNS, examples};
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::Output;
use shared::process::signals::Signals;
use shared::report::{Origin, human};
use shared::units::Nanos;

use super::base::{BaseArgs, RunsArgs, check_meaning};
use super::common::Failure;
use crate::flags::{Given, repeating_command};
use crate::points::run::Count;
use crate::progress::silence;
use crate::runner::sequence::{ClockKind, Place};
use crate::settings::RunSettings;
use crate::tune::{Answer, Bench, Limits, Real, Tried, TuneError, Waiting, measure_wake_latency};

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "How deep must the ring be for bursts of 1.6 Gbit/s, if at most 0.1 % may be lost?",
        "lab tune --max-loss 0.1% --app onoff:rate=1600Mbit,on=2ms,off=6ms --packets 5000 --no-confirm",
    ),
    (
        "The same for a rate, if senders wait and the hardware completes frames in batches",
        "lab tune --min-goodput 900Mbit --policy wait --coalesce frames=32,for=50us --duration 100ms",
    ),
    (
        "With a limit on the latency too, and the answer as JSON",
        "lab tune --max-loss 1% --max-p99 2ms --app poisson:load=0.7 --packets 2000 --json tune.json",
    ),
]))]
pub(crate) struct TuneArgs {
    #[command(flatten)]
    limits: Limits,

    /// The deepest ring to try.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_MAX_DEPTH", value_name = "N", default_value_t = 65_536, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    max_depth: u32,

    /// Try every depth up to --max-depth.
    ///
    /// The answer is the smallest from which on all meet the limits.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_EXHAUSTIVE")]
    exhaustive: bool,

    /// Make no runs in real time at the depth that was found.
    ///
    /// Without this flag, both processes run at that depth and its neighbours.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_NO_CONFIRM")]
    no_confirm: bool,

    #[command(flatten)]
    runs: RunsArgs,
    #[command(flatten)]
    base: BaseArgs,
    #[command(flatten)]
    lines: LineSettings,
    #[command(flatten)]
    output: Output,
}

/// Searches, confirms and answers; returns the exit status: 1 if no depth meets the limits. Runs in real time that do
/// not are in the answer's first line and not in the status: the machine may have set their result.
///
/// # Errors
/// If a run cannot be made.
pub(crate) fn main(args: &TuneArgs, given: &Given) -> Result<Status, Failure> {
    silence(args.lines.quiet);
    let json = args.output.json.as_ref();
    let origin = Origin::now();
    args.runs.check_meaning(args.runs.count(None, None), ClockKind::Virtual, given)?;
    let settings = args.settings(given)?;
    let sink = json.map(JsonTarget::open).transpose()?;
    // Fails before the search if the programs for the confirmation are not there.
    let real = if args.no_confirm { None } else { Some(args.runs.place(ClockKind::Real, &args.base)?) };
    let simulated = args.runs.place(ClockKind::Virtual, &args.base)?;
    let mut signals = Signals::new()?;
    let mut answer = args.answer(&settings, &simulated, &mut signals)?;
    answer.origin = origin;
    // The answer stands without its confirmation, so it is written whatever becomes of that.
    let confirmed = match (answer.depth(), &real) {
        (Some(depth), Some(real)) => {
            args.confirmed(&settings, real, depth, &mut signals).map(|real| answer.confirm(real))
        }
        _ => Ok(()),
    };
    if let Err(why) = &confirmed {
        answer.warn(format!("not confirmed in real time: {why}"));
    }
    let written = sink.map_or(Ok(()), |sink| sink.write(&answer));
    if !args.lines.quiet {
        say(json, answer.text());
    } else if answer.depth().is_none() {
        // Its first line is the reason.
        complain(format_args!("lab: {}", answer.text().lines().next().unwrap_or_default()));
    }
    let status = if answer.depth().is_some() { Status::Fine } else { Status::Failed };
    let status = status.after("lab", confirmed.map_err(Failure::from), Failure::status);
    Ok(status.after("lab", written.map_err(Failure::from), Failure::status))
}

impl TuneArgs {
    /// The settings that the flags describe, without a depth.
    fn settings(&self, given: &Given) -> Result<RunSettings, Failure> {
        if given.has("depth") {
            return Err(Failure::Flag { flag: "depth", remedy: "is what tune looks for; limit it with --max-depth" });
        }
        if self.no_confirm {
            check_meaning(ClockKind::Virtual, given, &[], &[])?;
        }
        if env::var_os("PUSHBACK_DEPTH").is_some() {
            complain("lab: warning: PUSHBACK_DEPTH is ignored: lab tune looks for the depth");
        }
        let mut settings = self.base.settings();
        // By default the ring waits, and then nothing is lost at any depth.
        if !given.has("policy") && env::var_os("PUSHBACK_POLICY").is_none() {
            settings.netstack.stack.policy = Policy::DropNewest;
        }
        let set = given.has("wake_latency") || env::var_os("PUSHBACK_WAKE_LATENCY").is_some();
        if !set && !self.no_confirm {
            settings.simulation.wake_latency = measure_wake_latency()?;
            let latency = human::time(settings.simulation.wake_latency.0 as f64);
            if !self.lines.quiet {
                complain(format_args!("lab: waking a process takes {latency} on this machine (--wake-latency)"));
            }
        }
        Ok(settings)
    }

    fn answer(&self, settings: &RunSettings, simulated: &Place, signals: &mut Signals) -> Result<Answer, TuneError> {
        let count = self.runs.count(None, None);
        let level = self.runs.level.0;
        let mut bench = Bench::new(settings, simulated, (count, level), signals);
        let found = bench.find(&self.limits, self.max_depth, self.exhaustive)?;
        let depths: Vec<u32> = found.tried.keys().copied().collect();
        // These runs have been made: their results are kept.
        let points = depths.iter().zip(bench.at(&depths)?);
        let points = points.map(|(depth, point)| Tried::new(*depth, "virtual", &point, &self.limits)).collect();
        let (mut simulations, wide) = (bench.depths_run, bench.wide);
        let waiting = self.waiting(settings, simulated, (count, level), signals, &mut simulations)?;
        let mut answer = Answer::new(settings, &found, points, simulations);
        answer.set_waiting(waiting);
        if wide {
            answer.warn("an interval is still wider than --precision after --max-replications runs".to_owned());
        }
        if let Some(depth) = answer.depth() {
            answer.set_command(command(settings, depth)?);
        }
        Ok(answer)
    }

    /// What waiting gives instead; `None` if the policy waits already.
    fn waiting(
        &self,
        settings: &RunSettings,
        place: &Place,
        judged: (Count, f64),
        signals: &mut Signals,
        simulations: &mut usize,
    ) -> Result<Option<Waiting>, TuneError> {
        if settings.stack().policy == Policy::Wait {
            return Ok(None);
        }
        let mut waiting = settings.clone();
        waiting.netstack.stack.policy = Policy::Wait;
        let mut bench = Bench::new(&waiting, place, judged, signals);
        let found = bench.find_rate()?;
        *simulations += bench.depths_run;
        Ok(found.map(|(depth, point)| Waiting::new(depth, &point)))
    }

    /// Runs in real time at `depth` and its neighbours.
    fn confirmed(
        &self,
        settings: &RunSettings,
        place: &Place,
        depth: u32,
        signals: &mut Signals,
    ) -> Result<Real, TuneError> {
        let mut settings = settings.clone();
        settings.simulation.wake_latency = Nanos::ZERO;
        let depths: Vec<u32> = (depth.saturating_sub(1).max(1)..=depth.saturating_add(1).min(65_536)).collect();
        let judged = (self.runs.count(None, None), self.runs.level.0);
        let points = Bench::new(&settings, place, judged, signals).at(&depths)?;
        Ok(depths.iter().zip(points).map(|(depth, point)| Tried::new(*depth, "real", &point, &self.limits)).collect())
    }
}

/// The command that shows the simulation at `depth`.
fn command(settings: &RunSettings, depth: u32) -> Result<String, TuneError> {
    let settings = crate::points::setting::set(settings, &[("depth", &depth.to_string())])?;
    Ok(repeating_command("virtual", &settings.in_report()))
}
