//! Whole distributions of times, carried in a report so that they can be drawn, compared and added up later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ledger::Histogram;

/// A distribution of nanoseconds as pairs `[at most, how many]`, in ascending order: so many values were larger than the
/// bound of the pair before and at most this one. The bounds are within 3.2 % of the values; the last one is the exact
/// maximum. So a distribution has at most some hundred pairs, however many values it counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Distribution(Vec<(u64, u64)>);

/// Binary digits of a bound within its doubling: 2^5 = 32 bounds for each doubling.
const DIGITS: u32 = 5;

impl From<&Histogram> for Distribution {
    fn from(times: &Histogram) -> Self {
        let mut pairs: Vec<(u64, u64)> = Vec::new();
        for (value, count) in times.values() {
            let bound = bound(value).min(times.max());
            match pairs.last_mut() {
                Some(last) if last.0 == bound => last.1 += count,
                _ => pairs.push((bound, count)),
            }
        }
        Self(pairs)
    }
}

impl Distribution {
    /// The pairs, as described above.
    pub fn pairs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// How many values there are.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|(_, count)| count).fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The cumulative distribution as up to `most` points: a time, and the share of the values that are at most that.
    /// The points are chosen evenly by share, so that a long tail has few; the last one is the maximum.
    pub fn cumulative(&self, most: usize) -> Vec<(u64, f64)> {
        let total = self.count();
        let (mut passed, mut points) = (0u64, Vec::new());
        for (index, &(bound, count)) in self.0.iter().enumerate() {
            let step = |passed: u64| u128::from(passed) * most.saturating_sub(1) as u128 / u128::from(total.max(1));
            let before = step(passed);
            passed = passed.saturating_add(count);
            if step(passed) > before || index + 1 == self.0.len() {
                points.push((bound, passed as f64 / total as f64));
            }
        }
        points
    }
}

/// The largest value that shares its first [`DIGITS`] + 1 binary digits with `value`.
fn bound(value: u64) -> u64 {
    let dropped = (u64::BITS - 1 - DIGITS).saturating_sub(value.leading_zeros());
    value | ((1 << dropped) - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> (Histogram, Distribution) {
        let mut times = Histogram::default();
        values.iter().for_each(|value| times.record(*value, 1));
        let distribution = Distribution::from(&times);
        (times, distribution)
    }

    proptest! {
        #[test]
        fn no_value_is_lost_and_bounds_are_close_and_ascend(values in prop::collection::vec(any::<u64>(), 1..200)) {
            let (times, distribution) = of(&values);
            prop_assert_eq!(u128::from(distribution.count()), times.count());
            prop_assert_eq!(distribution.pairs().last().unwrap().0, times.max());
            prop_assert!(distribution.pairs().windows(2).all(|pair| pair[0].0 < pair[1].0));
            for value in values {
                let (bound, _) = *distribution.pairs().iter().find(|(bound, _)| *bound >= value).unwrap();
                prop_assert!(bound - value <= value / 31 + 1, "{} for {}", bound, value);
            }
        }

        #[test]
        fn the_cumulative_distribution_has_few_points_and_ends_at_the_maximum(
            values in prop::collection::vec(0u64..1_000_000, 1..500),
            most in 2usize..100,
        ) {
            let (times, distribution) = of(&values);
            let points = distribution.cumulative(most);
            prop_assert!(points.len() <= most);
            prop_assert_eq!(*points.last().unwrap(), (times.max(), 1.0));
            prop_assert!(points.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 < pair[1].1));
        }
    }

    #[test]
    fn it_is_written_as_plain_pairs() {
        let (_, distribution) = of(&[5, 5, 1000]);
        assert_eq!(serde_json::to_string(&distribution).unwrap(), "[[5,2],[1000,1]]");
    }

    #[test]
    fn nothing_has_no_points() {
        assert_eq!(Distribution::default().cumulative(64), Vec::new());
    }
}
