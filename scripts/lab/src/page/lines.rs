//! What a figure shows over which axis: one line for each combination of the other settings that vary.

use std::collections::BTreeSet;
use std::str::FromStr;

use shared::units::{BitRate, Bytes, Nanos, PacketRate, Percent};

use crate::report::chart::{MOST_LINES, Unit};

/// A knee is the smallest value with this share of the best goodput.
pub(super) const ENOUGH: f64 = 0.99;

/// The axis and the lines of all figures of a set of points.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Lines {
    /// The number of the setting on the horizontal axis, and its unit; `None` if no setting that varies is a number.
    pub(super) axis: Option<(usize, Unit)>,
    pub(super) shown: Vec<Combination>,
    /// The names of the combinations beyond [`MOST_LINES`].
    pub(super) left_out: Vec<String>,
}

/// The points that have the same values but on the axis.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Combination {
    /// Its values; empty if nothing else varies.
    pub(super) name: String,
    /// The value on the axis and the number of each point, in rising order. Without an axis, the numbers twice.
    pub(super) points: Vec<(f64, usize)>,
}

impl Lines {
    /// The lines of points with these `values` of `keys`.
    pub(super) fn of(keys: &[String], values: &[&[String]]) -> Self {
        let Some((axis, unit)) = axis(keys, values) else {
            let points = (0..values.len()).map(|point| (point as f64, point)).collect();
            let shown = vec![Combination { name: String::new(), points }];
            return Self { axis: None, shown, left_out: Vec::new() };
        };
        let mut all: Vec<(Vec<&str>, Combination)> = Vec::new();
        for (point, values_of) in values.iter().enumerate() {
            let others: Vec<&str> = (0..keys.len()).filter(|key| *key != axis).map(|key| &*values_of[key]).collect();
            let Some((_, at)) = quantity(&values_of[axis]) else { continue };
            match all.iter_mut().find(|(known, _)| *known == others) {
                Some((_, line)) => line.points.push((at, point)),
                None => {
                    let name = name(keys, values, point, Some(axis));
                    all.push((others, Combination { name, points: vec![(at, point)] }));
                }
            }
        }
        let mut shown: Vec<_> = all.into_iter().map(|(_, line)| line).collect();
        shown.iter_mut().for_each(|line| line.points.sort_by(|one, other| one.0.total_cmp(&other.0)));
        let left_out = shown.split_off(shown.len().min(MOST_LINES)).into_iter().map(|line| line.name).collect();
        Self { axis: Some((axis, unit)), shown, left_out }
    }
}

/// All `values` of `keys`, as in `depth 8, policy wait`.
pub(super) fn whole_name(keys: &[String], values: &[String]) -> String {
    let named: Vec<_> = keys.iter().zip(values).map(|(key, value)| format!("{key} {value}")).collect();
    if named.is_empty() { "the only point".to_owned() } else { named.join(", ") }
}

/// The values of `point` that are not the same in all points, but for that of `axis`.
pub(super) fn name(keys: &[String], values: &[&[String]], point: usize, axis: Option<usize>) -> String {
    let varies = |key: &usize| values.iter().any(|other| other[*key] != values[point][*key]);
    let others = (0..keys.len()).filter(|key| Some(*key) != axis).filter(varies);
    // The names of policies speak for themselves.
    let named = others.map(|key| match (&*keys[key], &values[point][key]) {
        ("policy" | "file", value) => value.clone(),
        (key, value) => format!("{key} {value}"),
    });
    named.collect::<Vec<_>>().join(", ")
}

/// The setting with the most values of those whose values are numbers of one unit; the depth rather than others.
fn axis(keys: &[String], values: &[&[String]]) -> Option<(usize, Unit)> {
    let candidate = |key: usize| {
        let distinct: BTreeSet<&str> = values.iter().map(|values| &*values[key]).collect();
        let units: Option<Vec<Unit>> = distinct.iter().map(|value| Some(quantity(value)?.0)).collect();
        let units = units?;
        let same = units.iter().all(|unit| *unit == units[0]);
        // A seed has no order that means anything.
        (same && distinct.len() > 1 && keys[key] != "seed").then(|| (distinct.len(), units[0]))
    };
    let candidates = (0..keys.len()).filter_map(|key| Some((key, candidate(key)?)));
    // The first of several maxima: `max_by_key` takes the last.
    let best = candidates.rev().max_by_key(|(key, (count, _))| (*count, keys[*key] == "depth"))?;
    Some((best.0, best.1.1))
}

/// The number that `text` is, in the base unit.
pub(super) fn quantity(text: &str) -> Option<(Unit, f64)> {
    fn is<T: FromStr>(text: &str, unit: Unit, number: impl Fn(T) -> f64) -> Option<(Unit, f64)> {
        text.parse().ok().map(|value| (unit, number(value)))
    }
    let number = || is(text, Unit::Number, |number: f64| number).filter(|(_, number)| number.is_finite());
    number()
        .or_else(|| is(text, Unit::Time, |time: Nanos| time.0 as f64))
        .or_else(|| is(text, Unit::Bytes, |size: Bytes| size.0 as f64))
        .or_else(|| is(text, Unit::BitRate, |rate: BitRate| rate.0 as f64))
        .or_else(|| is(text, Unit::PacketRate, |rate: PacketRate| rate.0 as f64))
        .or_else(|| is(text, Unit::Share, |share: Percent| share.0))
}

