//! Whether a measurement supports a prediction.
//!
//! There are three answers, because a wide interval contains the predictions of several models and supports none.

use std::fmt;

use shared::report::human;

use super::ParameterError;
use super::estimate::{Interval, never_in, unlike};

/// The measurements of one figure over all runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Evidence {
    /// The runs differ.
    Mean {
        /// The interval for their mean.
        interval: Interval,
        /// Whether the interval is as narrow as requested. If not, an interval that contains the prediction does not
        /// confirm it.
        known: bool,
    },
    /// All runs gave the same value although the runs are random: their spread is 0, so there is no interval.
    Equal {
        /// The value of each run.
        value: f64,
        /// How many runs.
        runs: u64,
        /// The confidence level of the conclusion (0 to 1).
        level: f64,
        /// If the figure is a share: the number of packets in all runs together.
        share_of: Option<u64>,
    },
    /// Nothing in the run is random: every repetition gives this value.
    Exact(f64),
}

/// The result of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The measurement supports the prediction.
    Agrees,
    /// The measurement contradicts the prediction.
    Differs,
    /// The measurement is too imprecise for either.
    Unknown,
}

/// One figure, predicted and measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// The name of the model.
    pub model: &'static str,
    /// The name of the figure.
    pub figure: &'static str,
    /// The figure that the model predicts.
    pub predicted: f64,
    /// The figure that the runs measured.
    pub measured: Evidence,
    /// The result.
    pub finding: Finding,
}

/// Compares one figure that `model` `predicted` with its measurement, both in the same unit.
///
/// `slack` is the bias allowed beside chance, relative to the prediction: a finite run starts empty, and times are
/// whole nanoseconds. Do not raise it to cover an unexplained difference. To judge several figures at one joint level,
/// give the evidence of each at [`super::estimate::bonferroni`] of that level.
///
/// # Errors
/// When the level of the evidence is not between 0 and 1, or the evidence is of no runs.
pub fn compare(
    model: &'static str,
    figure: &'static str,
    predicted: f64,
    measured: Evidence,
    slack: f64,
) -> Result<Comparison, ParameterError> {
    let near = |value: f64| (value - predicted).abs() <= slack * predicted.abs();
    let finding = match measured {
        Evidence::Mean { interval, known } => match (interval.contains(predicted, slack * predicted.abs()), known) {
            // The prediction is outside the interval, however wide it is.
            (false, _) => Finding::Differs,
            (true, true) => Finding::Agrees,
            (true, false) => Finding::Unknown,
        },
        Evidence::Equal { value, .. } if near(value) => Finding::Agrees,
        Evidence::Equal { value, runs, level, share_of: Some(packets) } => {
            let never = value == 0.0 && predicted <= never_in(packets, level)?;
            // Packets may depend on each other, runs do not: only what the number of runs excludes is a difference.
            match (never, (value - predicted).abs() > unlike(runs, level)?) {
                (true, _) => Finding::Agrees,
                (false, true) => Finding::Differs,
                (false, false) => Finding::Unknown,
            }
        }
        Evidence::Equal { share_of: None, .. } => Finding::Unknown,
        Evidence::Exact(value) if near(value) => Finding::Agrees,
        Evidence::Exact(_) => Finding::Differs,
    };
    Ok(Comparison { model, figure, predicted, measured, finding })
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (figure, model, predicted) = (self.figure, self.model, number(self.predicted));
        let at = |level: f64, runs: u64| format!("level {}, {runs} runs", human::percent(level));
        match self.measured {
            Evidence::Mean { interval, .. } => {
                let (mean, half_width) = (number(interval.mean), number(interval.half_width));
                write!(f, "{figure} {mean} measured +- {half_width} ({})", at(interval.level, interval.count))?;
            }
            Evidence::Equal { value: 0.0, runs, level, share_of: Some(packets) } => {
                let bound = number(never_in(packets, level).map_err(|_| fmt::Error)?);
                let of = human::count(packets);
                write!(f, "{figure} below {bound} if drops are independent (none of {of}, {})", at(level, runs))?;
            }
            Evidence::Equal { value, runs, level, .. } => {
                write!(f, "{figure} {} in each run, without any spread ({})", number(value), at(level, runs))?;
            }
            Evidence::Exact(value) => write!(f, "{figure} {} in every run", number(value))?,
        }
        let relation = match self.finding {
            Finding::Agrees => "agrees with",
            Finding::Differs => "differs from",
            Finding::Unknown => "cannot be distinguished from",
        };
        write!(f, " {relation} {predicted} of {model}")
    }
}

