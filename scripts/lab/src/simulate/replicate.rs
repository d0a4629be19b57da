//! Replications: the same setting under one seed after the other, until the means are known well enough.

use std::collections::VecDeque;
use std::num::NonZero;
use std::thread;

use shared::report::{EstimateReport, FigureReport, RunReport, TheoryReport, Warning, WarningCode};

use super::judge::{Figures, beside, judge};
use super::{Scenario, SimulateError, measure, simulate};
use crate::theory::applies::{Entry, Fit, Loss};
use crate::theory::estimate::{Replications, Stopping, Verdict, bonferroni};
use crate::theory::{ParameterError, Prediction};

/// Two or three runs that agree by luck would stop the procedure.
const AT_LEAST: u64 = 10;

/// How well the means shall be known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Precision {
    /// The level at which all intervals hold together.
    pub level: f64,
    /// Half-width, relative to the mean.
    pub half_width: f64,
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
    loss_ratio: Replications,
    sojourn_mean_ns: Replications,
    packets_per_second: Replications,
}

/// Simulates `scenario` under its own seed and those that follow, until each mean is known to
/// `precision`. No seed is left out.
///
/// # Errors
/// [`SimulateError`] if it cannot be simulated, or if the precision is none.
pub fn replicate(scenario: &Scenario, precision: Precision) -> Result<Replicated, SimulateError> {
    let rule = Rule::new(precision)?;
    let named = scenario.fit().ok();
    let (loss, entry) = named.map_or((Loss::Dropped, Entry::Accepted), |fit| (fit.loss, fit.entry));
    let mut report = simulate(scenario)?;
    let mut runs = Runs::default();
    runs.push(Figures::of(&report, loss, entry))?;
    let first_seed = scenario.stack.common.seed;
    let mut last_seed = first_seed;
    let mut ahead = VecDeque::new();
    let (figures, precise) = loop {
        if let Some(settled) = rule.verdict(&runs)? {
            break settled;
        }
        if ahead.is_empty() {
            ahead = batch(scenario, last_seed);
        }
        if let Some(next) = ahead.pop_front() {
            last_seed = last_seed.wrapping_add(1);
            runs.push(Figures::of(&next?, loss, entry))?;
        }
    };
    let estimate = rule.estimate(figures, runs.count(), first_seed, last_seed);
    if let Some(fit) = named
        && let Ok(prediction) = fit.model.predict()
    {
        report.theory = Some(theory(&fit, &prediction, &estimate, &report)?);
    }
    if !precise {
        report.warnings.push(Warning::new(WarningCode::IntervalTooWide, too_wide(&estimate)));
    }
    report.estimate = Some(estimate);
    Ok(Replicated { report, precise })
}

/// The runs of the seeds after `seed`, one for each CPU, in the order of the seeds: what comes of
/// them does not depend on how many there are. Those that are one too many are not looked at.
fn batch(scenario: &Scenario, seed: u64) -> VecDeque<Result<RunReport, SimulateError>> {
    let cpus = thread::available_parallelism().map_or(1, NonZero::get) as u64;
    let run = |ahead| measure(&scenario.seeded(seed.wrapping_add(ahead)), scenario.park());
    thread::scope(|scope| {
        let others: Vec<_> = (2..=cpus).map(|ahead| scope.spawn(move || run(ahead))).collect();
        let mine = run(1);
        let others = others.into_iter().filter_map(|other| other.join().ok());
        [mine].into_iter().chain(others).collect()
    })
}

fn theory(
    fit: &Fit,
    prediction: &Prediction,
    estimate: &EstimateReport,
    report: &RunReport,
) -> Result<TheoryReport, ParameterError> {
    let means = Figures {
        loss_ratio: estimate.loss_ratio.mean,
        sojourn_mean_ns: estimate.sojourn_mean_ns.mean,
        packets_per_second: estimate.packets_per_second.mean,
    };
    let mut theory = beside(fit, prediction, means, report);
    judge(&mut theory, prediction.model, estimate)?;
    Ok(theory)
}

fn too_wide(estimate: &EstimateReport) -> String {
    format!(
        "after {} runs an interval is still wider than the asked for {} of its mean: take the means as rough; simulate \
         longer runs, or raise --max-replications",
        estimate.replications, estimate.precision
    )
}

impl Runs {
    fn push(&mut self, figures: Figures) -> Result<(), ParameterError> {
        self.loss_ratio.push(figures.loss_ratio)?;
        self.sojourn_mean_ns.push(figures.sojourn_mean_ns)?;
        self.packets_per_second.push(figures.packets_per_second)
    }

    fn count(&self) -> u64 {
        self.loss_ratio.count()
    }
}

/// When to stop, for all figures together.
struct Rule {
    precision: Precision,
    stopping: Stopping,
}

impl Rule {
    fn new(precision: Precision) -> Result<Self, ParameterError> {
        let each = bonferroni(precision.level, 3)?;
        let at_least = AT_LEAST.min(precision.at_most);
        let stopping = Stopping::new(each, precision.half_width, at_least, precision.at_most)?;
        Ok(Self { precision, stopping })
    }

    /// Nothing, or all figures and whether each is narrow enough.
    fn verdict(&self, runs: &Runs) -> Result<Option<([FigureReport; 3], bool)>, ParameterError> {
        let mut figures = [FigureReport::default(); 3];
        let mut precise = true;
        let enough = runs.count() >= self.precision.at_most;
        for (figure, replications) in
            figures.iter_mut().zip([&runs.loss_ratio, &runs.sojourn_mean_ns, &runs.packets_per_second])
        {
            let interval = match self.stopping.verdict(replications)? {
                Verdict::Continue => return Ok(None),
                Verdict::Precise(interval) => interval,
                Verdict::TooWide(interval) => {
                    precise = false;
                    interval
                }
            };
            *figure = FigureReport { mean: interval.mean, half_width: interval.half_width };
        }
        Ok((precise || enough).then_some((figures, precise)))
    }

    fn estimate(&self, figures: [FigureReport; 3], replications: u64, first: u64, last: u64) -> EstimateReport {
        let [loss_ratio, sojourn_mean_ns, packets_per_second] = figures;
        EstimateReport {
            level: self.precision.level,
            precision: self.precision.half_width,
            replications,
            first_seed: first,
            last_seed: last,
            loss_ratio,
            sojourn_mean_ns,
            packets_per_second,
        }
    }
}
