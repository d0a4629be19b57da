//! The figures of a point over all of its runs: means with their intervals.

use std::collections::BTreeSet;

use serde_json::Value as Json;
use shared::report::{AppReport, RunReport, WarningCode};

use super::table::Points;
use crate::report::figures::NUMBERS;
use crate::runner::sequence::Fault;
use crate::theory::ParameterError;
use crate::theory::estimate::{Replications, never_in};
use crate::threshold::Thresholds;

/// A figure that is estimated of an app.
pub(crate) struct AppFigure {
    /// Its name in CSV.
    pub(crate) key: &'static str,
    of: fn(&AppReport) -> Option<f64>,
}

/// The figures that are estimated of each app.
pub(crate) const OF_APPS: [AppFigure; 10] = [
    AppFigure { key: "offered", of: |app| Some(app.totals.offered as f64) },
    AppFigure { key: "delivered", of: |app| Some(app.totals.delivered as f64) },
    AppFigure { key: "dropped", of: |app| Some(app.totals.dropped as f64) },
    AppFigure { key: "refused", of: |app| Some(app.totals.refused as f64) },
    AppFigure { key: "loss_ratio", of: |app| app.totals.loss_ratio },
    AppFigure { key: "bits_per_second", of: |app| app.rate.bits_per_second },
    AppFigure { key: "sojourn_p99_ns", of: |app| app.sojourn_ns.p99.map(|p99| p99 as f64) },
    AppFigure { key: "latency_mean_ns", of: |app| app.latency_ns.mean },
    AppFigure { key: "latency_p99_ns", of: |app| app.latency_ns.p99.map(|p99| p99 as f64) },
    AppFigure { key: "blocked_ns", of: |app| Some(app.blocked.values().map(|stage| stage.total_ns as f64).sum()) },
];

/// What is kept of a run: its figures, without the histograms and the series.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample {
    /// In the order of [`NUMBERS`]; `None` where the run has no such figure.
    pub(super) figures: Vec<Option<f64>>,
    apps: Vec<AppSample>,
    /// Packets that were accepted.
    accepted: u64,
    warnings: BTreeSet<WarningCode>,
    /// What makes the run fail by --fail-if and --strict, in words.
    pub(crate) failures: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct AppSample {
    name: String,
    /// In the order of [`OF_APPS`].
    figures: Vec<Option<f64>>,
}

impl Sample {
    /// What is kept of a result. Of a fault the reason is enough.
    pub(crate) fn of_result(result: &Result<Box<RunReport>, Fault>, thresholds: &Thresholds) -> Result<Self, Fault> {
        match result {
            Ok(report) => Ok(Self { failures: thresholds.failures(report), ..Self::of(report) }),
            Err(fault) => Err(Fault { report: None, ..fault.clone() }),
        }
    }

    pub(crate) fn of(report: &RunReport) -> Self {
        let app = |app: &AppReport| AppSample {
            name: app.name.clone(),
            figures: OF_APPS.iter().map(|figure| (figure.of)(app)).collect(),
        };
        Self {
            figures: NUMBERS.iter().map(|figure| (figure.of)(report).number()).collect(),
            apps: report.apps.iter().map(app).collect(),
            accepted: report.totals.accepted,
            warnings: report.warnings.iter().map(|warning| warning.code).collect(),
            failures: Vec::new(),
        }
    }
}

/// A mean and its interval.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Estimate {
    /// Over the runs that have the figure; `None` if none has.
    pub(crate) mean: Option<f64>,
    /// The bounds between which the true mean lies, at the level that was asked for. `None` where they are unknown: with
    /// one run, or if all runs gave the same value by chance.
    pub(crate) bounds: Option<(f64, f64)>,
}

/// Everything that is known of a point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Estimated {
    /// Runs with a report.
    pub(crate) runs: usize,
    /// Runs that failed.
    pub(crate) failed: usize,
    /// In the order of [`NUMBERS`].
    pub(crate) figures: Vec<Estimate>,
    pub(crate) apps: Vec<AppEstimated>,
    /// Of any of its runs.
    pub(crate) warnings: BTreeSet<WarningCode>,
    /// Runs that a condition or a warning makes fail.
    pub(crate) beyond_thresholds: usize,
}

/// Everything that is known of an app of a point.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct AppEstimated {
    pub(crate) name: String,
    /// In the order of [`OF_APPS`].
    pub(crate) figures: Vec<Estimate>,
}

/// The samples of a set of points, by the index of the run; `None` for a run that was not made.
pub(crate) type Samples = Vec<Option<Result<Sample, Fault>>>;

