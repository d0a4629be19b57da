//! `lab check`: the runs of a baseline beside new runs of the same points, with a verdict for each figure.
//!
//! [`points`] puts runs of equal settings together, `figures` lists what is judged, `judge` compares one figure of one
//! point, and [`text`] shows the result. Here figures are taken from reports, and verdicts are counted.

mod figures;
mod judge;
pub(crate) mod points;
pub(crate) mod text;

pub(crate) use judge::Verdict;

use schemars::JsonSchema;
use serde::Serialize;
use shared::report::{Origin, RunReport};

use crate::report::figures::Value;
use crate::theory::ParameterError;
use crate::theory::estimate::bonferroni;
use figures::{JUDGED, Judgement};
use judge::{Better, Judged, Samples};
use points::{Clock, Point};

/// Schema of the file that `--json` writes.
pub(crate) const CHECK_SCHEMA: &str = "pushback.check/1";

/// The result of a check, as `--json` writes it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckReport {
    /// Name and version of the schema, [`CHECK_SCHEMA`].
    #[schemars(extend("const" = CHECK_SCHEMA))]
    schema: &'static str,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    origin: Origin,
    /// The verdict that matters most of all figures; `worse` too if something of the baseline is missing.
    pub(crate) verdict: Verdict,
    /// The confidence level at which all intervals hold together (0 to 1).
    joint_level: f64,
    /// The level of each interval; null if there is none.
    level: Option<f64>,
    /// Number of figures by verdict.
    pub(crate) figures: Tally,
    /// The points in the order in which they were found, those of the baseline first.
    pub(crate) points: Vec<PointReport>,
}

/// Number of figures by verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Tally {
    pub(crate) better: usize,
    pub(crate) same: usize,
    pub(crate) worse: usize,
    pub(crate) cannot_be_told: usize,
}

/// One point.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct PointReport {
    /// Its settings that are not the defaults, as flags, without the seed.
    pub(crate) settings: Vec<String>,
    pub(crate) clock: Clock,
    pub(crate) baseline_runs: usize,
    pub(crate) new_runs: usize,
    pub(crate) verdict: Verdict,
    /// Whether NEW lacks the point, or seeds of it in virtual time.
    pub(crate) missing: bool,
    /// What is missing on one side or was left out.
    pub(crate) notes: Vec<String>,
    pub(crate) figures: Vec<FigureReport>,
}

/// One figure of one point.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FigureReport {
    /// Its name in CSV.
    pub(crate) figure: &'static str,
    /// Its name in tables.
    #[serde(skip)]
    pub(crate) title: &'static str,
    better: Better,
    /// The mean over the runs that have the figure, and their number.
    pub(crate) baseline: Option<f64>,
    baseline_runs: usize,
    pub(crate) new: Option<f64>,
    new_runs: usize,
    /// New minus baseline, and half the width of its interval, in real time.
    pub(crate) difference: Option<f64>,
    pub(crate) half_width: Option<f64>,
    pub(crate) verdict: Verdict,
    /// A value of its kind, for people.
    #[serde(skip)]
    pub(crate) kind: Value,
}

/// Judges every figure of every point, in real time so that all intervals hold together at `joint_level`.
///
/// # Errors
/// When there are more figures than the level allows.
pub(crate) fn check(points: &[Point<'_>], joint_level: f64) -> Result<CheckReport, ParameterError> {
    let figures: Vec<Vec<Taken>> = points.iter().map(figures_of).collect();
    let noisy = points.iter().zip(&figures).filter(|(point, _)| point.clock == Clock::Real);
    let judged = noisy.flat_map(|(_, figures)| figures).filter(|figure| figure.samples.are_enough()).count();
    let level = match judged {
        0 => None,
        judged => Some(bonferroni(joint_level, u32::try_from(judged).unwrap_or(u32::MAX))?),
    };
    let reports =
        points.iter().zip(figures).map(|(point, figures)| report(point, figures, level.unwrap_or(joint_level)));
    let points = reports.collect::<Result<Vec<_>, _>>()?;
    let all = || points.iter().flat_map(|point| &point.figures).map(|figure| figure.verdict);
    let count = |verdict| all().filter(|each| *each == verdict).count();
    let figures = Tally {
        better: count(Verdict::Better),
        same: count(Verdict::Same),
        worse: count(Verdict::Worse),
        cannot_be_told: count(Verdict::CannotBeTold),
    };
    let verdict = Verdict::over(points.iter().map(|point| point.verdict));
    Ok(CheckReport { schema: CHECK_SCHEMA, origin: Origin::now(), verdict, joint_level, level, figures, points })
}

/// A figure and its values on both sides.
struct Taken {
    figure: &'static Judgement,
    samples: Samples,
    /// Whether runs of the baseline have it, and no new run does.
    lost: bool,
    /// One of its values.
    kind: Value,
}

/// The figures that a run of either side has. In virtual time the values of both sides belong to the same seeds.
fn figures_of(point: &Point<'_>) -> Vec<Taken> {
    let (baseline, new) = match point.clock {
        Clock::Real => (point.baseline.clone(), point.new.clone()),
        Clock::Virtual => point.same_seeds().into_iter().unzip(),
    };
    let taken = |figure: &'static Judgement| {
        if figure.in_real_time_only && point.clock == Clock::Virtual {
            return None;
        }
        let values = |runs: &[&RunReport]| -> Vec<Value> { runs.iter().map(|run| (figure.figure.of)(run)).collect() };
        let (before, after) = (values(&baseline), values(&new));
        let kind = before.iter().chain(&after).find(|value| value.number().is_some())?.clone();
        let exists = |values: &[Value]| values.iter().any(|value| value.number().is_some());
        let samples = match point.clock {
            Clock::Real => {
                let numbers = |values: &[Value]| values.iter().filter_map(Value::number).collect();
                Samples { baseline: numbers(&before), new: numbers(&after) }
            }
            Clock::Virtual => {
                let pairs = before.iter().zip(&after).filter_map(|(one, other)| one.number().zip(other.number()));
                let (baseline, new) = pairs.unzip();
                Samples { baseline, new }
            }
        };
        Some(Taken { figure, samples, lost: exists(&before) && !after.is_empty() && !exists(&after), kind })
    };
    JUDGED.iter().filter_map(taken).collect()
}