/// Where the goodput of a line is nearly the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Knee {
    /// The number of the point in the line.
    pub(super) at: usize,
    /// Whether it is the last one, so that all before it have over 1 % less: a larger value may have more.
    pub(super) rises: bool,
    /// Whether no other point has a goodput.
    pub(super) only: bool,
}

/// The first of `goodputs`, in rising order of the axis, that is at least [`ENOUGH`] of the best of them; `None` if none
/// is known.
pub(super) fn knee(goodputs: &[Option<f64>]) -> Option<Knee> {
    let known: Vec<(usize, f64)> = (0..).zip(goodputs).filter_map(|(at, goodput)| Some((at, (*goodput)?))).collect();
    let best = known.iter().map(|(_, goodput)| *goodput).fold(0.0, f64::max);
    let first = known.iter().position(|(_, goodput)| *goodput >= ENOUGH * best)?;
    Some(Knee { at: known[first].0, rises: first > 0 && first + 1 == known.len(), only: known.len() == 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(keys: &[&str], points: &[&[&str]]) -> Lines {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let points: Vec<_> = points.iter().map(|point| owned(point)).collect();
        Lines::of(&owned(keys), &points.iter().map(|point| &point[..]).collect::<Vec<_>>())
    }

    #[test]
    fn the_axis_has_the_most_values_and_the_others_make_lines() {
        let of = lines(&["policy", "depth"], &[&["wait", "1"], &["wait", "16"], &["wait", "8"], &["drop-newest", "8"]]);
        assert_eq!(of.axis, Some((1, Unit::Number)));
        let wait = Combination { name: "wait".to_owned(), points: vec![(1.0, 0), (8.0, 2), (16.0, 1)] };
        assert_eq!(of.shown[0], wait);
        assert_eq!((&*of.shown[1].name, &of.shown[1].points[..]), ("drop-newest", &[(8.0, 3)][..]));
    }

    #[test]
    fn a_tie_goes_to_the_depth_and_units_are_told_apart() {
        let pairs: [&[&str]; 2] = [&["4us", "2", "1"], &["1ms", "1", "2"]];
        assert_eq!(lines(&["stack-cost", "depth", "seed"], &pairs).axis, Some((1, Unit::Number)));
        assert_eq!(
            lines(&["stack-cost", "policy", "seed"], &[&["4us", "a", "1"], &["1ms", "b", "2"]]).axis,
            Some((0, Unit::Time))
        );
        assert_eq!(quantity("64KiB"), Some((Unit::Bytes, 65536.0)));
        assert_eq!(quantity("100Mbit"), Some((Unit::BitRate, 1e8)));
        assert_eq!(quantity("0.9"), Some((Unit::Number, 0.9)));
        assert_eq!([quantity("none"), quantity("wait"), quantity("inf")], [None; 3]);
    }

    #[test]
    fn without_numbers_every_point_has_a_place() {
        let of = lines(&["policy"], &[&["wait"], &["drop-newest"]]);
        assert_eq!((of.axis, &of.shown[0].points[..]), (None, &[(0.0, 0), (1.0, 1)][..]));
        assert_eq!(lines(&["file"], &[]).shown[0].points, []);
    }

    #[test]
    fn lines_beyond_the_most_are_named() {
        let points: Vec<Vec<String>> =
            (0..40).map(|at| vec![(at % 10).to_string(), (at / 20).to_string(), format!("p{}", at / 10)]).collect();
        let keys = ["depth", "kind", "policy"].map(str::to_owned);
        let of = Lines::of(&keys, &points.iter().map(|point| &point[..]).collect::<Vec<_>>());
        assert_eq!((of.shown.len(), of.left_out.len()), (4, 0));
        let points: Vec<Vec<String>> =
            (0..200).map(|at| vec![(at / 20).to_string(), (at % 20).to_string() + "x"]).collect();
        let of = Lines::of(
            &["depth", "policy"].map(str::to_owned),
            &points.iter().map(|point| &point[..]).collect::<Vec<_>>(),
        );
        assert_eq!((of.shown.len(), of.left_out.len(), &*of.left_out[0]), (MOST_LINES, 12, "8x"));
    }

    #[test]
    fn the_knee_is_the_smallest_value_with_nearly_the_best_goodput() {
        let of = |goodputs: &[f64]| knee(&goodputs.iter().map(|goodput| Some(*goodput)).collect::<Vec<_>>());
        let found = |at, rises| Some(Knee { at, rises, only: false });
        assert_eq!(of(&[452.0, 657.0, 781.0, 785.0, 786.0]), found(2, false));
        assert_eq!(of(&[860.0, 860.0]), found(0, false));
        assert_eq!(of(&[800.0, 805.0, 856.0, 850.0]), found(2, false), "a plateau is no knee if it goes on to rise");
        assert_eq!(of(&[1.0, 2.0, 3.0]), found(2, true));
        assert_eq!(of(&[98.0, 98.5, 99.2, 100.1]), found(2, false), "the last one has not 1 % more");
        assert_eq!(of(&[3.0]), Some(Knee { at: 0, rises: false, only: true }));
        assert_eq!(of(&[0.0, 0.0]), found(0, false));
        assert_eq!(knee(&[None, Some(1.0), Some(1.0)]), found(1, false));
        assert_eq!((knee(&[None]), knee(&[])), (None, None));
    }
}
