//! Whether a figure became better or worse: exactly in virtual time, by Welch's interval in real time.

use schemars::JsonSchema;
use serde::Serialize;

use crate::theory::ParameterError;
use crate::theory::estimate::{Interval, Replications, welch};

/// The fewest repetitions on either side from which a figure in real time is judged.
pub(crate) const FEWEST: usize = 5;

/// Which values of a figure are good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Lower,
    Higher,
}

/// How a figure, a point or everything compares with the baseline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verdict {
    Worse,
    CannotBeTold,
    Better,
    /// In virtual time equal to the last bit, in real time the interval of the difference contains 0.
    Same,
}

impl Verdict {
    /// Every verdict, those that matter most first.
    pub(crate) const ALL: [Self; 4] = [Self::Worse, Self::CannotBeTold, Self::Better, Self::Same];

    /// The verdict over several figures: the one that matters most.
    pub(crate) fn over(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let rank = |verdict: &Self| Self::ALL.iter().position(|each| each == verdict);
        verdicts.into_iter().min_by_key(rank).unwrap_or(Self::CannotBeTold)
    }
}

/// The values of one figure in the runs of one point, on both sides.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Samples {
    pub(crate) baseline: Vec<f64>,
    pub(crate) new: Vec<f64>,
}

/// The difference of a figure, new minus baseline, and its verdict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// In real time; `None` if the values have no spread or are too few.
    pub(crate) difference: Option<Interval>,
}

impl Samples {
    /// Whether there are enough values for a figure in real time.
    pub(crate) fn are_enough(&self) -> bool {
        self.baseline.len() >= FEWEST && self.new.len() >= FEWEST
    }

    /// Judges values that repeat exactly; each of `new` belongs to the one of `baseline` at its place. The mean of the
    /// differences decides, and if it is zero although they differ, it cannot be told.
    pub(crate) fn exactly(&self, better: Better) -> Judged {
        let pairs = || self.baseline.iter().zip(&self.new);
        let verdict = if pairs().all(|(baseline, new)| baseline == new) {
            Verdict::Same
        } else {
            side(pairs().map(|(baseline, new)| new - baseline).sum(), better)
        };
        Judged { verdict, difference: None }
    }

    /// Judges values that vary, at the confidence `level` of this figure.
    ///
    /// # Errors
    /// When `level` is no level, or a value is not finite.
    pub(crate) fn within_noise(&self, better: Better, level: f64) -> Result<Judged, ParameterError> {
        if !self.are_enough() {
            return Ok(Judged { verdict: Verdict::CannotBeTold, difference: None });
        }
        let (baseline, new) = (Replications::of(&self.baseline)?, Replications::of(&self.new)?);
        let difference = welch(&baseline, &new, level)?;
        let verdict = match difference {
            Some(interval) if interval.contains(0.0, 0.0) => Verdict::Same,
            Some(interval) => side(interval.mean, better),
            None if baseline.mean() == new.mean() => Verdict::Same,
            // No spread on either side gives no interval, but so clear a split has a probability.
            None if split_chance(baseline.count(), new.count()) <= 1.0 - level => {
                side(new.mean() - baseline.mean(), better)
            }
            None => Verdict::CannotBeTold,
        };
        Ok(Judged { verdict, difference })
    }
}

fn side(difference: f64, better: Better) -> Verdict {
    match (difference, better) {
        (difference, Better::Higher) if difference > 0.0 => Verdict::Better,
        (difference, Better::Lower) if difference > 0.0 => Verdict::Worse,
        (difference, Better::Higher) if difference < 0.0 => Verdict::Worse,
        (difference, Better::Lower) if difference < 0.0 => Verdict::Better,
        _ => Verdict::CannotBeTold,
    }
}