/// Six decimals; three digits in scientific notation for numbers that would lose their digits.
fn number(value: f64) -> String {
    if value == 0.0 || value.abs() >= 1e-3 { format!("{value:.6}") } else { format!("{value:.2e}") }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::super::estimate::{Replications, bonferroni};
    use super::super::lindley::Lindley;
    use super::super::testing::Draws;
    use super::*;

    const SERVICE_NS: f64 = 1e6;

    /// Poisson arrivals into one server, `runs` times with the seeds 0, 1, 2, ..., by Lindley's recursion: the loss
    /// ratio, and the mean sojourn in service times.
    fn measure(load: f64, places: u32, exponential: bool, runs: u64, packets: u32) -> [Interval; 2] {
        let (mut loss, mut sojourn) = (Replications::default(), Replications::default());
        for seed in 0..runs {
            let mut draws = Draws(seed);
            let mut server = Lindley::new(places).unwrap();
            let mut at = 0.0;
            for _ in 0..packets {
                at += draws.exponential(SERVICE_NS / load);
                let service = if exponential { draws.exponential(SERVICE_NS) } else { SERVICE_NS };
                server.offer(at as u64, service as u64).unwrap();
            }
            let outcome = server.outcome();
            loss.push(outcome.loss_ratio()).unwrap();
            sojourn.push(outcome.sojourn_mean_ns() / SERVICE_NS).unwrap();
        }
        let level = bonferroni(0.999, 2).unwrap();
        [loss, sojourn].map(|runs| runs.interval(level).unwrap().unwrap())
    }

    fn findings(model: Model, measured: [Interval; 2]) -> [Finding; 2] {
        let prediction = model.predict().unwrap();
        let found = |predicted, interval: Interval| {
            let evidence = Evidence::Mean { interval, known: interval.is_within(0.1) };
            compare("", "", predicted, evidence, 0.005).unwrap().finding
        };
        [found(prediction.loss_ratio, measured[0]), found(prediction.sojourn_mean, measured[1])]
    }

    #[test]
    fn the_right_model_passes_and_the_wrong_one_is_caught() {
        for (load, places) in [(0.9, 8), (1.1, 8), (1.0, 16)] {
            let fixed = Model::Md1k { load, places };
            let exponential = Model::Mm1k { load, places };
            let measured = measure(load, places, false, 20, 40_000);
            assert_eq!(findings(fixed, measured), [Finding::Agrees; 2], "{fixed} {measured:?}");
            assert_eq!(findings(exponential, measured)[0], Finding::Differs, "{exponential}");
            let measured = measure(load, places, true, 20, 40_000);
            assert_eq!(findings(exponential, measured), [Finding::Agrees; 2], "{exponential}");
            assert_eq!(findings(fixed, measured)[0], Finding::Differs, "{fixed}");
        }
    }

    #[test]
    fn a_place_more_or_less_is_caught() {
        // A common mistake: K without the packet in service, or with one too many.
        let measured = measure(0.9, 8, false, 20, 40_000);
        for places in [7, 9] {
            let slip = Model::Md1k { load: 0.9, places };
            assert_eq!(findings(slip, measured), [Finding::Differs; 2], "{slip}");
        }
    }

    #[test]
    fn models_differ_by_more_than_any_tolerance_in_use() {
        for (load, places) in [(0.9, 8), (1.0, 16), (1.1, 8)] {
            let fixed = Model::Md1k { load, places }.predict().unwrap();
            let exponential = Model::Mm1k { load, places }.predict().unwrap();
            let gap = (fixed.loss_ratio - exponential.loss_ratio).abs();
            assert!(gap > 0.2 * fixed.loss_ratio, "{load} {places}: {gap}");
        }
    }

    #[test]
    fn a_wide_interval_proves_nothing() {
        let measured = measure(0.9, 8, false, 3, 300);
        let found = findings(Model::Md1k { load: 0.9, places: 8 }, measured);
        assert_eq!(found, [Finding::Unknown; 2], "{measured:?}");
    }

    #[test]
    fn no_drop_supports_what_is_rarer_and_contradicts_only_what_runs_exclude() {
        // None of 70 000: below 4.28e-5 at 95 % if independent. 12 equal runs: within 22.1 % without that.
        let none = Evidence::Equal { value: 0.0, runs: 12, level: 0.95, share_of: Some(70_000) };
        let found = |predicted| compare("M/M/1/K", "loss ratio", predicted, none, 0.005).unwrap().finding;
        for (predicted, finding) in [
            (0.0, Finding::Agrees),
            (4.2e-5, Finding::Agrees),
            (4.4e-5, Finding::Unknown),
            (0.21, Finding::Unknown),
            (0.23, Finding::Differs),
        ] {
            assert_eq!(found(predicted), finding, "{predicted}");
        }
    }

    #[test]
    fn equal_runs_do_not_give_an_interval_of_width_zero() {
        let equal = |value, share_of| Evidence::Equal { value, runs: 10, level: 0.95, share_of };
        let found = |predicted, evidence| compare("", "", predicted, evidence, 0.005).unwrap().finding;
        assert_eq!(found(0.101, equal(0.1, Some(100))), Finding::Unknown);
        assert_eq!(found(0.5, equal(0.1, Some(100))), Finding::Differs);
        assert_eq!(found(900.0, equal(100.0, None)), Finding::Unknown);
        assert_eq!(found(100.2, equal(100.0, None)), Finding::Agrees);
        // Without randomness the value is certain.
        assert_eq!(found(100.2, Evidence::Exact(100.0)), Finding::Agrees);
        assert_eq!(found(101.0, Evidence::Exact(100.0)), Finding::Differs);
    }

    #[test]
    fn prints_a_sentence() {
        let sentence =
            |evidence, predicted| compare("M/D/1/K", "loss ratio", predicted, evidence, 0.001).unwrap().to_string();
        let interval = Interval { mean: 0.0270, half_width: 0.0004, level: 0.95, count: 10 };
        insta::assert_snapshot!(sentence(Evidence::Mean { interval, known: true }, 0.027_264), @"loss ratio 0.027000 measured +- 4.00e-4 (level 95 %, 10 runs) agrees with 0.027264 of M/D/1/K");
        let interval = Interval { mean: 3.6, half_width: 0.01, ..interval };
        insta::assert_snapshot!(sentence(Evidence::Mean { interval, known: true }, 3.446), @"loss ratio 3.600000 measured +- 0.010000 (level 95 %, 10 runs) differs from 3.446000 of M/D/1/K");
        let none = Evidence::Equal { value: 0.0, runs: 10, level: 0.95, share_of: Some(70_000) };
        insta::assert_snapshot!(sentence(none, 3e-6), @"loss ratio below 4.28e-5 if drops are independent (none of 70,000, level 95 %, 10 runs) agrees with 3.00e-6 of M/D/1/K");
        let equal = Evidence::Equal { value: 0.25, runs: 10, level: 0.95, share_of: Some(40) };
        insta::assert_snapshot!(sentence(equal, 0.27), @"loss ratio 0.250000 in each run, without any spread (level 95 %, 10 runs) cannot be distinguished from 0.270000 of M/D/1/K");
        insta::assert_snapshot!(sentence(Evidence::Exact(0.5), 0.5), @"loss ratio 0.500000 in every run agrees with 0.500000 of M/D/1/K");
    }
}