/// Estimates the figures of `point` at `level`, such as 0.95.
///
/// # Errors
/// If `level` is not a level, or a figure is not finite.
pub(crate) fn estimated(
    set: &Points,
    samples: &Samples,
    point: usize,
    level: f64,
) -> Result<Estimated, ParameterError> {
    let all = || set.runs_of(point).iter().filter_map(|run| samples[*run].as_ref());
    let runs: Vec<&Sample> = all().filter_map(|run| run.as_ref().ok()).collect();
    let failed = all().filter(|run| run.is_err()).count();
    let accepted = runs.iter().map(|run| run.accepted).sum();
    let exact = !set.has_noise(point);
    let means = Means { level, exact };
    let figures = NUMBERS.iter().enumerate().map(|(at, figure)| {
        let share_of = (figure.key == "loss_ratio" && accepted > 0).then_some(accepted);
        means.of(runs.iter().map(|run| run.figures[at]), share_of)
    });
    let first = runs.first().map(|run| &run.apps[..]).unwrap_or_default();
    let apps = first.iter().enumerate().map(|(number, app)| {
        let figures = (0..OF_APPS.len()).map(|at| {
            let values = runs.iter().map(|run| run.apps.get(number).and_then(|app| app.figures[at]));
            means.of(values, None)
        });
        Ok(AppEstimated { name: app.name.clone(), figures: figures.collect::<Result<_, _>>()? })
    });
    Ok(Estimated {
        runs: runs.len(),
        failed,
        figures: figures.collect::<Result<_, _>>()?,
        apps: apps.collect::<Result<_, ParameterError>>()?,
        warnings: runs.iter().flat_map(|run| run.warnings.iter().copied()).collect(),
        beyond_thresholds: runs.iter().filter(|run| !run.failures.is_empty()).count(),
    })
}

/// The figures of a point whose intervals a precision is asked of: loss, mean sojourn and rate.
const STEERING: [&str; 3] = ["loss_ratio", "sojourn_mean_ns", "packets_per_second"];

/// Whether the intervals of loss, mean sojourn and rate are at most `precision` of their means wide on either side. A
/// figure without an interval is as precise as more runs of its kind can make it.
pub(crate) fn is_precise(estimated: &Estimated, precision: f64) -> bool {
    let narrow = |estimate: &Estimate| match (estimate.mean, estimate.bounds) {
        (Some(mean), Some((low, high))) if mean != 0.0 => (high - low) / 2.0 <= precision / (1.0 + precision) * mean,
        _ => true,
    };
    let steering = NUMBERS.iter().zip(&estimated.figures).filter(|(figure, _)| STEERING.contains(&figure.key));
    steering.map(|(_, estimate)| estimate).all(narrow)
}

#[derive(Clone, Copy)]
struct Means {
    level: f64,
    /// Whether a single run is exact: nothing in it is random.
    exact: bool,
}

impl Means {
    /// The estimate of a figure; `share_of` is the number of trials if it is the share of those in which something
    /// happened.
    fn of(self, values: impl Iterator<Item = Option<f64>>, share_of: Option<u64>) -> Result<Estimate, ParameterError> {
        let mut runs = Replications::default();
        for value in values.flatten() {
            runs.push(value)?;
        }
        if runs.count() == 0 {
            return Ok(Estimate::default());
        }
        let mean = runs.mean();
        let bounds = if self.exact {
            Some((mean, mean))
        } else if runs.count() < 2 {
            None
        } else {
            match (runs.interval(self.level)?, share_of) {
                // No figure here can be below zero, and a share is not above one: neither is the true mean.
                (Some(interval), share_of) => {
                    let most = if share_of.is_some() { 1.0 } else { f64::INFINITY };
                    Some((interval.low().max(0.0), interval.high().min(most)))
                }
                // It happened in no trial of any run: that bounds how often it can happen.
                (None, Some(trials)) if mean == 0.0 => Some((0.0, never_in(trials, self.level)?)),
                (None, _) => None,
            }
        };
        Ok(Estimate { mean: Some(mean), bounds })
    }
}

/// The code of a warning, as reports write it.
pub(crate) fn code(code: WarningCode) -> String {
    match serde_json::to_value(code) {
        Ok(Json::String(code)) => code,
        _ => String::new(),
    }
}

/// The place of the figure named `key` in [`NUMBERS`].
pub(super) fn place_of(key: &str) -> Option<usize> {
    NUMBERS.iter().position(|figure| figure.key == key)
}

impl Estimated {
    /// What a single report says. It has intervals if it was repeated until its means were known.
    pub(crate) fn of_report(report: &RunReport) -> Self {
        let sample = Sample::of(report);
        let repeated = report.estimate.filter(|estimate| estimate.replications > 1);
        let bounds = |key: &str, mean: f64| {
            let estimate = repeated?;
            let figure = match key {
                "loss_ratio" => estimate.loss_ratio,
                "sojourn_mean_ns" => estimate.sojourn_mean_ns,
                "packets_per_second" => estimate.packets_per_second,
                _ => return None,
            };
            // A theory model may define a figure in another way than the report; then its interval is not of this mean.
            let same = figure.mean == mean;
            let half = figure.half_width.map(|half| ((mean - half).max(0.0), mean + half));
            half.or(figure.below.map(|below| (0.0, below))).filter(|_| same)
        };
        let figures = NUMBERS
            .iter()
            .zip(&sample.figures)
            .map(|(figure, value)| Estimate { mean: *value, bounds: value.and_then(|mean| bounds(figure.key, mean)) });
        let alone = |value: &Option<f64>| Estimate { mean: *value, bounds: None };
        let app = |app: AppSample| AppEstimated { name: app.name, figures: app.figures.iter().map(alone).collect() };
        Self {
            runs: 1,
            failed: 0,
            figures: figures.collect(),
            apps: sample.apps.into_iter().map(app).collect(),
            warnings: sample.warnings,
            beyond_thresholds: 0,
        }
    }