/// The largest probability that values of one distribution split like this: one value in all `a` runs of one side, and
/// another in all `b` runs of the other. It is p^a (1 - p)^b at p = a / (a + b), for either order of the two values.
fn split_chance(a: u64, b: u64) -> f64 {
    let (a, b) = (a as f64, b as f64);
    2.0 * (a * (a / (a + b)).ln() + b * (b / (a + b)).ln()).exp()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::estimate::bonferroni;
    use crate::theory::testing::Draws;

    fn samples(baseline: &[f64], new: &[f64]) -> Samples {
        Samples { baseline: baseline.to_vec(), new: new.to_vec() }
    }

    fn verdict(baseline: &[f64], new: &[f64], better: Better) -> Verdict {
        samples(baseline, new).within_noise(better, 0.99).unwrap().verdict
    }

    #[test]
    fn the_direction_of_a_figure_decides_what_a_clear_difference_means() {
        let (low, high) = ([10.0, 11.0, 10.5, 10.2, 10.8], [20.0, 21.0, 20.5, 20.2, 20.8]);
        assert_eq!(verdict(&low, &high, Better::Lower), Verdict::Worse);
        assert_eq!(verdict(&low, &high, Better::Higher), Verdict::Better);
        assert_eq!(verdict(&high, &low, Better::Lower), Verdict::Better);
        assert_eq!(verdict(&low, &low, Better::Lower), Verdict::Same);
        assert_eq!(verdict(&low, &high[..4], Better::Lower), Verdict::CannotBeTold, "four are too few");
    }

    #[test]
    fn values_without_spread_differ_only_if_there_are_enough_of_them() {
        assert_eq!(verdict(&[0.0; 5], &[0.0; 5], Better::Lower), Verdict::Same);
        // 2 / 2^10 is 0.002.
        assert!((split_chance(5, 5) - 2.0 / 1024.0).abs() < 1e-12);
        assert_eq!(verdict(&[0.0; 5], &[0.5; 5], Better::Lower), Verdict::Worse);
        let judged = samples(&[0.0; 5], &[0.5; 5]).within_noise(Better::Lower, 0.999).unwrap();
        assert_eq!(judged.verdict, Verdict::CannotBeTold);
    }

    #[test]
    fn exact_values_are_the_same_only_to_the_last_bit() {
        let of = |new: &[f64]| samples(&[1.0, 2.0], new).exactly(Better::Lower).verdict;
        assert_eq!(of(&[1.0, 2.0]), Verdict::Same);
        assert_eq!(of(&[1.0, 2.0 + 1e-15]), Verdict::Worse);
        assert_eq!(of(&[0.5, 2.0]), Verdict::Better);
        assert_eq!(of(&[2.0, 1.0]), Verdict::CannotBeTold);
    }

    #[test]
    fn a_value_that_is_not_finite_is_an_error() {
        assert!(samples(&[f64::NAN; 5], &[1.0; 5]).within_noise(Better::Lower, 0.95).is_err());
    }

    /// Ten figures at a joint level of 95 %, from one distribution: at most one comparison in twenty may find any
    /// difference, and at most one in forty a worse figure. Of skewed values on sides of different size, nearly all
    /// that is found wrongly is on one side, so there the rate for both sides is what holds.
    #[test]
    fn what_did_not_change_is_called_worse_no_more_often_than_stated() {
        let (figures, trials) = (10, 2_000);
        let each = bonferroni(0.95, figures).unwrap();
        let mut draws = Draws(11);
        for (name, normal) in [("normal", true), ("exponential", false)] {
            for (before, after) in [(5, 5), (5, 12), (20, 20)] {
                let mut found = [0, 0];
                for _ in 0..trials {
                    let mut values = |runs: usize| -> Vec<f64> {
                        (0..runs).map(|_| if normal { draws.normal() } else { draws.exponential(1.0) }).collect()
                    };
                    let verdicts = Verdict::over((0..figures).map(|_| {
                        let samples = Samples { baseline: values(before), new: values(after) };
                        samples.within_noise(Better::Lower, each).unwrap().verdict
                    }));
                    found[0] += u32::from(verdicts == Verdict::Worse);
                    found[1] += u32::from(verdicts != Verdict::Same);
                }
                let shares = found.map(|found| f64::from(found) / f64::from(trials));
                // Four standard deviations above the stated rates.
                let allowed = |rate: f64| rate + 4.0 * (rate * (1.0 - rate) / f64::from(trials)).sqrt();
                assert!(shares[0] <= allowed(if normal { 0.025 } else { 0.05 }), "{name} {before} {after}: {shares:?}");
                assert!(shares[1] <= allowed(0.05), "{name} {before} {after}: {shares:?}");
            }
        }
    }

    /// A change of two standard deviations is found from ten repetitions on.
    #[test]
    fn a_clear_change_is_found() {
        let each = bonferroni(0.95, 10).unwrap();
        let mut draws = Draws(12);
        let found = (0..500).filter(|_| {
            let mut values = |mean: f64| (0..10).map(|_| mean + draws.normal()).collect::<Vec<_>>();
            let samples = Samples { baseline: values(0.0), new: values(2.0) };
            samples.within_noise(Better::Lower, each).unwrap().verdict == Verdict::Worse
        });
        let share = found.count() as f64 / 500.0;
        assert!(share > 0.75, "{share}");
    }
}
