//! Summaries of distributions of times.

use serde::{Deserialize, Serialize};

use crate::ledger::Histogram;

/// A distribution of nanoseconds. All zero if nothing was recorded. `Quantile` is optional where it may not be known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Summary<Quantile = u64> {
    /// How many values.
    pub count: u64,
    /// Exact mean.
    pub mean: f64,
    /// Median, within 0.1 % and between the smallest and the largest value, as all quantiles are.
    pub p50: Quantile,
    /// 90 % are at most this.
    pub p90: Quantile,
    /// 99 % are at most this.
    pub p99: Quantile,
    /// 99.9 % are at most this.
    pub p999: Quantile,
    /// The largest, exact.
    pub max: u64,
}

impl From<&Histogram> for Summary {
    fn from(times: &Histogram) -> Self {
        Self {
            // A larger count is reported as u64::MAX; `RunReport::beyond_64_bits` adds a warning for that value.
            count: u64::try_from(times.count()).unwrap_or(u64::MAX),
            mean: times.mean(),
            p50: times.quantile(500),
            p90: times.quantile(900),
            p99: times.quantile(990),
            p999: times.quantile(999),
            max: times.max(),
        }
    }
}

impl Summary {
    /// The same figures, where others may lack the quantiles.
    pub fn known(self) -> Summary<Option<u64>> {
        let Self { count, mean, p50, p90, p99, p999, max } = self;
        Summary { count, mean, p50: Some(p50), p90: Some(p90), p99: Some(p99), p999: Some(p999), max }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_exact_and_quantiles_are_close() {
        let mut times = Histogram::default();
        (1..=1000u64).for_each(|micros| times.record(micros * 1_000, 1));
        let summary = Summary::from(&times);
        assert!((summary.mean - 500_500.0).abs() < 1e-9);
        assert!(summary.p50.abs_diff(500_000) <= 500, "{}", summary.p50);
        assert_eq!((summary.count, summary.max), (1000, 1_000_000));
    }

    #[test]
    fn an_empty_histogram_is_all_zero() {
        assert_eq!(Summary::from(&Histogram::default()), Summary::default());
    }
}
