//! Distributions of times: exact sums beside a histogram.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::units::Nanos;

/// A distribution of nanoseconds, as it is collected.
#[derive(Debug, Clone, Default)]
pub struct Distribution {
    /// A quarter of a megabyte, so there is none before there is a value.
    histogram: Option<Box<Histogram<u64>>>,
    count: u64,
    /// Exact, unlike a mean from buckets.
    sum: u128,
    max: u64,
}

/// A distribution of nanoseconds, as it is reported. All zero if nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// Exact mean.
    pub mean: f64,
    /// Median, within 0.1 %, as all quantiles are.
    pub p50: u64,
    /// 90 % are at most this.
    pub p90: u64,
    /// 99 % are at most this.
    pub p99: u64,
    /// 99.9 % are at most this.
    pub p999: u64,
    /// The largest, exact.
    pub max: u64,
}

/// An hour: longer times count as this in quantiles; mean and maximum stay exact.
const LONGEST: u64 = 3_600_000_000_000;

impl Distribution {
    /// Counts one value.
    pub fn record(&mut self, value: Nanos) {
        self.record_n(value, 1);
    }

    /// Counts `value` that many times, for the price of once.
    pub fn record_n(&mut self, value: Nanos, times: u64) {
        self.histogram.get_or_insert_with(empty).saturating_record_n(value.0, times);
        self.count += times;
        self.sum += u128::from(value.0) * u128::from(times);
        self.max = self.max.max(value.0);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The exact sum.
    pub fn sum(&self) -> u128 {
        self.sum
    }

    /// Adds another distribution to this one.
    pub fn add(&mut self, other: &Self) {
        match (&mut self.histogram, &other.histogram) {
            // Both have the same bounds, so nothing can be out of range.
            (Some(mine), Some(theirs)) => _ = mine.add(&**theirs),
            (mine @ None, theirs) => mine.clone_from(theirs),
            (Some(_), None) => {}
        }
        self.count += other.count;
        self.sum += other.sum;
        self.max = self.max.max(other.max);
    }

    /// What the report says of it.
    pub fn summary(&self) -> Summary {
        let quantile = |q| self.histogram.as_ref().map_or(0, |all| all.value_at_quantile(q).min(self.max));
        Summary {
            count: self.count,
            mean: if self.count == 0 { 0.0 } else { self.sum as f64 / self.count as f64 },
            p50: quantile(0.5),
            p90: quantile(0.9),
            p99: quantile(0.99),
            p999: quantile(0.999),
            max: self.max,
        }
    }
}

fn empty() -> Box<Histogram<u64>> {
    #[allow(clippy::unwrap_used, reason = "the bounds are constants within the library's documented range")]
    Box::new(Histogram::new_with_bounds(1, LONGEST, 3).unwrap())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_exact_and_quantiles_are_close() {
        let mut times = Distribution::default();
        (1..=1000u64).for_each(|micros| times.record(Nanos::from_micros(micros)));
        let summary = times.summary();
        assert!((summary.mean - 500_500.0).abs() < 1e-9);
        assert!(summary.p50.abs_diff(500_000) <= 500, "{}", summary.p50);
        assert_eq!((summary.count, summary.max), (1000, 1_000_000));
    }

    #[test]
    fn nothing_recorded_is_all_zero() {
        assert_eq!(Distribution::default().summary(), Summary::default());
    }
}
