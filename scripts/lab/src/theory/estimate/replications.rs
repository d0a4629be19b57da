//! Independent runs of one scenario, and the interval of their mean.

use super::{ParameterError, level, student_t};

/// The values of one figure in independent runs, kept as count, mean and sum of squared deviations.
///
/// Source: Welford, *Technometrics* 4, 1962. Sums of squares would cancel: losses of 0.0587 and 0.0589 differ in the
/// third digit, but the sums of their squares only in the fifth or later.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Replications {
    /// The number of runs.
    count: u64,
    /// The mean of their values.
    mean: f64,
    /// Sum of squared deviations from the mean.
    deviations: f64,
}

impl Replications {
    /// Adds the value of one more run.
    ///
    /// # Errors
    /// When `value` is not finite; nothing is added then.
    pub fn push(&mut self, value: f64) -> Result<(), ParameterError> {
        if !value.is_finite() {
            return Err(ParameterError::NotFinite { parameter: "replication", value });
        }
        self.count += 1;
        let before = value - self.mean;
        self.mean += before / self.count as f64;
        self.deviations += before * (value - self.mean);
        Ok(())
    }

    /// The runs with these values.
    ///
    /// # Errors
    /// When a value is not finite.
    pub fn of(values: &[f64]) -> Result<Self, ParameterError> {
        let mut runs = Self::default();
        values.iter().try_for_each(|value| runs.push(*value))?;
        Ok(runs)
    }

    /// The number of runs.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The mean of the runs; 0 without runs.
    #[must_use]
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// The unbiased variance between runs; 0 with fewer than two.
    #[must_use]
    pub fn variance(&self) -> f64 {
        match self.count {
            0 | 1 => 0.0,
            count => (self.deviations / (count - 1) as f64).max(0.0),
        }
    }

    /// The t-interval of the mean at a `level` such as 0.95; `None` if all runs have the same value, because a spread
    /// of 0 does not mean that the mean is exact.
    ///
    /// # Errors
    /// With fewer than two runs, or when `level` is not a valid level.
    pub fn interval(&self, level: f64) -> Result<Option<Interval>, ParameterError> {
        let level = level::check(level)?;
        let squared = self.squared_error()?;
        if squared == 0.0 {
            return Ok(None);
        }
        let half_width = student_t::two_sided(level, (self.count - 1) as f64)? * squared.sqrt();
        Ok(Some(Interval { mean: self.mean, half_width, level, count: self.count }))
    }

    /// The square of the mean's standard error.
    fn squared_error(&self) -> Result<f64, ParameterError> {
        if self.count < 2 {
            return Err(ParameterError::CountOutOfRange {
                parameter: "replications",
                value: self.count,
                low: 2,
                high: u64::MAX,
                remedy: "one run has no spread; run again with another seed",
            });
        }
        Ok(self.variance() / self.count as f64)
    }
}

/// Welch's interval for the difference of two means, `new` minus `baseline`, whose variances may differ, at a `level`
/// such as 0.95; `None` if both have no spread.
///
/// Source: Welch, *Biometrika* 34, 1947; the degrees of freedom are those of Satterthwaite.
///
/// # Errors
/// With fewer than two runs on a side, or when `level` is not a valid level.
pub fn welch(baseline: &Replications, new: &Replications, level: f64) -> Result<Option<Interval>, ParameterError> {
    let level = level::check(level)?;
    let (one, other) = (baseline.squared_error()?, new.squared_error()?);
    let squared = one + other;
    if squared == 0.0 {
        return Ok(None);
    }
    // Shares of the sum, so that tiny variances do not underflow when they are squared.
    let part = |share: f64, runs: &Replications| (share / squared).powi(2) / (runs.count() - 1) as f64;
    let degrees = 1.0 / (part(one, baseline) + part(other, new));
    let half_width = student_t::two_sided(level, degrees)? * squared.sqrt();
    let count = baseline.count() + new.count();
    Ok(Some(Interval { mean: new.mean() - baseline.mean(), half_width, level, count }))
}

/// A mean with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// Mean of the replications.
    pub mean: f64,
    /// Half the width of the interval, in the unit of the mean. At this level, the true mean is within it.
    pub half_width: f64,
    /// The level of confidence (0 to 1).
    pub level: f64,
    /// The number of replications.
    pub count: u64,
}

impl Interval {
    /// Lower end.
    #[must_use]
    pub fn low(&self) -> f64 {
        self.mean - self.half_width
    }

    /// Upper end.
    #[must_use]
    pub fn high(&self) -> f64 {
        self.mean + self.half_width
    }

    /// Whether `value` is in the interval, or within `slack` of either end.
    #[must_use]
    pub fn contains(&self, value: f64, slack: f64) -> bool {
        (value - self.mean).abs() <= self.half_width + slack
    }

    /// The half-width over the mean; infinite if the mean is 0.
    #[must_use]
    pub fn relative_half_width(&self) -> f64 {
        self.half_width / self.mean.abs()
    }

