//! When to stop replicating.
//!
//! Source: the sequential procedure of Law, *Simulation Modeling and Analysis*, 5th ed., section 9.4.1. The number of
//! runs follows from the requested precision, and the seeds are consecutive, so no seed is selected because it passes.
//! The procedure requires `gamma / (1 + gamma)` of the *measured* mean, so that the error relative to the *true* mean
//! is at most `gamma`.

use super::{Interval, ParameterError, Replications, level};

/// The stopping rule: the level and width of the interval, and the smallest and largest number of runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stopping {
    /// Level of the interval, such as 0.95.
    level: f64,
    /// The largest half-width, relative to the true mean.
    precision: f64,
    /// The fewest runs: two runs that agree by chance would end the procedure.
    at_least: u64,
    /// The largest number of runs, so that a scenario that never becomes precise ends.
    at_most: u64,
}

/// The result of the rule after some runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Make another run.
    Continue,
    /// The interval is narrow enough.
    Precise(Interval),
    /// All runs have the same value: there is no interval, and more runs are not expected to give one.
    /// [`never_in`](super::never_in) and [`unlike`](super::unlike) bound what the runs did not show.
    Equal,
    /// The largest number of runs is reached, and the interval is too wide: the mean must not be reported as precise.
    TooWide(Interval),
}

impl Stopping {
    /// Creates a rule. `at_least` must be 2 or more; ten is a good value where a run is cheap.
    ///
    /// # Errors
    /// When `level` is not a valid level, `precision` is not above 0, `at_least` is below 2 or `at_most` below it.
    pub fn new(level: f64, precision: f64, at_least: u64, at_most: u64) -> Result<Self, ParameterError> {
        let count = |parameter, value, low, remedy| {
            if value >= low {
                Ok(value)
            } else {
                Err(ParameterError::CountOutOfRange { parameter, value, low, high: u64::MAX, remedy })
            }
        };
        Ok(Self {
            level: level::check(level)?,
            precision: super::super::error::positive(
                "precision",
                precision,
                "give the half-width over the mean, such as 0.02",
            )?,
            at_least: count("at least", at_least, 2, "one run has no spread")?,
            at_most: count("at most", at_most, at_least, "allow as many runs as you ask for")?,
        })
    }

    /// Decides what to do after `runs`.
    ///
    /// # Errors
    /// None in practice: the rule was checked when it was created, and needs at least two runs.
    pub fn verdict(&self, runs: &Replications) -> Result<Verdict, ParameterError> {
        if runs.count() < self.at_least {
            return Ok(Verdict::Continue);
        }
        Ok(match runs.interval(self.level)? {
            None => Verdict::Equal,
            Some(interval) if interval.is_within(self.precision) => Verdict::Precise(interval),
            Some(interval) if runs.count() >= self.at_most => Verdict::TooWide(interval),
            Some(_) => Verdict::Continue,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Draws;
    use super::*;

    /// Replicates until the rule ends it; returns the verdict and the number of runs.
    fn run(rule: Stopping, mut figure: impl FnMut() -> f64) -> (Verdict, u64) {
        let mut runs = Replications::default();
        loop {
            runs.push(figure()).unwrap();
            match rule.verdict(&runs).unwrap() {
                Verdict::Continue => {}
                verdict => return (verdict, runs.count()),
            }
        }
    }

    #[test]
    fn stops_when_narrow_enough() {
        let mut draws = Draws(7);
        let rule = Stopping::new(0.95, 0.02, 10, 10_000).unwrap();
        let (verdict, runs) = run(rule, || 5.0 + draws.normal());
        let Verdict::Precise(interval) = verdict else { panic!("{verdict:?}") };
        assert!(interval.half_width / 5.0 <= 0.02, "{interval:?}");
        // (1.96 / (0.02 x 5))^2 = 384 runs, more or less.
        assert!((250..550).contains(&runs), "{runs}");
    }

    #[test]
    fn reports_an_interval_that_stays_too_wide() {
        let mut draws = Draws(7);
        let rule = Stopping::new(0.95, 1e-6, 2, 30).unwrap();
        let (verdict, runs) = run(rule, || 5.0 + draws.normal());
        assert!(matches!(verdict, Verdict::TooWide(_)), "{verdict:?}");
        assert_eq!(runs, 30);
    }

    #[test]
    fn equal_runs_stop_at_once() {
        let rule = Stopping::new(0.95, 0.01, 3, 30).unwrap();
        let (verdict, runs) = run(rule, || 0.0);
        assert_eq!((verdict, runs), (Verdict::Equal, 3));
    }

    #[test]
    fn the_precision_is_relative_to_the_true_mean() {
        // Two runs at level 0.5: t is 1, so runs of 1 +- d have the half-width d. Within 100 % of the true mean is
        // within 50 % of the measured one.
        let rule = Stopping::new(0.5, 1.0, 2, 9).unwrap();
        for (d, precise) in [(0.45, true), (0.55, false)] {
            let mut runs = Replications::default();
            runs.push(1.0 - d).unwrap();
            runs.push(1.0 + d).unwrap();
            let verdict = rule.verdict(&runs).unwrap();
            assert_eq!(matches!(verdict, Verdict::Precise(_)), precise, "{verdict:?}");
        }
    }

    #[test]
    fn refuses_rules_that_cannot_end() {
        assert!(Stopping::new(1.0, 0.02, 2, 3).is_err());
        assert!(Stopping::new(0.95, 0.0, 2, 3).is_err());
        assert!(Stopping::new(0.95, 0.02, 1, 3).is_err());
        let text = Stopping::new(0.95, 0.02, 10, 3).unwrap_err().to_string();
        assert!(text.starts_with("at most is 3, but must be from 10"), "{text}");
    }
}
