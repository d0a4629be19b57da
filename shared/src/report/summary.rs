//! Summaries of distributions of times.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger::Histogram;

/// A distribution of nanoseconds. Mean, quantiles and maximum are null if nothing was recorded; quantiles are null too
/// where they are not known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(from = "Recorded")]
pub struct Summary {
    /// How many values.
    pub count: u64,
    /// Exact mean.
    pub mean: Option<f64>,
    /// Median, within 0.1 % and between the smallest and the largest value, as all quantiles are.
    pub p50: Option<u64>,
    /// 90 % are at most this.
    pub p90: Option<u64>,
    /// 99 % are at most this.
    pub p99: Option<u64>,
    /// 99.9 % are at most this.
    pub p999: Option<u64>,
    /// The largest, exact.
    pub max: Option<u64>,
}

/// A summary as reports hold it. Earlier versions wrote zeros for a distribution of nothing.
#[derive(Deserialize, JsonSchema)]
struct Recorded {
    count: u64,
    mean: Option<f64>,
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
    p999: Option<u64>,
    max: Option<u64>,
}

impl From<Recorded> for Summary {
    fn from(recorded: Recorded) -> Self {
        let Recorded { count, mean, p50, p90, p99, p999, max } = recorded;
        if count == 0 { Self::default() } else { Self { count, mean, p50, p90, p99, p999, max } }
    }
}

impl From<&Histogram> for Summary {
    fn from(times: &Histogram) -> Self {
        if times.count() == 0 {
            return Self::default();
        }
        Self {
            p50: Some(times.quantile(500)),
            p90: Some(times.quantile(900)),
            p99: Some(times.quantile(990)),
            p999: Some(times.quantile(999)),
            // A larger count is reported as u64::MAX; `RunReport::beyond_64_bits` adds a warning for that value.
            ..Self::without_quantiles(u64::try_from(times.count()).unwrap_or(u64::MAX), times.mean(), times.max())
        }
    }
}

impl Summary {
    /// `count` values whose quantiles are not known; `mean` and `max` count only if there are any.
    pub fn without_quantiles(count: u64, mean: f64, max: u64) -> Self {
        let any = count > 0;
        Self { count, mean: any.then_some(mean), max: any.then_some(max), ..Self::default() }
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
        assert!(summary.mean.is_some_and(|mean| (mean - 500_500.0).abs() < 1e-9), "{summary:?}");
        assert!(summary.p50.is_some_and(|p50| p50.abs_diff(500_000) <= 500), "{summary:?}");
        assert_eq!((summary.count, summary.max), (1000, Some(1_000_000)));
    }

    #[test]
    fn a_distribution_of_nothing_has_a_count_and_no_other_figure() {
        let nothing = Summary::from(&Histogram::default());
        assert_eq!(nothing, Summary::without_quantiles(0, 0.0, 0));
        let json = r#"{"count":0,"mean":null,"p50":null,"p90":null,"p99":null,"p999":null,"max":null}"#;
        assert_eq!(serde_json::to_string(&nothing).unwrap(), json);
        let zeros = r#"{"count":0,"mean":0.0,"p50":0,"p90":0,"p99":0,"p999":0,"max":0}"#;
        for recorded in [json, zeros] {
            assert_eq!(serde_json::from_str::<Summary>(recorded).unwrap(), nothing);
        }
    }
}