/// The verdicts of one point, whose intervals are at `level` each.
fn report(point: &Point<'_>, taken: Vec<Taken>, level: f64) -> Result<PointReport, ParameterError> {
    let mean = |values: &[f64]| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let figure = |Taken { figure, samples, lost, kind }: Taken| {
        let Judged { verdict, difference } = match point.clock {
            _ if lost => Judged { verdict: Verdict::Worse, difference: None },
            Clock::Virtual => samples.exactly(figure.better),
            Clock::Real => samples.within_noise(figure.better, level)?,
        };
        Ok::<_, ParameterError>(FigureReport {
            figure: figure.figure.key,
            title: figure.figure.title,
            better: figure.better,
            baseline: mean(&samples.baseline),
            baseline_runs: samples.baseline.len(),
            new: mean(&samples.new),
            new_runs: samples.new.len(),
            difference: difference.map(|interval| interval.mean),
            half_width: difference.map(|interval| interval.half_width),
            verdict,
            kind,
        })
    };
    // A point of one side has nothing to compare.
    let both = !point.baseline.is_empty() && !point.new.is_empty();
    let taken = if both { taken } else { Vec::new() };
    let figures = taken.into_iter().map(figure).collect::<Result<Vec<_>, _>>()?;
    let (notes, missing) = point.notes();
    let own = match (missing, both) {
        (true, _) => Some(Verdict::Worse),
        (false, false) if point.is_undecided() => Some(Verdict::CannotBeTold),
        // A point that only NEW has cannot be worse than it was.
        (false, false) => Some(Verdict::Same),
        (false, true) => None,
    };
    let verdict = own.unwrap_or_else(|| Verdict::over(figures.iter().map(|figure| figure.verdict)));
    Ok(PointReport {
        settings: point.settings(),
        clock: point.clock,
        baseline_runs: point.baseline.len(),
        new_runs: point.new.len(),
        verdict,
        missing,
        notes,
        figures,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use shared::report::Ending;

    use super::points::points;
    use super::*;
    use crate::fixture;
    use crate::theory::testing::Draws;

    /// Runs in real time with the seeds 1, 2, ..., whose median latency is about `median_ms`.
    fn runs(count: u64, median_ms: f64, draws: &mut Draws) -> Vec<RunReport> {
        let one = |seed| {
            let mut run = fixture::run("drop-newest", 1000, 50);
            (run.seed, run.config.netstack["seed"]) = (seed, json!(seed));
            let median = median_ms * 1e6 * (1.0 + 0.02 * draws.normal());
            run.latency_ns = fixture::times(950, median as u64);
            run.process.cpu_ns = (1e8 * (1.0 + 0.02 * draws.normal())) as u64;
            run
        };
        (1..=count).map(one).collect()
    }

    fn checked(baseline: &[RunReport], new: &[RunReport]) -> CheckReport {
        check(&points(baseline, new), 0.95).unwrap()
    }

    #[test]
    fn better_same_and_worse_are_told_apart_in_noise() {
        let mut draws = Draws(4);
        let baseline = runs(8, 5.0, &mut draws);
        for (median_ms, verdict) in [(4.0, Verdict::Better), (5.0, Verdict::Same), (6.0, Verdict::Worse)] {
            let found = checked(&baseline, &runs(8, median_ms, &mut draws));
            assert_eq!(found.verdict, verdict, "{median_ms} {}", text::text(&found));
        }
        let found = checked(&baseline, &runs(8, 6.0, &mut draws));
        insta::assert_snapshot!("worse", text::text(&found));
    }

    #[test]
    fn sides_that_differ_in_a_setting_everywhere_are_compared_and_say_so() {
        let mut draws = Draws(6);
        let (baseline, mut new) = (runs(8, 5.0, &mut draws), runs(8, 6.0, &mut draws));
        new.iter_mut().for_each(|run| run.config.driver["hw_queue"] = json!("32"));
        let found = checked(&baseline, &new);
        assert_eq!((found.points.len(), found.verdict), (1, Verdict::Worse));
        assert_eq!(found.points[0].notes, ["hw-queue is 16 in the baseline and 32 in NEW"]);
        // With a point in common, the other ones are missing.
        let both: Vec<_> = baseline.iter().chain(&new).cloned().collect();
        assert!(checked(&both, &new).points[0].missing);
    }

    #[test]
    fn too_few_runs_are_not_judged() {
        let mut draws = Draws(5);
        let found = checked(&runs(8, 5.0, &mut draws), &runs(4, 9.0, &mut draws));
        assert_eq!((found.verdict, found.figures.worse, found.level), (Verdict::CannotBeTold, 0, None));
        assert!(text::sentence(&found).starts_with("It cannot be told, because in real time 5 runs"));
    }

    #[test]
    fn virtual_runs_are_compared_exactly_seed_by_seed() {
        let simulated = |seed, nanos| {
            let mut run = fixture::run("drop-newest", 1000, 50);
            (run.seed, run.clock, run.config.simulate) = (seed, "virtual".to_owned(), Some(json!({})));
            run.latency_ns = fixture::times(950, nanos);
            // This machine's own time differs in each run, and is not judged.
            run.process.cpu_ns = seed * nanos;
            run
        };
        let baseline = [simulated(1, 1000), simulated(2, 2000)];
        assert_eq!(checked(&baseline, &baseline).verdict, Verdict::Same);
        let slower = checked(&baseline, &[simulated(2, 2001), simulated(1, 1000)]);
        assert_eq!(slower.verdict, Verdict::Worse, "one nanosecond in one run");
        let other_seed = checked(&baseline, &[simulated(1, 1000), simulated(3, 1)]);
        assert_eq!((other_seed.verdict, other_seed.figures.worse), (Verdict::Worse, 0));
        assert_eq!(other_seed.points[0].notes, ["seeds missing in NEW: 2", "seeds only in NEW: 3"]);
    }

    #[test]
    fn points_are_grouped_by_what_changes_a_figure() {
        let run = |setting: &str, value| {
            let mut run = fixture::run("wait", 10, 0);
            run.config.netstack[setting] = value;
            run
        };
        let runs = [
            run("seed", json!(9)),
            run("quiet", json!(true)),
            run("connect_timeout", json!("9s")),
            // An older report lacks settings that have the default.
            run("dispatch", json!("static")),
            run("depth", json!("8")),
        ];
        assert_eq!(points(&runs, &[]).len(), 2);
    }

    #[test]
    fn a_point_of_one_side_is_listed_and_is_a_failure_if_new_lacks_it() {
        let (one, mut other) = (fixture::run("wait", 10, 0), fixture::run("wait", 10, 0));
        other.config.netstack["depth"] = json!(8);
        let both = [one.clone(), other];
        let lost = checked(&both, std::slice::from_ref(&one));
        assert_eq!((lost.verdict, lost.points[1].notes.join("")), (Verdict::Worse, "missing in NEW".to_owned()));
        let added = checked(std::slice::from_ref(&one), &both);
        assert_eq!((added.verdict, added.points[1].notes.join("")), (Verdict::CannotBeTold, "only in NEW".to_owned()));
    }

    #[test]
    fn a_run_that_ended_early_is_left_out_and_a_figure_that_is_lost_is_worse() {
        let mut draws = Draws(6);
        let (baseline, mut new) = (runs(5, 5.0, &mut draws), runs(5, 5.0, &mut draws));
        new[0].ending = Ending::Interrupted;
        let found = checked(&baseline, &new);
        assert_eq!(found.verdict, Verdict::CannotBeTold);
        assert!(found.points[0].notes[0].starts_with("1 runs of NEW are left out"), "{:?}", found.points[0].notes);
        new[0].ending = Ending::Finished;
        new.iter_mut().for_each(|run| run.rate.bits_per_second = None);
        let found = checked(&baseline, &new);
        let lost = found.points[0].figures.iter().find(|figure| figure.verdict == Verdict::Worse).unwrap();
        assert_eq!(lost.figure, "bits_per_second");
    }
}
