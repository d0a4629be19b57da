//! Whether a run agrees with its simulation, figure by figure.
//!
//! A real process wakes late, and its report contains by how much: each time may differ by 2 % plus the lateness at the
//! same quantile. Shares may differ by 2 % or 0.2 percentage points, slots by 2 % or one slot, whichever is larger.

use schemars::JsonSchema;
use serde::Serialize;
use shared::report::{RunReport, Summary, WarningCode};

/// The allowed difference, relative to the predicted figure.
const TOLERANCE: f64 = 0.02;

/// The smallest allowed difference of two shares: 0.2 percentage points.
const SHARE: f64 = 0.002;

/// One figure of a point.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Compared {
    /// Its path in the report.
    pub(crate) figure: &'static str,
    /// The figure of the simulation.
    pub(crate) predicted: f64,
    /// The figure of the run.
    pub(crate) measured: f64,
    /// The allowed difference.
    pub(crate) allowed: f64,
}

impl Compared {
    /// The difference as a multiple of what is allowed: above 1 the figures disagree.
    pub(crate) fn apart(&self) -> f64 {
        let difference = (self.measured - self.predicted).abs();
        if difference == 0.0 { 0.0 } else { difference / self.allowed }
    }
}

/// The result of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    /// All figures agree.
    Agrees,
    /// At least one figure disagrees.
    Differs,
    /// Figures disagree, and the report of the run warns that the machine limited the result.
    Excused,
    /// There was no complete run to judge.
    Failed,
}

/// Compares each figure that a run and its simulation have in common.
pub(crate) fn compare(predicted: &RunReport, measured: &RunReport) -> Vec<Compared> {
    let late = &measured.wakeups.late_ns;
    let relative = |figure, predicted: f64, measured: f64, at_least: f64| {
        let allowed = (TOLERANCE * predicted.abs()).max(at_least);
        Compared { figure, predicted, measured, allowed }
    };
    let mut figures = Vec::new();
    if let Some((of, by)) = both(predicted.totals.loss_ratio, measured.totals.loss_ratio) {
        figures.push(relative("totals.loss_ratio", of, by, SHARE));
    }
    if let Some((of, by)) = both(predicted.rate.packets_per_second, measured.rate.packets_per_second) {
        figures.push(relative("rate.packets_per_second", of, by, 0.0));
    }
    let times = |figures: &mut Vec<Compared>, names: [&'static str; 3], predicted: &Summary, measured: &Summary| {
        let triples = [predicted, measured, late]
            .map(|times| [times.mean, times.p50.map(|p50| p50 as f64), times.p99.map(|p99| p99 as f64)]);
        let [predicted, measured, late] = triples;
        for (at, figure) in names.into_iter().enumerate() {
            if let Some((predicted, measured)) = both(predicted[at], measured[at]) {
                let allowed = TOLERANCE * predicted + late[at].unwrap_or(0.0);
                figures.push(Compared { figure, predicted, measured, allowed });
            }
        }
    };
    let names = ["sojourn_ns.mean", "sojourn_ns.p50", "sojourn_ns.p99"];
    times(&mut figures, names, &predicted.sojourn_ns, &measured.sojourn_ns);
    let names = ["latency_ns.mean", "latency_ns.p50", "latency_ns.p99"];
    times(&mut figures, names, &predicted.latency_ns, &measured.latency_ns);
    let slots = |figure, predicted: f64, measured: f64| relative(figure, predicted, measured, 1.0);
    let (of, by) = (&predicted.ring, &measured.ring);
    figures.push(slots("ring.occupancy_mean", of.occupancy_mean, by.occupancy_mean));
    figures.push(slots("ring.occupancy_p50", of.occupancy_p50 as f64, by.occupancy_p50 as f64));
    figures.push(slots("ring.occupancy_p99", of.occupancy_p99 as f64, by.occupancy_p99 as f64));
    // A sum of waits: each may start late and end late.
    let waits = waits(predicted).max(waits(measured)) as f64;
    let (of, by) = (predicted.blocked.total_ns as f64, measured.blocked.total_ns as f64);
    let allowed = TOLERANCE * of + waits * late.mean.unwrap_or(0.0);
    figures.push(Compared { figure: "blocked.total_ns", predicted: of, measured: by, allowed });
    figures
}

/// Both figures. If neither exists, there is nothing to compare; if only one does, they differ (the other counts as 0).
fn both(predicted: Option<f64>, measured: Option<f64>) -> Option<(f64, f64)> {
    predicted.or(measured).map(|_| (predicted.unwrap_or(0.0), measured.unwrap_or(0.0)))
}

