//! The prediction of theory beside the measurement of a run, with the same names and units.

use shared::report::{JudgedReport, MeasuredReport, RunReport, TheoryReport, Verdict};

use super::agreement::{Comparison, Evidence, Finding, compare};
use super::applies::{Entry, Fit, Loss, fit};
use super::dd1k;
use super::error::ParameterError;
use super::estimate::{Replications, bonferroni};
use super::model::Model;
use super::prediction::Prediction;
use crate::settings::{RunSettings, SimulationSettings};

/// The bias allowed beside chance (half a percent): packets in flight when counting starts or ends are counted on one
/// side only, and times are whole nanoseconds.
const SLACK: f64 = 0.005;

/// The three figures that models predict, of one run or as means over several.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Figures {
    /// The number of packets of which the loss is a share.
    pub(crate) packets: u64,
    pub(crate) loss_ratio: f64,
    pub(crate) sojourn_mean_ns: f64,
    /// `None` if too few packets were delivered for a rate.
    pub(crate) packets_per_second: Option<f64>,
}

impl Figures {
    /// The figures of `report`; of its steady state if it has one.
    pub(crate) fn of(report: &RunReport, loss: Loss, entry: Entry) -> Self {
        let (totals, whole) = (&report.totals, report.steady.is_none());
        let steady = report.steady.unwrap_or_default();
        let pick = |all: u64, since: u64| if whole { all } else { since };
        let (lost, packets) = match loss {
            Loss::Dropped => (pick(totals.dropped, steady.dropped), pick(totals.accepted, steady.accepted)),
            Loss::Refused => (pick(totals.refused, steady.refused), pick(totals.offered, steady.offered)),
        };
        let (all, since) = match entry {
            Entry::Accepted => (report.sojourn_ns.mean.unwrap_or(0.0), steady.sojourn_mean_ns),
            Entry::Intended => (report.latency_ns.mean.unwrap_or(0.0), steady.latency_mean_ns),
        };
        Self {
            packets,
            loss_ratio: if packets == 0 { 0.0 } else { lost as f64 / packets as f64 },
            sojourn_mean_ns: if whole { all } else { since },
            packets_per_second: if whole { report.rate.packets_per_second } else { steady.packets_per_second },
        }
    }
}

/// Returns the prediction for the run in `report`, or `None` if no model fits its settings.
///
/// A run in real time gets no verdict: a single run has no interval, and no model contains a busy machine.
pub fn theory_of(report: &RunReport) -> Option<TheoryReport> {
    let config = &report.config;
    // A wire that is full holds frames up, which is in no model.
    if config.far.is_some() {
        return None;
    }
    let settings = RunSettings {
        netstack: serde_json::from_value(config.netstack.clone()).ok()?,
        driver: serde_json::from_value(config.driver.clone()).ok()?,
        simulation: match &config.simulate {
            Some(simulation) => serde_json::from_value(simulation.clone()).ok()?,
            None => SimulationSettings::default(),
        },
        far: None,
    };
    let fit = fit(&settings).ok()?;
    let prediction = fit.model.predict().ok()?;
    let figures = Figures::of(report, fit.loss, fit.entry);
    Some(beside(&fit, &prediction, figures, report))
}

/// The prediction beside the measurement.
pub(crate) fn beside(fit: &Fit, prediction: &Prediction, figures: Figures, report: &RunReport) -> TheoryReport {
    let (loss_is, lost) = match fit.loss {
        Loss::Dropped => ("dropped / accepted", report.totals.dropped),
        Loss::Refused => ("refused / offered", report.totals.refused),
    };
    let sojourn_is = match fit.entry {
        Entry::Accepted => "from acceptance",
        Entry::Intended => "from intended time",
    };
    // The exact count holds only in virtual time.
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
            since_ns: report.steady.map_or(0, |steady| steady.after_ns),
            loss_ratio: (figures.packets > 0).then_some(figures.loss_ratio),
            sojourn_mean_ns: (report.totals.delivered > 0).then_some(figures.sojourn_mean_ns),
            packets_per_second: figures.packets_per_second,
            admitted: admitted.map(|_| report.totals.offered - lost),
        },
        verdict: None,
        agrees: None,
        judged: None,
        findings: Vec::new(),
    }
}