    /// The estimate of the figure named `key`; without a mean if there is no such figure.
    pub(crate) fn figure(&self, key: &str) -> Estimate {
        place_of(key).map_or_else(Estimate::default, |at| self.figures[at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run;
    use crate::points::axis::Axis;
    use crate::runner::sequence::ClockKind;
    use crate::runner::{clock, simulate_figures};
    use crate::settings::RunSettings;

    fn random(count: u64) -> Points {
        let mut base = RunSettings::defaults();
        base.set_apps(&["poisson:load=0.5"]).unwrap();
        let axes = ["depth=8,9".parse::<Axis>().unwrap()];
        Points::combinations(&base, ClockKind::Virtual, &axes).unwrap().repeated(count).unwrap()
    }

    fn losing(dropped: &[u64]) -> Samples {
        // Both points in turn; the second loses nothing.
        let samples = dropped.iter().flat_map(|dropped| [*dropped, 0]);
        samples.map(|dropped| Some(Ok(Sample::of(&run("wait", 1000, dropped))))).collect()
    }

    #[test]
    fn a_mean_has_the_interval_of_students_t() {
        let (set, samples) = (random(4), losing(&[10, 20, 30, 40]));
        let point = estimated(&set, &samples, 0, 0.95).unwrap();
        let loss = point.figure("loss_ratio");
        // Standard error 0.00645, and t with 3 degrees of freedom is 3.182.
        let (low, high) = loss.bounds.unwrap();
        assert!((loss.mean.unwrap() - 0.025).abs() < 1e-12);
        assert!((low - 0.004_459).abs() < 1e-5 && (high - 0.045_541).abs() < 1e-5, "{low} {high}");
        assert!(!is_precise(&point, 0.1) && is_precise(&point, 9.0));
    }

    #[test]
    fn no_loss_is_bounded_by_the_number_of_packets() {
        let (set, samples) = (random(4), losing(&[1, 2, 3, 4]));
        let loss = estimated(&set, &samples, 1, 0.95).unwrap().figure("loss_ratio");
        let (low, high) = loss.bounds.unwrap();
        assert!(low == 0.0 && (high - 3.0 / 4000.0).abs() < 1e-5, "{high}");
    }

    #[test]
    fn a_run_that_failed_is_counted_and_one_run_has_no_interval() {
        let set = random(2);
        let mut samples = losing(&[10, 20]);
        samples[2] = Some(Err(Fault { status: 1, reason: String::new(), report: None }));
        let point = estimated(&set, &samples, 0, 0.95).unwrap();
        assert_eq!((point.runs, point.failed), (1, 1));
        assert_eq!(point.figure("loss_ratio"), Estimate { mean: Some(0.01), bounds: None });
        samples[0] = None;
        let point = estimated(&set, &samples, 0, 0.95).unwrap();
        assert_eq!((point.runs, point.figure("loss_ratio")), (0, Estimate::default()));
    }

    #[test]
    fn a_run_without_randomness_is_exact() {
        let axes = ["depth=8".parse::<Axis>().unwrap()];
        let set = Points::combinations(&RunSettings::defaults(), ClockKind::Virtual, &axes).unwrap();
        let set = set.repeated(5).unwrap();
        assert_eq!(set.runs().len(), 1, "repetitions would repeat it");
        let samples = vec![Some(Ok(Sample::of(&run("wait", 1000, 10))))];
        let loss = estimated(&set, &samples, 0, 0.95).unwrap().figure("loss_ratio");
        assert_eq!(loss, Estimate { mean: Some(0.01), bounds: Some((0.01, 0.01)) });
    }

    /// A queue without waiting places at load 1 loses half (Erlang's formula for one server).
    #[test]
    fn of_two_hundred_intervals_at_95_percent_about_ten_miss_the_true_value() {
        let mut base = RunSettings::defaults();
        base.set_apps(&["poisson:load=1"]).unwrap();
        base.set_packets(2000);
        let axes = ["policy=drop-newest".parse::<Axis>().unwrap(), "depth=1".parse().unwrap()];
        let held = (0..200).filter(|sample| {
            let base = base.with_seed(1 + 10 * sample);
            let set = Points::combinations(&base, ClockKind::Virtual, &axes).unwrap().repeated(10).unwrap();
            let run = |run| Sample::of(&simulate_figures(&set.settings(run), clock(&base)).unwrap());
            let samples = set.runs().iter().map(|each| Some(Ok(run(*each)))).collect();
            let loss = estimated(&set, &samples, 0, 0.95).unwrap().figure("loss_ratio");
            let (low, high) = loss.bounds.unwrap();
            low <= 0.5 && 0.5 <= high
        });
        let held = held.count();
        // 190 on average; outside of 180 to 198 once in a thousand.
        assert!((180..=198).contains(&held), "{held}");
    }
}
