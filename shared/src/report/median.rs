//! Medians of repeated measurements, with confidence intervals.
//!
//! On a machine that is not idle, a few repetitions are far off. The interval is made of order statistics: the number
//! of n values below the true median has a binomial distribution, for any distribution of the values, so the k-th
//! smallest and the k-th largest enclose the median with a known probability (David and Nagaraja, *Order Statistics*,
//! 3rd ed., section 7.1). The only assumption is that repetitions are independent. Two things that are compared are
//! measured alternately, and their ratio or difference is taken within one repetition, so that a slow minute affects
//! both equally.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The confidence level of each interval (0 to 1).
pub const LEVEL: f64 = 0.95;

/// The fewest values that have an interval: the true median lies outside of all `n` values with a probability of
/// 2 / 2^n, which is at most 1 - [`LEVEL`] for this `n` and above.
pub const FEWEST: usize = 6;

/// A median, with the interval that contains the true one at [`LEVEL`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Median {
    /// The middle value.
    pub value: f64,
    /// The interval's ends; `None` with fewer than [`FEWEST`] values.
    pub interval: Option<(f64, f64)>,
}

/// Where an interval lies relative to a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The whole interval is above the threshold.
    Above,
    /// The whole interval is below the threshold.
    Below,
    /// The threshold is within the interval, or there is no interval: too noisy to decide.
    Unknown,
}

impl Median {
    /// The median of `values`; 0 without an interval if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let value = match (sorted.len(), sorted.len() / 2) {
            (0, _) => 0.0,
            (len, middle) if len % 2 == 1 => sorted[middle],
            (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
        };
        let interval = outside(sorted.len()).map(|outside| (sorted[outside], sorted[sorted.len() - 1 - outside]));
        Self { value, interval }
    }

    /// On which side of `threshold` the true median is.
    pub fn against(&self, threshold: f64) -> Side {
        match self.interval {
            Some((low, _)) if low > threshold => Side::Above,
            Some((_, high)) if high < threshold => Side::Below,
            _ => Side::Unknown,
        }
    }

    /// The median of `form` of each value; `form` must be monotonic.
    #[must_use]
    pub fn map(&self, form: impl Fn(f64) -> f64) -> Self {
        let interval = self.interval.map(|(one, other)| {
            let (one, other) = (form(one), form(other));
            (one.min(other), one.max(other))
        });
        Self { value: form(self.value), interval }
    }
}

/// Formats the interval alone, with the precision of the format: `1.93 to 2.41`.
impl fmt::Display for Median {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = f.precision().unwrap_or(2);
        match self.interval {
            Some((low, high)) => write!(f, "{low:.decimals$} to {high:.decimals$}"),
            None => f.write_str("no interval"),
        }
    }
}

/// How many of `n` sorted values can be left out at each end so that the others still enclose the median at
/// [`LEVEL`]; `None` if not even all of them do.
fn outside(n: usize) -> Option<usize> {
    // The probability that exactly k of n values are below the median is C(n, k) / 2^n. In logarithms, because 2^n
    // overflows a float for large n.
    let halves = -(n as f64) * std::f64::consts::LN_2;
    let (mut chance, mut below) = (halves, 0.0);
    let mut fitting = None;
    for k in 0..n / 2 + 1 {
        below += chance.exp();
        if 2.0 * below > 1.0 - LEVEL {
            break;
        }
        fitting = Some(k);
        chance += ((n - k) as f64).ln() - ((k + 1) as f64).ln();
    }
    fitting
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_not_moved_by_one_bad_run() {
        assert_eq!(Median::of([5.0, 1.0, 6.0]).value, 5.0);
        assert_eq!(Median::of([4.0, 1.0, 6.0, 8.0]).value, 5.0);
        assert_eq!(Median::of([]).value, 0.0);
        let noisy = [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, 106.0, 107.0, 9_000.0];
        assert_eq!(Median::of(noisy), Median { value: 104.0, interval: Some((101.0, 107.0)) });
    }

    #[test]
    fn order_statistics_match_the_published_tables() {
        // Conover, Practical Nonparametric Statistics: the k-th smallest and largest at 95 %.
        for (n, k) in [
            (5, None),
            (6, Some(1)),
            (8, Some(1)),
            (9, Some(2)),
            (11, Some(2)),
            (12, Some(3)),
            (15, Some(4)),
            (20, Some(6)),
            (31, Some(10)),
            (100, Some(40)),
        ] {
            assert_eq!(outside(n).map(|outside| outside + 1), k, "{n}");
        }
        assert_eq!((outside(FEWEST - 1), outside(FEWEST)), (None, Some(0)));
        assert!(outside(10_000).is_some_and(|outside| (4_890..4_910).contains(&outside)), "{:?}", outside(10_000));
    }

    #[test]
    fn a_threshold_within_the_interval_or_without_one_is_not_decided() {
        let of = |values: &[f64]| Median::of(values.iter().copied());
        let clear = of(&[2.0, 2.1, 2.2, 2.3, 2.4, 2.5]);
        assert_eq!(
            (clear.against(1.9), clear.against(2.6), clear.against(2.2)),
            (Side::Above, Side::Below, Side::Unknown)
        );
        assert_eq!(of(&[2.0; 5]).against(1.0), Side::Unknown, "five are too few");
        assert_eq!(clear.map(|value| 1.0 / value).interval, Some((1.0 / 2.5, 1.0 / 2.0)));
        assert_eq!(format!("{clear:.1}, {}", of(&[1.0])), "2.0 to 2.5, no interval");
    }

    /// Skewed noise with a tail, as of a machine that is busy now and then: the true median is known.
    #[test]
    fn the_interval_contains_the_true_median_as_often_as_its_level() {
        let mut state = 7u64;
        let mut unit = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            ((state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
        };
        for n in [6, 9, 31] {
            let held = (0..4_000).filter(|_| {
                // 100 / sqrt(u): the median is 100 sqrt(2), and the variance infinite.
                let median = Median::of((0..n).map(|_| 100.0 / unit().sqrt()));
                median.against(100.0 * 2f64.sqrt()) == Side::Unknown
            });
            let share = held.count() as f64 / 4_000.0;
            assert!((0.94..0.99).contains(&share), "{n}: {share}");
        }
    }
}
