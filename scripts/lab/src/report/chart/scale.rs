//! Scales and ticks: where a value lies on an axis, and which values are written there.

/// A scale is logarithmic where its values span more than this factor.
const WIDE: f64 = 16.0;

/// The least share of an axis that its linear part below the logarithmic one has.
const LEAST_LINEAR: f64 = 0.1;

/// The lower end of a logarithmic axis keeps this share of the decades that it shows below the least value, so that no
/// mark lies on the frame.
const PAD: f64 = 0.04;

/// Where a value lies on an axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scale {
    /// `low` lies at the beginning and `high` at the end.
    Linear { low: f64, high: f64 },
    /// Equal factors have equal lengths. With `zero`, zero lies at the beginning, and equal differences between it and
    /// `low` have equal lengths.
    Logarithmic { low: f64, high: f64, zero: bool },
}

impl Scale {
    /// From the smallest to the largest of `sorted`; logarithmic if all are positive and they span a wide range.
    pub(crate) fn between(sorted: &[f64]) -> Self {
        let (low, high) = (sorted.first().copied().unwrap_or(0.0), sorted.last().copied().unwrap_or(1.0));
        if low > 0.0 && high / low > WIDE {
            Self::Logarithmic { low, high, zero: false }
        } else if low == high {
            Self::Linear { low: low - 1.0, high: high + 1.0 }
        } else {
            Self::Linear { low, high }
        }
    }

    /// The same with ends that are round, if it is logarithmic.
    pub(crate) fn rounded(self) -> Self {
        match self {
            Self::Logarithmic { low, high, zero } => {
                Self::Logarithmic { low: round_down(low), high: round_up(high), zero }
            }
            linear => linear,
        }
    }

    /// Room for `count` places, from 0 on, with half a place at both ends.
    pub(crate) fn places(count: usize) -> Self {
        Self::Linear { low: -0.5, high: count.max(1) as f64 - 0.5 }
    }

    /// From zero to above all `values`, each with the upper end of its interval; logarithmic if those above zero span a
    /// wide range.
    pub(crate) fn above(values: &[(f64, f64)]) -> Self {
        let positive = || values.iter().map(|(value, _)| *value).filter(|value| *value > 0.0);
        let (least, most) = (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
        let top = values.iter().map(|(_, high)| *high).fold(most, f64::max);
        if most / least > WIDE {
            let zero = values.iter().any(|(value, _)| *value <= 0.0);
            let pad = if zero { 1.0 } else { (top / least).powf(PAD) };
            Self::Logarithmic { low: round_down(least / pad), high: round_up(top), zero }
        } else if top > 0.0 {
            // A tenth of a step above the highest value keeps its mark off the edge.
            let step = step(top, 5);
            Self::Linear { low: 0.0, high: ((top / step + 0.1).ceil()) * step }
        } else {
            Self::Linear { low: 0.0, high: 1.0 }
        }
    }

    /// Where `value` lies: 0 at the beginning of the axis, 1 at its end. Values outside of the scale lie outside of the
    /// axis.
    pub(crate) fn at(&self, value: f64) -> f64 {
        match *self {
            Self::Linear { low, high } => (value - low) / (high - low),
            Self::Logarithmic { low, high, zero } => {
                let above = |value: f64| (value / low).ln() / (high / low).ln();
                // With this share the slopes of both parts are equal where they meet.
                let linear = (1.0 / (1.0 + (high / low).ln())).max(LEAST_LINEAR);
                match zero {
                    false if value > 0.0 => above(value),
                    false => -1.0,
                    true if value >= low => linear + (1.0 - linear) * above(value),
                    true => linear * (value / low).max(0.0),
                }
            }
        }
    }

    /// Round values on the axis, at most about `most`, in rising order.
    pub(crate) fn ticks(&self, most: usize) -> Vec<f64> {
        match *self {
            Self::Linear { low, high } => {
                let step = step(high - low, most);
                let (from, to) = ((low / step - 1e-9).ceil(), (high / step + 1e-9).floor());
                (0..=(to - from).max(0.0) as usize).map(|count| (from + count as f64) * step).collect()
            }
            Self::Logarithmic { low, high, zero } => {
                let zero = zero.then_some(0.0);
                zero.into_iter().chain(logarithmic(low, high, most)).collect()
            }
        }
    }
}

/// 1, 2 and 5 times the powers of ten from `low` to `high`, if they are about `most`; else both ends and the powers of ten
/// between them, or each n-th of them if they are many.
fn logarithmic(low: f64, high: f64, most: usize) -> Vec<f64> {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let inside = |value: &f64| (low * (1.0 + 1e-9)..high * (1.0 - 1e-9)).contains(value);
    let powers = || first..=last;
    let fine = powers().flat_map(|power| [1.0, 2.0, 5.0].map(|factor| factor * 10f64.powi(power)));
    let fine: Vec<f64> = fine.filter(inside).collect();
    let each = powers().count().div_ceil(most.max(1)).max(1) as i32;
    let coarse = powers().filter(|power| power.rem_euclid(each) == 0).map(|power| 10f64.powi(power));
    let between = if fine.len() <= most { fine } else { coarse.filter(inside).collect() };
    [low].into_iter().chain(between).chain([high]).collect()
}

/// The smallest of 1, 2 and 5 times a power of ten by which `length` has at most `most` steps.
fn step(length: f64, most: usize) -> f64 {
    round_up(length / most.max(1) as f64)
}

/// The smallest of 1, 2, 5 and 10 times a power of ten that is not below `value`.
fn round_up(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0]
        .map(|factor| factor * power)
        .into_iter()
        .find(|round| *round >= value * (1.0 - 1e-9))
        .unwrap_or(10.0 * power)
}

