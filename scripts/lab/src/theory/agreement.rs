//! Whether a measurement supports a prediction.
//!
//! Three answers, not two: an interval so wide that every model fits supports none of them.

use std::fmt;

use super::estimate::Interval;
use super::{ParameterError, Prediction, error};

/// What was measured over replications, in the units of [`Prediction`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Measured {
    /// Dropped over offered.
    pub loss_ratio: Interval,
    /// Mean sojourn of accepted packets, in mean service times.
    pub sojourn_mean: Interval,
}

/// How strict to be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance {
    /// Bias that is allowed beside chance, relative to the prediction: a finite run starts empty, and times
    /// are whole nanoseconds. Not a place for what cannot be explained.
    slack: f64,
    /// The widest interval, relative to the prediction, from which anything may be concluded.
    widest: f64,
}

impl Tolerance {
    /// `slack` such as 0.005, `widest` such as 0.05.
    ///
    /// # Errors
    /// When either is not above 0.
    pub fn new(slack: f64, widest: f64) -> Result<Self, ParameterError> {
        Ok(Self {
            slack: error::positive("slack", slack, "give a share of the prediction, such as 0.005")?,
            widest: error::positive("widest", widest, "give a share of the prediction, such as 0.05")?,
        })
    }
}

/// The answer for one figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The prediction is within the interval.
    Agrees,
    /// It is not.
    Differs,
    /// The interval is too wide to tell.
    TooWide,
}

/// One figure, predicted and measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Comparison {
    /// Whose prediction.
    pub model: &'static str,
    /// Which figure.
    pub figure: &'static str,
    /// What theory says.
    pub predicted: f64,
    /// What the runs say.
    pub measured: Interval,
    /// What follows.
    pub finding: Finding,
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let says = match self.finding {
            Finding::Agrees => "agrees with",
            Finding::Differs => "differs from",
            Finding::TooWide => "cannot be told from",
        };
        write!(
            f,
            "{} {:.6} measured +- {:.6} (level {}, {} runs) {says} {:.6} of {}",
            self.figure,
            self.measured.mean,
            self.measured.half_width,
            self.measured.level,
            self.measured.count,
            self.predicted,
            self.model,
        )
    }
}

/// Holds both figures against the prediction. For a joint level, make the intervals at
/// [`super::estimate::bonferroni`] of it.
#[must_use]
pub fn compare(prediction: &Prediction, measured: &Measured, tolerance: Tolerance) -> [Comparison; 2] {
    let model = prediction.model;
    [
        compare_one(model, "loss ratio", prediction.loss_ratio, measured.loss_ratio, tolerance),
        compare_one(model, "mean sojourn", prediction.sojourn_mean, measured.sojourn_mean, tolerance),
    ]
}

/// Holds one figure of `model` against what it `predicted`, both in the same unit.
#[must_use]
pub fn compare_one(
    model: &'static str,
    figure: &'static str,
    predicted: f64,
    measured: Interval,
    tolerance: Tolerance,
) -> Comparison {
    Comparison { model, figure, predicted, measured, finding: finding(predicted, measured, tolerance) }
}

fn finding(predicted: f64, measured: Interval, tolerance: Tolerance) -> Finding {
    if !measured.contains(predicted, tolerance.slack * predicted.abs()) {
        // However wide the interval is, the prediction is outside.
        Finding::Differs
    } else if measured.half_width > tolerance.widest * predicted.abs() {
        Finding::TooWide
    } else {
        Finding::Agrees
    }
}

#[cfg(test)]
mod tests {
    use super::super::Model;
    use super::super::estimate::{Replications, bonferroni};
    use super::super::lindley::Lindley;
    use super::super::testing::Draws;
    use super::*;

    const SERVICE_NS: f64 = 1e6;

    /// Poisson arrivals into one server, `runs` times, by the recursion of Lindley. Seeds are counted.
    fn measure(load: f64, places: u32, exponential: bool, runs: u64, packets: u32) -> Measured {
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
        Measured { loss_ratio: loss.interval(level).unwrap(), sojourn_mean: sojourn.interval(level).unwrap() }
    }

    fn findings(model: Model, measured: &Measured) -> [Finding; 2] {
        let tolerance = Tolerance::new(0.005, 0.1).unwrap();
        let prediction = model.predict().unwrap();
        compare(&prediction, measured, tolerance).map(|comparison| comparison.finding)
    }

    #[test]
    fn the_right_model_passes_and_the_wrong_one_is_caught() {
        for (load, places) in [(0.9, 8), (1.1, 8), (1.0, 16)] {
            let fixed = Model::Md1k { load, places };
            let exponential = Model::Mm1k { load, places };
            let measured = measure(load, places, false, 20, 40_000);
            assert_eq!(findings(fixed, &measured), [Finding::Agrees; 2], "{fixed} {measured:?}");
            assert_eq!(findings(exponential, &measured)[0], Finding::Differs, "{exponential}");
            let measured = measure(load, places, true, 20, 40_000);
            assert_eq!(findings(exponential, &measured), [Finding::Agrees; 2], "{exponential}");
            assert_eq!(findings(fixed, &measured)[0], Finding::Differs, "{fixed}");
        }
    }

    #[test]
    fn a_place_more_or_less_is_caught() {
        // The commonest slip: K without the packet in service, or with one too many.
        let measured = measure(0.9, 8, false, 20, 40_000);
        for places in [7, 9] {
            let slip = Model::Md1k { load: 0.9, places };
            assert_eq!(findings(slip, &measured), [Finding::Differs; 2], "{slip}");
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
        let found = findings(Model::Md1k { load: 0.9, places: 8 }, &measured);
        assert_eq!(found, [Finding::TooWide; 2], "{measured:?}");
    }

    #[test]
    fn prints_a_sentence() {
        let interval = |mean, half_width| Interval { mean, half_width, level: 0.95, count: 10 };
        let measured = Measured { loss_ratio: interval(0.0270, 0.0004), sojourn_mean: interval(3.6, 0.01) };
        let prediction = Model::Md1k { load: 0.9, places: 8 }.predict().unwrap();
        let tolerance = Tolerance::new(0.001, 0.05).unwrap();
        let lines = compare(&prediction, &measured, tolerance).map(|c| c.to_string());
        assert_eq!(
            lines[0],
            "loss ratio 0.027000 measured +- 0.000400 (level 0.95, 10 runs) agrees with 0.027264 of M/D/1/K"
        );
        assert!(lines[1].contains("differs from 3.446"), "{}", lines[1]);
        assert!(Tolerance::new(0.0, 0.05).is_err());
    }
}
