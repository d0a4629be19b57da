//! What two points of a set differ by, seed by seed.
//!
//! Runs with the same seed see the same arrivals, so what is random in both cancels in their difference: its interval is
//! mostly far narrower than those of the two means.

use super::estimate::{Estimate, Sample, Samples, place_of};
use super::table::Points;
use crate::theory::ParameterError;
use crate::theory::estimate::Replications;

/// A figure of a point minus that of another, over the seeds of which both have a run.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Difference {
    /// The mean of the differences. Its bounds are both equal to it if nothing in the runs is random, and unknown if
    /// there is one pair, or if all pairs differ by the same.
    pub(crate) estimate: Estimate,
    /// How many pairs of runs there are.
    pub(crate) pairs: u64,
    /// Whether the points are shown to differ; `None` if one pair of random runs is all there is.
    pub(crate) shown: Option<bool>,
}

/// Two points, and how sure their difference must be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pair<'a> {
    pub(crate) set: &'a Points,
    pub(crate) samples: &'a Samples,
    /// The level of the interval, such as 0.95.
    pub(crate) level: f64,
    pub(crate) point: usize,
    /// The one that is subtracted.
    pub(crate) reference: usize,
}

impl Pair<'_> {
    /// The difference of the figure named `key`.
    ///
    /// # Errors
    /// If the level is not a level, or a figure is not finite.
    pub(crate) fn difference(self, key: &str) -> Result<Difference, ParameterError> {
        let Some(at) = place_of(key) else { return Ok(Difference::default()) };
        let pairs = self.samples();
        let both = pairs.iter().filter_map(|(one, other)| Some(one.figures[at]? - other.figures[at]?));
        let differences = Replications::of(&both.collect::<Vec<_>>())?;
        let (mean, pairs) = (differences.mean(), differences.count());
        let is_exact = ![self.point, self.reference].into_iter().any(|point| self.set.has_noise(point));
        let (bounds, shown) = match pairs {
            0 => return Ok(Difference::default()),
            _ if is_exact => (Some((mean, mean)), Some(mean != 0.0)),
            1 => (None, None),
            _ => match differences.interval(self.level)? {
                Some(interval) => {
                    (Some((interval.low(), interval.high())), Some(interval.low() > 0.0 || interval.high() < 0.0))
                }
                // All pairs differ by the same, so there is no spread from which an interval would follow. If a true
                // difference of 0 were as often above as below, so many on one side would be rarer than this.
                None => (None, Some(mean != 0.0 && 0.5f64.powf((pairs - 1) as f64) <= 1.0 - self.level)),
            },
        };
        Ok(Difference { estimate: Estimate { mean: Some(mean), bounds }, pairs, shown })
    }

    /// The runs of both points with the same seed, where neither failed. A point in which nothing is random has one run,
    /// which is its run for every seed.
    fn samples(&self) -> Vec<(&Sample, &Sample)> {
        let of = |point: usize, round: usize| -> Option<&Sample> {
            let runs = self.set.runs_of(point);
            let run = if self.set.has_noise(point) { runs.get(round) } else { runs.first() };
            self.samples[*run?].as_ref()?.as_ref().ok()
        };
        let rounds = self.set.runs_of(self.point).len().max(self.set.runs_of(self.reference).len());
        (0..rounds).filter_map(|round| Some((of(self.point, round)?, of(self.reference, round)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::fixture::run;
    use crate::points::axis::Axis;
    use crate::points::estimate::estimated;
    use crate::runner::sequence::{ClockKind, Fault};
    use crate::settings::RunSettings;

    /// Two points that run with `count` seeds each.
    fn two(count: u64, axis: &str) -> Points {
        let mut base = RunSettings::defaults();
        base.set_apps(&["poisson:load=0.5"]).unwrap();
        let axes = [axis.parse::<Axis>().unwrap()];
        Points::combinations(&base, ClockKind::Virtual, &axes).unwrap().repeated(count).unwrap()
    }

    /// Runs whose goodput is `rates`, in the order of the table.
    fn with_rates(rates: impl IntoIterator<Item = f64>) -> Samples {
        let sample = |rate| {
            let mut report = run("wait", 1000, 0);
            report.rate.bits_per_second = Some(rate);
            Some(Ok(Sample::of(&report)))
        };
        rates.into_iter().map(sample).collect()
    }

    fn goodput(set: &Points, samples: &Samples) -> Difference {
        Pair { set, samples, level: 0.95, point: 1, reference: 0 }.difference("bits_per_second").unwrap()
    }

    #[test]
    fn the_interval_is_that_of_students_t_over_the_differences() {
        // Differences 1, 2 and 3: standard error 0.577, and t with 2 degrees of freedom is 4.303.
        let (set, samples) = (two(3, "depth=8,9"), with_rates([10.0, 11.0, 50.0, 52.0, 30.0, 33.0]));
        let difference = goodput(&set, &samples);
        let (low, high) = difference.estimate.bounds.unwrap();
        assert_eq!((difference.estimate.mean, difference.pairs, difference.shown), (Some(2.0), 3, Some(false)));
        assert!((low + 0.484).abs() < 1e-3 && (high - 4.484).abs() < 1e-3, "{low} {high}");
    }

    #[test]
    fn a_run_that_failed_takes_its_pair_with_it() {
        let (set, mut samples) = (two(3, "depth=8,9"), with_rates([10.0, 11.0, 50.0, 52.0, 30.0, 33.0]));
        samples[2] = Some(Err(Fault { status: 1, reason: String::new(), report: None }));
        assert_eq!((goodput(&set, &samples).pairs, goodput(&set, &samples).estimate.mean), (2, Some(2.0)));
        samples[5] = None;
        let one = goodput(&set, &samples);
        assert_eq!((one.pairs, one.shown, one.estimate.bounds), (1, None, None));
        samples[1] = None;
        assert_eq!(goodput(&set, &samples), Difference::default());
    }

    #[test]
    fn a_difference_without_spread_is_shown_if_it_is_seen_often_enough() {
        let shown = |count| goodput(&two(count, "depth=8,9"), &with_rates((0..count).flat_map(|_| [1.0, 2.0]))).shown;
        assert_eq!([shown(1), shown(2), shown(5), shown(6)], [None, Some(false), Some(false), Some(true)]);
        let same = goodput(&two(9, "depth=8,9"), &with_rates([1.0; 18]));
        assert_eq!((same.shown, same.estimate), (Some(false), Estimate { mean: Some(0.0), bounds: None }));
    }

    #[test]
    fn without_randomness_one_run_is_exact_and_stands_beside_every_seed() {
        let axes = ["depth=8,9".parse::<Axis>().unwrap()];
        let regular = Points::combinations(&RunSettings::defaults(), ClockKind::Virtual, &axes).unwrap();
        let exact = goodput(&regular.repeated(5).unwrap(), &with_rates([1.0, 3.0]));
        assert_eq!((exact.pairs, exact.shown, exact.estimate.bounds), (1, Some(true), Some((2.0, 2.0))));
        let mixed = two(3, "app=bulk|poisson:load=0.5");
        assert_eq!(mixed.runs().len(), 4);
        let difference = goodput(&mixed, &with_rates([1.0, 2.0, 4.0, 6.0]));
        assert_eq!((difference.pairs, difference.estimate.mean), (3, Some(3.0)));
    }

    proptest! {
        /// What is random is a hundred times the shift between the points, and the same in both.
        #[test]
        fn noise_that_both_share_hides_no_shift(
            noise in prop::collection::vec((0.0..100.0f64, 0.0..0.1f64), 10..30),
            shift in 0.5..1.0f64,
        ) {
            let set = two(noise.len() as u64, "depth=8,9");
            let rates = noise.iter().flat_map(|(both, own)| [1000.0 + both, 1000.0 + both + own + shift]);
            let samples = with_rates(rates);
            let difference = goodput(&set, &samples);
            prop_assert_eq!(difference.shown, Some(true));
            let (low, high) = difference.estimate.bounds.unwrap();
            prop_assert!(low > shift - 0.1 && high < shift + 0.2, "{} to {}", low, high);
            let own = estimated(&set, &samples, 0, 0.95).unwrap().figure("bits_per_second");
            let (low, high) = own.bounds.unwrap();
            prop_assert!(high - low > shift, "alone it would not be seen: {} to {}", low, high);
        }
    }
}
