//! Replications: the same setting under one seed after the other, until the means are known well enough.

use std::collections::VecDeque;
use std::num::NonZero;
use std::thread;

use shared::exec::{StopHandle, Virtual};
use shared::report::{Ending, EstimateReport, FigureReport, RunReport, TheoryReport, Warning, WarningCode, human};
use shared::settings::MAX_EXACT;

use super::judge::{Figures, Sample, Terms, beside, judge};
use super::{Scenario, SimulateError, measure, simulate_on, theory_of};
use crate::theory::applies::{Entry, Fit, Loss};
use crate::theory::estimate::{Replications, Stopping, Verdict, never_in};
use crate::theory::{ParameterError, Prediction};

/// Two or three runs that agree by luck would stop the procedure.
const AT_LEAST: u64 = 10;

/// How well a mean must be known to support a prediction, if no precision was asked for.
pub const DEFAULT_PRECISION: f64 = 0.01;

/// How often to repeat, and how sure to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeat {
    /// The level of the interval of each figure (0 to 1).
    pub level: f64,
    /// Wanted half-width, relative to the mean.
    pub precision: Option<f64>,
    /// So many runs, whatever comes of them; without it, as many as the precision takes.
    pub runs: Option<u64>,
    /// Runs after which it gives up.
    pub at_most: u64,
}

/// What came of replicating.
#[derive(Debug)]
pub struct Replicated {
    /// The first run's report, with the estimate over all of them.
    pub report: RunReport,
    /// Whether the intervals are as narrow as asked for.
    pub precise: bool,
}

/// The three figures over several runs.
#[derive(Debug, Default)]
struct Runs {
    packets: u64,
    loss_ratio: Replications,
    sojourn_mean_ns: Replications,
    packets_per_second: Replications,
}

/// Simulates `scenario` under its own seed and those that follow, as often as `repeat` says. No seed is left out.
/// If nothing in it is random, it is simulated once.
///
/// # Errors
/// [`SimulateError`] if it cannot be simulated, or if `repeat` asks for what there is not.
pub fn replicate(scenario: &Scenario, repeat: Repeat) -> Result<Replicated, SimulateError> {
    replicate_while(scenario, repeat, None, |_, _| {})
}

/// The same, until `stop` is asked to: then the estimate is of the runs that are complete. `progress` hears how
/// many runs there are so far, of how many at most.
///
/// # Errors
/// As [`replicate`].
pub fn replicate_while(
    scenario: &Scenario,
    repeat: Repeat,
    stop: Option<&StopHandle>,
    progress: impl Fn(u64, u64),
) -> Result<Replicated, SimulateError> {
    let rule = Rule::new(repeat, scenario.is_random())?;
    let first_seed = scenario.stack.common.seed;
    rule.check_seeds(first_seed)?;
    let named = scenario.fit().ok();
    let (loss, entry) = named.map_or((Loss::Dropped, Entry::Accepted), |fit| (fit.loss, fit.entry));
    let mut report = simulate_on(scenario, park(scenario, stop))?;
    if report.ending == Ending::Interrupted {
        report.theory = theory_of(&report);
        return Ok(Replicated { report, precise: false });
    }
    let mut runs = Runs::default();
    runs.push(Figures::of(&report, loss, entry))?;
    let mut last_seed = first_seed;
    let mut ahead = VecDeque::new();
    while !rule.is_content(&runs)? {
        progress(runs.count(), rule.at_most());
        if ahead.is_empty() {
            ahead = batch(scenario, last_seed, rule.at_most() - runs.count(), stop);
        }
        if let Some(next) = ahead.pop_front() {
            let next = next?;
            if next.ending == Ending::Interrupted {
                // A part of a run is no sample of what runs come to.
                report.ending = Ending::Interrupted;
                report.warnings.push(stopped_early(runs.count(), rule.at_most()));
                break;
            }
            last_seed += 1;
            runs.push(Figures::of(&next, loss, entry))?;
            join_ledgers(&mut report, &next, last_seed);
        }
    }
    let interrupted = report.ending == Ending::Interrupted;
    if interrupted && runs.count() < 2 {
        report.theory = theory_of(&report);
        return Ok(Replicated { report, precise: false });
    }
    let estimate = rule.estimate(&runs, first_seed, last_seed)?;
    if let Some(fit) = named
        && let Ok(prediction) = fit.model.predict()
    {
        report.theory = Some(rule.theory(&fit, &prediction, &runs, &report)?);
    }
    let precise = !interrupted && rule.is_precise(&runs)?;
    if !precise && !interrupted {
        report.warnings.push(Warning::new(WarningCode::IntervalTooWide, too_wide(&estimate)));
    }
    report.estimate = Some(estimate);
    Ok(Replicated { report, precise })
}