    /// Whether the interval is within `precision` of the true mean, which is stricter than of the measured mean.
    #[must_use]
    pub fn is_within(&self, precision: f64) -> bool {
        self.relative_half_width() <= precision / (1.0 + precision)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{Draws, assert_close};
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Replications {
        Replications::of(values).unwrap()
    }

    #[test]
    fn welchs_worked_example() {
        // NIST/SEMATECH e-Handbook, section 1.3.5.3, mileage of cars: t = -12.946 with 136.875 degrees of freedom from
        // these counts, means and variances.
        let runs = |count: u64, mean: f64, deviation: f64| Replications {
            count,
            mean,
            deviations: deviation * deviation * (count - 1) as f64,
        };
        let (usa, japan) = (runs(249, 20.144_58, 6.414_70), runs(79, 30.481_01, 6.107_71));
        let interval = welch(&usa, &japan, 0.95).unwrap().unwrap();
        assert_close(interval.mean, 10.336_43, 1e-9);
        let t = student_t::two_sided(0.95, 136.875).unwrap();
        assert_close(interval.mean / (interval.half_width / t), 12.946, 1e-3);
        assert_eq!(welch(&of(&[1.0; 3]), &of(&[2.0; 3]), 0.95).unwrap(), None);
        assert!(welch(&of(&[1.0]), &of(&[2.0, 3.0]), 0.95).is_err());
        // One side without spread: the degrees of freedom are those of the other.
        let one = welch(&of(&[0.0; 9]), &of(&[1.0, 2.0, 3.0]), 0.95).unwrap().unwrap();
        assert_close(one.half_width, of(&[1.0, 2.0, 3.0]).interval(0.95).unwrap().unwrap().half_width, 1e-12);
    }

    #[test]
    fn a_worked_example() {
        // Law, Simulation Modeling and Analysis, example 4.27: 1.34 +- 0.24 at 90 %.
        let runs = of(&[1.20, 1.50, 1.68, 1.89, 0.95, 1.49, 1.58, 1.55, 0.50, 1.09]);
        let interval = runs.interval(0.90).unwrap().unwrap();
        assert_close(interval.mean, 1.343, 1e-9);
        assert_close(runs.variance(), 0.1675, 3e-3);
        assert!((interval.half_width - 0.24).abs() < 0.005, "{interval:?}");
        assert!(interval.contains(1.5, 0.0) && !interval.contains(1.6, 0.0));
        assert!(interval.contains(1.6, 0.05));
        assert_close(interval.high() - interval.low(), 2.0 * interval.half_width, 1e-12);
    }

    #[test]
    fn needs_two_runs_and_finite_values() {
        let mut runs = of(&[1.0]);
        let text = runs.interval(0.95).unwrap_err().to_string();
        assert!(text.starts_with("replications is 1, but must be from 2"), "{text}");
        assert!(runs.push(f64::NAN).is_err());
        assert_eq!((runs.count(), runs.mean(), runs.variance()), (1, 1.0, 0.0));
        assert!(of(&[1.0, 2.0]).interval(1.0).is_err());
    }

    #[test]
    fn equal_runs_have_no_interval() {
        for value in [0.0, 0.25, 1e9] {
            assert_eq!(of(&[value; 7]).interval(0.95).unwrap(), None, "{value}");
        }
        let about_nothing = of(&[-1.0, 1.0]).interval(0.95).unwrap().unwrap();
        assert!(about_nothing.relative_half_width().is_infinite() && !about_nothing.is_within(0.5));
    }

    #[test]
    fn the_interval_contains_the_true_mean_as_often_as_its_level() {
        let mut draws = Draws(1);
        for (level, runs) in [(0.9, 3), (0.95, 5), (0.99, 10)] {
            let trials = 4000;
            let covered = (0..trials)
                .filter(|_| {
                    let sample: Vec<f64> = (0..runs).map(|_| 3.0 + draws.normal()).collect();
                    of(&sample).interval(level).unwrap().unwrap().contains(3.0, 0.0)
                })
                .count();
            let share = covered as f64 / f64::from(trials);
            // Five standard deviations of the share.
            let allowed = 5.0 * (level * (1.0 - level) / f64::from(trials)).sqrt();
            assert!((share - level).abs() < allowed, "{level}: {share}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_two_passes(offset in -1e6..1e6f64, seed: u64, count in 5usize..60) {
            let mut draws = Draws(seed);
            let values: Vec<f64> = (0..count).map(|_| offset + draws.unit()).collect();
            let mean = values.iter().sum::<f64>() / count as f64;
            let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
            let runs = of(&values);
            prop_assert!((runs.mean() - mean).abs() <= 1e-9 * offset.abs().max(1.0));
            assert_close(runs.variance(), squares / (count - 1) as f64, 1e-6);
        }
    }
}