/// The largest of 1, 2 and 5 times a power of ten that is not above `value`.
fn round_down(value: f64) -> f64 {
    let power = 10f64.powf(value.log10().floor());
    [5.0, 2.0].map(|factor| factor * power).into_iter().find(|round| *round <= value * (1.0 + 1e-9)).unwrap_or(power)
}

/// Which of the labels, given as their centres and widths in rising order, are written so that at least `gap` is between
/// any two. The first one is written, and the last one rather than what is near it.
pub(crate) fn without_overlap(labels: &[(f64, f64)], gap: f64) -> Vec<bool> {
    let fits = |left: (f64, f64), right: (f64, f64)| left.0 + left.1 / 2.0 + gap <= right.0 - right.1 / 2.0;
    let mut written = vec![false; labels.len()];
    let (Some(first), Some(last)) = (labels.first(), labels.last()) else { return written };
    written[0] = true;
    let mut end = *first;
    let ends = labels.len() - 1;
    for (at, label) in labels.iter().enumerate().take(ends).skip(1) {
        if fits(end, *label) && fits(*label, *last) {
            (written[at], end) = (true, *label);
        }
    }
    if ends > 0 && fits(end, *last) {
        written[ends] = true;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_scale_is_logarithmic_where_values_span_more_than_a_factor_of_16() {
        assert_eq!(Scale::between(&[1.0, 16.0]), Scale::Linear { low: 1.0, high: 16.0 });
        assert_eq!(Scale::between(&[1.0, 32.0]), Scale::Logarithmic { low: 1.0, high: 32.0, zero: false });
        assert_eq!(Scale::between(&[0.0, 32.0]), Scale::Linear { low: 0.0, high: 32.0 });
        let of = |values: &[f64]| Scale::above(&values.iter().map(|value| (*value, *value)).collect::<Vec<_>>());
        assert_eq!(of(&[452.0, 860.0]), Scale::Linear { low: 0.0, high: 1000.0 });
        assert_eq!(of(&[0.475, 0.0047, 0.0]), Scale::Logarithmic { low: 0.002, high: 0.5, zero: true });
        assert_eq!(of(&[0.0, 0.0]), Scale::Linear { low: 0.0, high: 1.0 });
        assert_eq!(of(&[]), Scale::Linear { low: 0.0, high: 1.0 });
    }

    #[test]
    fn the_end_of_an_interval_is_on_the_axis() {
        let Scale::Linear { high, .. } = Scale::above(&[(10.0, 41.0)]) else { panic!() };
        assert!(high >= 41.0, "{high}");
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(Scale::Linear { low: 0.0, high: 1000.0 }.ticks(5), [0.0, 200.0, 400.0, 600.0, 800.0, 1000.0]);
        assert_eq!(Scale::Linear { low: 0.0, high: 0.275 }.ticks(6), [0.0, 0.05, 0.1, 0.15000000000000002, 0.2, 0.25]);
        let decades = |low, high, zero| Scale::Logarithmic { low, high, zero }.ticks(6);
        assert_eq!(decades(2e-4, 0.5, true), [0.0, 2e-4, 0.001, 0.01, 0.1, 0.5]);
        assert_eq!(decades(0.005, 0.5, true), [0.0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5]);
        assert_eq!(decades(1.0, 100.0, false), [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]);
        assert!(decades(1e-20, 1.0, false).len() <= 9);
    }

    #[test]
    fn a_logarithmic_scale_with_zero_is_linear_at_its_beginning_and_has_no_kink() {
        let scale = Scale::Logarithmic { low: 0.01, high: 1.0, zero: true };
        assert_eq!([0.0, 1.0].map(|value| scale.at(value)), [0.0, 1.0]);
        let (half, low) = (scale.at(0.005), scale.at(0.01));
        assert!((low - 2.0 * half).abs() < 1e-12 && low > 0.15, "{half} {low}");
        let slopes = [low - scale.at(0.0099), scale.at(0.0101) - low];
        assert!((slopes[0] / slopes[1] - 1.0).abs() < 0.02, "{slopes:?}");
        assert!((scale.at(0.1) - f64::midpoint(low, 1.0)).abs() < 1e-12);
    }

    #[test]
    fn the_least_value_keeps_off_the_end_of_a_logarithmic_scale() {
        let scale = Scale::above(&[(100.0, 100.0), (4e6, 4e6)]);
        assert_eq!(scale, Scale::Logarithmic { low: 50.0, high: 5e6, zero: false });
    }

    #[test]
    fn labels_that_would_overlap_are_left_out() {
        let at = |centres: &[f64]| without_overlap(&centres.iter().map(|at| (*at, 20.0)).collect::<Vec<_>>(), 5.0);
        assert_eq!(at(&[0.0, 30.0, 60.0]), [true, true, true]);
        assert_eq!(at(&[0.0, 10.0, 30.0, 50.0, 60.0]), [true, false, true, false, true]);
        assert_eq!(at(&[0.0, 10.0]), [true, false]);
        assert_eq!(at(&[]), [] as [bool; 0]);
    }

    proptest! {
        #[test]
        fn every_value_is_on_the_axis_and_larger_ones_are_further(values in proptest::collection::vec(0.0..1e12f64, 1..20)) {
            let mut sorted = values;
            sorted.sort_by(f64::total_cmp);
            let scale = Scale::above(&sorted.iter().map(|value| (*value, *value)).collect::<Vec<_>>());
            let places: Vec<f64> = sorted.iter().map(|value| scale.at(*value)).collect();
            prop_assert!(places.iter().all(|place| (-1e-9..=1.0 + 1e-9).contains(place)), "{places:?}");
            prop_assert!(places.is_sorted(), "{places:?}");
            let ticks = scale.ticks(6);
            prop_assert!(!ticks.is_empty() && ticks.len() <= 20 && ticks.is_sorted(), "{ticks:?}");
        }
    }
}