/// Up to `most` runs of the seeds after `seed`, one for each CPU, in the order of the seeds: what comes of
/// them does not depend on how many there are. Those that are one too many are not looked at.
fn batch(
    scenario: &Scenario,
    seed: u64,
    most: u64,
    stop: Option<&StopHandle>,
) -> VecDeque<Result<RunReport, SimulateError>> {
    let cpus = thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let run = |ahead| measure(&scenario.seeded(seed + ahead), park(scenario, stop));
    thread::scope(|scope| {
        let others: Vec<_> = (2..=cpus.min(most)).map(|ahead| scope.spawn(move || run(ahead))).collect();
        let mine = run(1);
        let others = others.into_iter().filter_map(|other| other.join().ok());
        [mine].into_iter().chain(others).collect()
    })
}

/// The virtual time of `scenario`, which `stop` ends.
fn park(scenario: &Scenario, stop: Option<&StopHandle>) -> Virtual {
    match stop {
        Some(stop) => scenario.park().until(stop),
        None => scenario.park(),
    }
}

fn stopped_early(runs: u64, at_most: u64) -> Warning {
    let (runs, at_most) = (human::count(runs), human::count(at_most));
    let text = format!("interrupted after {runs} of at most {at_most} runs: take the means as rough, or run it again");
    Warning::new(WarningCode::Interrupted, text)
}

/// Notes in `report` if the books of another run, that of `seed`, do not balance.
fn join_ledgers(report: &mut RunReport, other: &RunReport, seed: u64) {
    report.ledger.balanced &= other.ledger.balanced;
    report.ledger.violations.extend(other.ledger.violations.iter().map(|why| format!("seed {seed}: {why}")));
}

fn too_wide(estimate: &EstimateReport) -> String {
    let asked = estimate.precision.map_or_else(String::new, human::percent);
    format!(
        "after {} runs an interval is still wider than +- {asked} of its mean, which was asked for: take the means as \
         rough; simulate longer runs, or raise --max-replications or --repetitions",
        human::count(estimate.replications)
    )
}

impl Runs {
    fn push(&mut self, figures: Figures) -> Result<(), SimulateError> {
        self.packets = self.packets.saturating_add(figures.packets);
        self.loss_ratio.push(figures.loss_ratio)?;
        self.sojourn_mean_ns.push(figures.sojourn_mean_ns)?;
        Ok(self.packets_per_second.push(figures.packets_per_second.ok_or(SimulateError::NoRate)?)?)
    }

    fn count(&self) -> u64 {
        self.loss_ratio.count()
    }

    fn samples(&self) -> [Sample<'_>; 3] {
        let share_of = (self.packets > 0).then_some(self.packets);
        [
            Sample { name: "loss ratio", runs: &self.loss_ratio, share_of },
            Sample { name: "mean time in ns", runs: &self.sojourn_mean_ns, share_of: None },
            Sample { name: "packets per second", runs: &self.packets_per_second, share_of: None },
        ]
    }
}

