//! Replications: simulates one run with consecutive seeds until its means are precise enough.

use std::collections::VecDeque;
use std::num::NonZero;
use std::thread;

use shared::exec::{StopHandle, Virtual};
use shared::process::settings::MAX_EXACT;
use shared::report::{Ending, EstimateReport, FigureReport, RunReport, TheoryReport, Warning, WarningCode, human};

use super::virtual_plan::SimulateError;
use super::virtual_time::{clock, simulate_figures, simulate_on};
use crate::settings::RunSettings;
use crate::theory::applies::{Entry, Fit, Loss, fit};
use crate::theory::estimate::{Replications, Stopping, Verdict, never_in};
use crate::theory::judge::{Figures, Sample, Terms, beside, judge};
use crate::theory::{ParameterError, Prediction, theory_of};

/// The fewest runs: two or three that agree by chance would stop the procedure too early.
const MIN_RUNS: u64 = 10;

/// The precision that a mean needs to support a prediction, if none was given.
pub const DEFAULT_PRECISION: f64 = 0.01;

/// How many times to repeat, and how precise the means must be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeat {
    /// The confidence level of the interval of each figure (0 to 1).
    pub level: f64,
    /// The largest half-width of an interval, relative to its mean.
    pub precision: Option<f64>,
    /// Exactly this many runs, for any precision of the means; `None` for as many runs as the precision needs.
    pub runs: Option<u64>,
    /// The largest number of runs.
    pub at_most: u64,
}

/// The result of the replications.
#[derive(Debug)]
pub struct Replicated {
    /// The first run's report, with the estimate over all of them.
    pub report: RunReport,
    /// Whether all intervals are as narrow as requested.
    pub precise: bool,
}

/// The three figures of all runs.
#[derive(Debug, Default)]
struct Runs {
    packets: u64,
    loss_ratio: Replications,
    sojourn_mean_ns: Replications,
    packets_per_second: Replications,
}

/// Simulates `settings` with their own seed and the seeds after it, as many times as `repeat` requires. No seed is left
/// out. If nothing in the run is random, it is simulated once.
///
/// # Errors
/// [`SimulateError`] if they cannot be simulated, or if `repeat` is invalid.
pub fn replicate(settings: &RunSettings, repeat: Repeat) -> Result<Replicated, SimulateError> {
    replicate_while(settings, repeat, None, |_, _| {})
}

/// The same as [`replicate`], but `stop` ends it: then the estimate is of the runs that are complete. `progress` is
/// called with the number of runs so far and the largest number.
///
/// # Errors
/// As [`replicate`].
pub fn replicate_while(
    settings: &RunSettings,
    repeat: Repeat,
    stop: Option<&StopHandle>,
    progress: impl Fn(u64, u64),
) -> Result<Replicated, SimulateError> {
    let rule = Rule::new(repeat, settings.is_random())?;
    let first_seed = settings.seed();
    rule.check_seeds(first_seed)?;
    let named = fit(settings).ok();
    let (loss, entry) = named.map_or((Loss::Dropped, Entry::Accepted), |fit| (fit.loss, fit.entry));
    let mut report = simulate_on(settings, park(settings, stop))?;
    if report.ending == Ending::Interrupted {
        report.theory = theory_of(&report);
        return Ok(Replicated { report, precise: false });
    }
    let mut runs = Runs::default();
    runs.push(Figures::of(&report, loss, entry))?;
    let mut last_seed = first_seed;
    let mut ahead = VecDeque::new();
    while !rule.is_satisfied(&runs)? {
        progress(runs.count(), rule.at_most());
        if ahead.is_empty() {
            ahead = batch(settings, last_seed, rule.at_most() - runs.count(), stop);
        }
        if let Some(next) = ahead.pop_front() {
            let next = next?;
            if next.ending == Ending::Interrupted {
                // An incomplete run is not a sample.
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

/// Simulates up to `most` runs with the seeds after `seed`, one per CPU, and returns them in the order of their seeds,
/// so that the result does not depend on the number of CPUs. The caller ignores those that it does not need.
fn batch(
    settings: &RunSettings,
    seed: u64,
    most: u64,
    stop: Option<&StopHandle>,
) -> VecDeque<Result<RunReport, SimulateError>> {
    let cpus = thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let run = |ahead| simulate_figures(&settings.with_seed(seed + ahead), park(settings, stop));
    thread::scope(|scope| {
        let others: Vec<_> = (2..=cpus.min(most)).map(|ahead| scope.spawn(move || run(ahead))).collect();
        let mine = run(1);
        let others = others.into_iter().filter_map(|other| other.join().ok());
        [mine].into_iter().chain(others).collect()
    })
}

/// The virtual clock of `settings`; `stop` ends it.
fn park(settings: &RunSettings, stop: Option<&StopHandle>) -> Virtual {
    match stop {
        Some(stop) => clock(settings).until(stop),
        None => clock(settings),
    }
}

fn stopped_early(runs: u64, at_most: u64) -> Warning {
    let (runs, at_most) = (human::count(runs), human::count(at_most));
    let text = format!("interrupted after {runs} of at most {at_most} runs: take the means as rough, or run it again");
    Warning::new(WarningCode::Interrupted, text)
}

/// Adds the ledger violations of the run with `seed` to `report`.
fn join_ledgers(report: &mut RunReport, other: &RunReport, seed: u64) {
    report.ledger.balanced &= other.ledger.balanced;
    report.ledger.violations.extend(other.ledger.violations.iter().map(|why| format!("seed {seed}: {why}")));
}

fn too_wide(estimate: &EstimateReport) -> String {
    let asked = estimate.precision.map_or_else(String::new, human::percent);
    format!(
        "after {} runs an interval is still wider than the requested +- {asked} of its mean: take the means as \
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

/// The stopping rule, for all figures together.
struct Rule {
    repeat: Repeat,
    /// `None` if nothing is random: one run is enough.
    stopping: Option<Stopping>,
}

impl Rule {
    fn new(repeat: Repeat, random: bool) -> Result<Self, ParameterError> {
        let (at_least, at_most) = match repeat.runs {
            Some(runs) => (runs, runs),
            None => (MIN_RUNS.min(repeat.at_most), repeat.at_most),
        };
        let precision = repeat.precision.unwrap_or(DEFAULT_PRECISION);
        let stopping = Stopping::new(repeat.level, precision, at_least, at_most)?;
        Ok(Self { repeat, stopping: random.then_some(stopping) })
    }

    fn at_most(&self) -> u64 {
        if self.stopping.is_some() { self.repeat.runs.unwrap_or(self.repeat.at_most) } else { 1 }
    }

    /// Checks that the seeds after `seed` stay in the range that flags accept. A report of an earlier version may hold
    /// a seed above that range; for it the range is 64 bits.
    fn check_seeds(&self, seed: u64) -> Result<(), SimulateError> {
        let most = if seed > MAX_EXACT { u64::MAX } else { MAX_EXACT };
        let runs = self.at_most();
        if runs - 1 > most - seed { Err(SimulateError::Seeds { seed, runs, most }) } else { Ok(()) }
    }

    fn is_satisfied(&self, runs: &Runs) -> Result<bool, ParameterError> {
        let Some(stopping) = &self.stopping else { return Ok(true) };
        for sample in runs.samples() {
            if stopping.verdict(sample.runs)? == Verdict::Continue {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether each interval is as narrow as requested; true if no precision was requested.
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
                // All runs gave 0, so there is no interval: the number of packets bounds the loss from above.
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
