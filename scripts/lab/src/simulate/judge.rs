//! Theory beside a run: prediction and measurement in the same words and units.

use netstack::process::Args as StackArgs;
use shared::report::{EstimateReport, MeasuredReport, RunReport, TheoryReport};
use shared::units::Nanos;

use super::Only;
use crate::theory::agreement::{Comparison, Finding, Tolerance, compare_one};
use crate::theory::applies::{Entry, Fit, Loss, fit};
use crate::theory::estimate::Interval;
use crate::theory::{Model, ParameterError, Prediction, dd1k};

/// Bias that is allowed beside chance: what is under way when counting begins and ends is counted on
/// one side only, and times are whole nanoseconds.
const SLACK: f64 = 0.005;

/// The three figures that models predict, of one run or over several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Figures {
    pub(super) loss_ratio: f64,
    pub(super) sojourn_mean_ns: f64,
    pub(super) packets_per_second: f64,
}

impl Figures {
    /// Those of `report`, of its steady state if it has one.
    pub(super) fn of(report: &RunReport, loss: Loss, entry: Entry) -> Self {
        let (totals, whole) = (&report.totals, report.steady.is_none());
        let steady = report.steady.unwrap_or_default();
        let pick = |all: u64, since: u64| if whole { all } else { since } as f64;
        let ratio = |part: f64, of: f64| if of == 0.0 { 0.0 } else { part / of };
        let loss_ratio = match loss {
            Loss::Dropped => ratio(pick(totals.dropped, steady.dropped), pick(totals.accepted, steady.accepted)),
            Loss::Refused => ratio(pick(totals.refused, steady.refused), pick(totals.offered, steady.offered)),
        };
        let (all, since) = match entry {
            Entry::Accepted => (report.sojourn_ns.mean, steady.sojourn_mean_ns),
            Entry::Intended => (report.latency_ns.mean, steady.latency_mean_ns),
        };
        Self {
            loss_ratio,
            sojourn_mean_ns: if whole { all } else { since },
            packets_per_second: if whole { report.rate.packets_per_second } else { steady.packets_per_second },
        }
    }
}

/// What theory says of the run in `report`; nothing if no model fits its settings.
///
/// For a run in real time this is prediction beside measurement and no more: a single run has no
/// interval, and a busy machine is in no model.
pub fn theory_of(report: &RunReport) -> Option<TheoryReport> {
    let stack: StackArgs = serde_json::from_value(report.config.netstack.clone()).ok()?;
    let driver = serde_json::from_value(report.config.driver.clone()).ok()?;
    let only: Only = match &report.config.simulate {
        Some(only) => serde_json::from_value(only.clone()).ok()?,
        None => Only { stack_cost: Nanos::ZERO, ..Only::default() },
    };
    let fit = fit(&stack, &driver, only.stack_cost, only.wake_latency).ok()?;
    let prediction = fit.model.predict().ok()?;
    let figures = Figures::of(report, fit.loss, fit.entry);
    Some(beside(&fit, &prediction, figures, report))
}

/// Prediction beside measurement.
pub(super) fn beside(fit: &Fit, prediction: &Prediction, figures: Figures, report: &RunReport) -> TheoryReport {
    let (loss_is, lost) = match fit.loss {
        Loss::Dropped => ("dropped / accepted", report.totals.dropped),
        Loss::Refused => ("refused / offered", report.totals.refused),
    };
    let sojourn_is = match fit.entry {
        Entry::Accepted => "from acceptance",
        Entry::Intended => "from intended time",
    };
    // Only virtual time is exact.
    let admitted = if report.clock == "virtual" { admitted(fit, report.totals.offered) } else { None };
    TheoryReport {
        model: fit.model.to_string(),
        loss_ratio: prediction.loss_ratio,
        sojourn_mean_ns: prediction.sojourn_mean_ns(fit.service_mean_ns),
        packets_per_second: prediction.packets_per_second(fit.service_mean_ns),
        admitted,
        measured: MeasuredReport {
            loss_is: loss_is.to_owned(),
            sojourn_is: sojourn_is.to_owned(),
            loss_ratio: figures.loss_ratio,
            sojourn_mean_ns: figures.sojourn_mean_ns,
            packets_per_second: figures.packets_per_second,
            admitted: admitted.map(|_| report.totals.offered - lost),
        },
        agrees: None,
        findings: Vec::new(),
    }
}

/// How many of the first `offered` packets are admitted, where that is certain: at a constant rate,
/// if all times are whole nanoseconds.
fn admitted(fit: &Fit, offered: u64) -> Option<u64> {
    let Model::Dd1k { pace, service_ns, places } = fit.model else { return None };
    let whole_pace = places >= 2 || pace.load(service_ns) <= 1.0 || pace.is_whole();
    if whole_pace && fit.service_mean_ns.fract() == 0.0 {
        dd1k::accepted(offered, pace, service_ns, places).ok()
    } else {
        None
    }
}

/// Holds `theory` against the intervals in `estimate`, and says in it what follows.
///
/// # Errors
/// [`ParameterError`] if the precision that was asked for is none.
pub(super) fn judge(
    theory: &mut TheoryReport,
    model: &'static str,
    estimate: &EstimateReport,
) -> Result<(), ParameterError> {
    let tolerance = Tolerance::new(SLACK, estimate.precision)?;
    let interval = |figure: shared::report::FigureReport| Interval {
        mean: figure.mean,
        half_width: figure.half_width,
        level: estimate.level,
        count: estimate.replications,
    };
    let one = |figure, predicted, measured| compare_one(model, figure, predicted, interval(measured), tolerance);
    let comparisons: [Comparison; 3] = [
        one("loss ratio", theory.loss_ratio, estimate.loss_ratio),
        one("mean time in ns", theory.sojourn_mean_ns, estimate.sojourn_mean_ns),
        one("packets per second", theory.packets_per_second, estimate.packets_per_second),
    ];
    let exact = theory.admitted == theory.measured.admitted;
    theory.agrees = Some(exact && comparisons.iter().all(|comparison| comparison.finding == Finding::Agrees));
    theory.findings = comparisons.iter().map(Comparison::to_string).collect();
    if !exact {
        theory.findings.push("the count of admitted packets differs, and must not".to_owned());
    }
    Ok(())
}