/// When to stop, for all figures together.
struct Rule {
    repeat: Repeat,
    /// Where something is random.
    stopping: Option<Stopping>,
}

impl Rule {
    fn new(repeat: Repeat, random: bool) -> Result<Self, ParameterError> {
        let (at_least, at_most) = match repeat.runs {
            Some(runs) => (runs, runs),
            None => (AT_LEAST.min(repeat.at_most), repeat.at_most),
        };
        let precision = repeat.precision.unwrap_or(DEFAULT_PRECISION);
        let stopping = Stopping::new(repeat.level, precision, at_least, at_most)?;
        Ok(Self { repeat, stopping: random.then_some(stopping) })
    }

    fn at_most(&self) -> u64 {
        if self.stopping.is_some() { self.repeat.runs.unwrap_or(self.repeat.at_most) } else { 1 }
    }

    /// The seeds that follow `first` may not leave the range that flags take. A report of an earlier version
    /// may hold one from beyond it.
    fn check_seeds(&self, seed: u64) -> Result<(), SimulateError> {
        let most = if seed > MAX_EXACT { u64::MAX } else { MAX_EXACT };
        let runs = self.at_most();
        if runs - 1 > most - seed { Err(SimulateError::Seeds { seed, runs, most }) } else { Ok(()) }
    }

    fn is_content(&self, runs: &Runs) -> Result<bool, ParameterError> {
        let Some(stopping) = &self.stopping else { return Ok(true) };
        for sample in runs.samples() {
            if stopping.verdict(sample.runs)? == Verdict::Continue {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether each interval is as narrow as was asked for, if that was asked for.
    fn is_precise(&self, runs: &Runs) -> Result<bool, ParameterError> {
        let (Some(stopping), Some(_)) = (&self.stopping, self.repeat.precision) else { return Ok(true) };
        for sample in runs.samples() {
            if matches!(stopping.verdict(sample.runs)?, Verdict::TooWide(_)) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn estimate(&self, runs: &Runs, first: u64, last: u64) -> Result<EstimateReport, ParameterError> {
        let (level, random) = (self.repeat.level, self.stopping.is_some());
        let figure = |sample: Sample<'_>| {
            let mut figure = FigureReport { mean: sample.runs.mean(), ..FigureReport::default() };
            if random {
                figure.half_width = sample.runs.interval(level)?.map(|interval| interval.half_width);
                // Every run gave the same, and that is nothing: there are packets enough to say how little.
                if let (None, true, Some(packets)) = (figure.half_width, figure.mean == 0.0, sample.share_of) {
                    figure.below = Some(never_in(packets, level)?);
                }
            }
            Ok(figure)
        };
        let [loss_ratio, sojourn_mean_ns, packets_per_second] = runs.samples().map(figure);
        Ok(EstimateReport {
            level,
            precision: self.repeat.precision,
            random,
            replications: runs.count(),
            first_seed: first,
            last_seed: last,
            packets: runs.packets,
            loss_ratio: loss_ratio?,
            sojourn_mean_ns: sojourn_mean_ns?,
            packets_per_second: packets_per_second?,
        })
    }

    fn theory(
        &self,
        fit: &Fit,
        prediction: &Prediction,
        runs: &Runs,
        report: &RunReport,
    ) -> Result<TheoryReport, ParameterError> {
        let means = Figures {
            packets: runs.packets,
            loss_ratio: runs.loss_ratio.mean(),
            sojourn_mean_ns: runs.sojourn_mean_ns.mean(),
            packets_per_second: Some(runs.packets_per_second.mean()),
        };
        let mut theory = beside(fit, prediction, means, report);
        let terms = Terms {
            random: self.stopping.is_some(),
            level: self.repeat.level,
            precision: self.repeat.precision.unwrap_or(DEFAULT_PRECISION),
        };
        judge(&mut theory, prediction.model, runs.samples(), terms)?;
        Ok(theory)
    }
}