/// The result of `figures` for the run `measured`.
pub(crate) fn judge(figures: &[Compared], measured: &RunReport) -> Verdict {
    let blames = |code| matches!(code, WarningCode::HardwareStarved | WarningCode::DriverLate);
    let machine = measured.warnings.iter().any(|warning| blames(warning.code));
    match figures.iter().all(|figure| figure.apart() <= 1.0) {
        true => Verdict::Agrees,
        false if machine => Verdict::Excused,
        false => Verdict::Differs,
    }
}

/// The number of waits that took longer than 0 ns.
fn waits(report: &RunReport) -> u64 {
    report.blocked.stages.values().map(|stage| stage.waits_ns.count).sum()
}

#[cfg(test)]
mod tests {
    use shared::report::Warning;

    use super::*;
    use crate::fixture::{run, times};

    /// The figures that differ.
    fn differing(predicted: &RunReport, measured: &RunReport) -> Vec<&'static str> {
        let compared = compare(predicted, measured);
        compared.iter().filter(|figure| figure.apart() > 1.0).map(|figure| figure.figure).collect()
    }

    #[test]
    fn a_run_agrees_with_itself_and_two_percent_are_allowed() {
        let predicted = run("wait", 1000, 0);
        assert_eq!(differing(&predicted, &predicted), [""; 0]);
        let mut measured = predicted.clone();
        predicted.sojourn_ns.clone_into(&mut measured.sojourn_ns);
        measured.sojourn_ns.mean = measured.sojourn_ns.mean.map(|mean| mean * 1.019);
        assert_eq!(differing(&predicted, &measured), [""; 0]);
        measured.sojourn_ns.mean = measured.sojourn_ns.mean.map(|mean| mean * 1.002);
        assert_eq!(differing(&predicted, &measured), ["sojourn_ns.mean"]);
    }

    #[test]
    fn a_rate_that_is_undefined_differs_from_one_that_is_not() {
        let predicted = run("wait", 1000, 0);
        let mut measured = predicted.clone();
        measured.rate = Default::default();
        assert_eq!(differing(&predicted, &measured), ["rate.packets_per_second"]);
        assert_eq!(differing(&measured, &predicted), ["rate.packets_per_second"]);
        assert_eq!(differing(&measured, &measured), [""; 0]);
    }

    #[test]
    fn lateness_is_allowed_at_its_own_quantile_only() {
        let mut predicted = run("wait", 1000, 0);
        predicted.latency_ns = times(1000, 5_000_000);
        let mut measured = predicted.clone();
        measured.latency_ns.p99 = measured.latency_ns.p99.map(|p99| p99 + p99 / 50 + 90_000);
        measured.wakeups.late_ns.p50 = Some(100_000);
        assert_eq!(differing(&predicted, &measured), ["latency_ns.p99"]);
        measured.wakeups.late_ns.p99 = Some(90_000);
        assert_eq!(differing(&predicted, &measured), [""; 0]);
    }

    #[test]
    fn small_shares_and_few_slots_have_an_absolute_allowance() {
        let predicted = run("drop-newest", 10_000, 0);
        let mut measured = predicted.clone();
        measured.totals.loss_ratio = predicted.totals.loss_ratio.map(|loss| loss + 0.0019);
        measured.ring.occupancy_mean = predicted.ring.occupancy_mean + 0.99;
        assert_eq!(differing(&predicted, &measured), [""; 0]);
        measured.totals.loss_ratio = predicted.totals.loss_ratio.map(|loss| loss + 0.0021);
        measured.ring.occupancy_mean = predicted.ring.occupancy_mean + 1.01 + 0.02 * predicted.ring.occupancy_mean;
        assert_eq!(differing(&predicted, &measured), ["totals.loss_ratio", "ring.occupancy_mean"]);
    }

    #[test]
    fn only_a_warning_about_the_machine_excuses_a_difference() {
        let predicted = run("wait", 1000, 0);
        let mut measured = predicted.clone();
        measured.sojourn_ns.mean = measured.sojourn_ns.mean.map(|mean| mean * 2.0);
        let verdict = |measured: &RunReport| judge(&compare(&predicted, measured), measured);
        assert_eq!(verdict(&measured), Verdict::Differs);
        measured.warnings = vec![Warning::new(WarningCode::DrainTimedOut, "")];
        assert_eq!(verdict(&measured), Verdict::Differs);
        for blame in [WarningCode::HardwareStarved, WarningCode::DriverLate] {
            measured.warnings = vec![Warning::new(blame, "")];
            assert_eq!(verdict(&measured), Verdict::Excused);
        }
        measured.sojourn_ns = predicted.sojourn_ns;
        assert_eq!(verdict(&measured), Verdict::Agrees, "figures that agree need no excuse");
    }
}