/// How many of the first `offered` packets are admitted, where the model is exact: at a constant rate with times of
/// whole nanoseconds.
fn admitted(fit: &Fit, offered: u64) -> Option<u64> {
    let Model::Dd1k { pace, service_ns, places } = fit.model else { return None };
    let whole_pace = places >= 2 || pace.load(service_ns) <= 1.0 || pace.is_whole();
    if whole_pace && fit.service_mean_ns.fract() == 0.0 {
        dd1k::accepted(offered, pace, service_ns, places).ok()
    } else {
        None
    }
}

/// The values of one figure in all runs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample<'a> {
    pub(crate) name: &'static str,
    pub(crate) runs: &'a Replications,
    /// If it is a share: the number of packets in all runs together.
    pub(crate) share_of: Option<u64>,
}

/// The settings of the judgement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    /// Whether anything in the run is random.
    pub(crate) random: bool,
    /// The joint confidence level of all figures.
    pub(crate) level: f64,
    /// The half-width, relative to the mean, at which a mean is precise enough to support a prediction. It applies to
    /// the interval of one figure at `level`, which the estimate prints, not to the wider one at the level of each.
    pub(crate) precision: f64,
}

/// Compares `theory` with the three figures of the runs, and writes the findings and the verdict into it.
///
/// # Errors
/// [`ParameterError`] if the level is not between 0 and 1.
pub(crate) fn judge(
    theory: &mut TheoryReport,
    model: &'static str,
    samples: [Sample<'_>; 3],
    terms: Terms,
) -> Result<(), ParameterError> {
    let predicted = [theory.loss_ratio, theory.sojourn_mean_ns, theory.packets_per_second];
    let figures = samples.len() as u32; // It is 3.
    let each = bonferroni(terms.level, figures)?;
    let mut comparisons = Vec::new();
    for (sample, predicted) in samples.iter().zip(predicted) {
        let evidence = sample.evidence(terms, each)?;
        comparisons.push(compare(model, sample.name, predicted, evidence, SLACK)?);
    }
    theory.findings = comparisons.iter().map(Comparison::to_string).collect();
    let exact = theory.admitted == theory.measured.admitted;
    if !exact {
        theory.findings.push("the count of admitted packets differs from the prediction, which is exact".to_owned());
    }
    let found = |finding| comparisons.iter().any(|comparison| comparison.finding == finding);
    let verdict = match (!exact || found(Finding::Differs), found(Finding::Unknown)) {
        (true, _) => Verdict::No,
        (false, true) => Verdict::Unknown,
        (false, false) => Verdict::Yes,
    };
    theory.verdict = Some(verdict);
    theory.agrees = match verdict {
        Verdict::Yes => Some(true),
        Verdict::No => Some(false),
        Verdict::Unknown => None,
    };
    theory.judged = terms.random.then_some(JudgedReport { figures, joint_level: terms.level, level: each });
    Ok(())
}

impl Sample<'_> {
    /// The measurement of this figure at the confidence level `each`.
    fn evidence(&self, terms: Terms, each: f64) -> Result<Evidence, ParameterError> {
        let runs = self.runs;
        if !terms.random {
            return Ok(Evidence::Exact(runs.mean()));
        }
        let alone = runs.interval(terms.level)?;
        Ok(match runs.interval(each)? {
            Some(interval) => {
                Evidence::Mean { interval, known: alone.is_some_and(|alone| alone.is_within(terms.precision)) }
            }
            None => Evidence::Equal { value: runs.mean(), runs: runs.count(), level: each, share_of: self.share_of },
        })
    }
}
