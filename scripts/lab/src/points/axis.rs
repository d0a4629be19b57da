//! `KEY=VALUES`: a setting that varies, and its values.
//!
//! Values are separated by commas, or by `|` where a value has commas of its own. A range is `FROM..TO*FACTOR`,
//! `FROM..TO+STEP` or `FROM..TO` for steps of 1; it ends at the last value that is not above `TO`. Ranges are computed
//! in decimal, so `0.1..0.9+0.2` has the values 0.1, 0.3, 0.5, 0.7 and 0.9, and no digits that were not written.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The most values of one setting: a wrong step is an error, not a full disk.
const MOST_VALUES: usize = 10_000;

/// More digits behind the point than this do not fit into the numbers that ranges are computed with.
const MOST_PLACES: usize = 38;

/// A setting that varies, and its values in the order in which they were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Axis {
    /// The name of a flag without dashes, or of a part of its value: `depth`, `stall.every`, `app.load`, `app.web.load`.
    pub(crate) key: String,
    /// The values, spelled as the flag takes them.
    pub(crate) values: Vec<String>,
}

/// What is wrong with a setting that varies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AxisError {
    /// There is no `=`.
    #[error("{0} has no values; write KEY=VALUE,VALUE,... as in depth=1..1024*2")]
    NoValues(String),
    /// A value is empty.
    #[error("{0}: a value is empty; write values with one comma between them, or with | if they have commas")]
    Empty(String),
    /// A value occurs twice.
    #[error("{key}: {value} is given twice; write each value once")]
    Twice {
        /// The setting.
        key: String,
        /// The value.
        value: String,
    },
    /// A range is malformed.
    #[error("{key}: {range} is no range ({why}); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2")]
    Range {
        /// The setting.
        key: String,
        /// The text of the range.
        range: String,
        /// What is wrong.
        why: &'static str,
    },
    /// There are too many values.
    #[error("{0}: more than {MOST_VALUES} values; write a larger step")]
    TooMany(String),
}

impl FromStr for Axis {
    type Err = AxisError;

    fn from_str(text: &str) -> Result<Self, AxisError> {
        let no_values = || AxisError::NoValues(text.to_owned());
        let (key, values) = text.split_once('=').ok_or_else(no_values)?;
        let separator = if values.contains('|') { '|' } else { ',' };
        Self::new(key, values.split(separator))
    }
}

impl Axis {
    /// The axis of `key`, where each of `values` is one value or a range.
    ///
    /// # Errors
    /// [`AxisError`] if a value is malformed, empty or repeated.
    pub(crate) fn new<'a>(key: &str, values: impl IntoIterator<Item = &'a str>) -> Result<Self, AxisError> {
        let mut axis = Self { key: key.trim().to_owned(), values: Vec::new() };
        for text in values {
            let text = text.trim();
            match text.split_once("..") {
                // A path may have dots too.
                Some((from, rest)) if !text.contains(['/', '=']) => axis.add_range(text, from, rest)?,
                _ => axis.add(text.to_owned())?,
            }
        }
        if axis.values.is_empty() { Err(AxisError::Empty(axis.key)) } else { Ok(axis) }
    }

    fn add(&mut self, value: String) -> Result<(), AxisError> {
        let key = || self.key.clone();
        if value.is_empty() {
            return Err(AxisError::Empty(key()));
        }
        if self.values.contains(&value) {
            return Err(AxisError::Twice { key: key(), value });
        }
        if self.values.len() == MOST_VALUES {
            return Err(AxisError::TooMany(key()));
        }
        self.values.push(value);
        Ok(())
    }

    fn add_range(&mut self, range: &str, from: &str, rest: &str) -> Result<(), AxisError> {
        let wrong = |why| AxisError::Range { key: self.key.clone(), range: range.to_owned(), why };
        let (to, step) = match rest.find(['*', '+']) {
            Some(at) => (&rest[..at], &rest[at..]),
            None => (rest, "+1"),
        };
        let no_number = "a bound is no number";
        let (from, unit) = Decimal::with_unit(from).ok_or_else(|| wrong(no_number))?;
        let (to, unit_of_to) = Decimal::with_unit(to).ok_or_else(|| wrong(no_number))?;
        // `1..16ms*2` and `1ms..16ms*2` mean the same.
        let unit = if unit.is_empty() { unit_of_to } else { unit };
        if unit != unit_of_to {
            return Err(wrong("the bounds have different units"));
        }
        let (sign, step) = step.split_at(1);
        let (step, unit_of_step) = Decimal::with_unit(step).ok_or_else(|| wrong("the step is no number"))?;
        let times = sign == "*";
        let rises = if times { step > Decimal::ONE && from > Decimal::ZERO } else { step > Decimal::ZERO };
        if !rises {
            return Err(wrong("its values do not rise"));
        }
        if !(unit_of_step.is_empty() || (!times && unit_of_step == unit)) {
            return Err(wrong("the step has another unit"));
        }
        if to < from {
            return Err(wrong("its end is below its beginning"));
        }
        let too_long = wrong("its numbers have too many digits");
        let mut value = from;
        loop {
            match value.partial_cmp(&to) {
                Some(Ordering::Greater) => return Ok(()),
                Some(_) => self.add(format!("{value}{unit}"))?,
                None => return Err(too_long),
            }
            let next = if times { value.times(step) } else { value.plus(step) };
            let Some(next) = next else { return Err(too_long) };
            value = next;
        }
    }
}

/// The setting and its values, as they are written.
impl fmt::Display for Axis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = if self.values.iter().any(|value| value.contains(',')) { "|" } else { "," };
        write!(f, "{}={}", self.key, self.values.join(separator))
    }
}

/// A decimal number that is not negative: `digits` / 10^`places`, without trailing zeros.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: u128,
    places: u32,
}

impl Decimal {
    const ZERO: Self = Self { digits: 0, places: 0 };
    const ONE: Self = Self { digits: 1, places: 0 };

    /// The number at the beginning of `text`, and the unit behind it.
    fn with_unit(text: &str) -> Option<(Self, &str)> {
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() || (number.contains('.') && fraction.is_empty()) {
            return None;
        }
        if fraction.len() > MOST_PLACES {
            return None;
        }
        let digits = format!("{whole}{fraction}").parse().ok()?;
        Some((Self { digits, places: fraction.len().try_into().ok()? }.shortest(), unit))
    }

    fn shortest(mut self) -> Self {
        while self.places > 0 && self.digits.is_multiple_of(10) {
            (self.digits, self.places) = (self.digits / 10, self.places - 1);
        }
        self
    }

    /// The digits with `places` of them behind the point; `None` if they do not fit.
    fn digits_at(self, places: u32) -> Option<u128> {
        10u128.checked_pow(places - self.places)?.checked_mul(self.digits)
    }

    fn plus(self, other: Self) -> Option<Self> {
        let places = self.places.max(other.places);
        let digits = self.digits_at(places)?.checked_add(other.digits_at(places)?)?;
        Some(Self { digits, places }.shortest())
    }

    fn times(self, other: Self) -> Option<Self> {
        let digits = self.digits.checked_mul(other.digits)?;
        Some(Self { digits, places: self.places + other.places }.shortest())
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        let places = self.places.max(other.places);
        self.digits_at(places)?.partial_cmp(&other.digits_at(places)?)
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = self.places as usize;
        if places == 0 {
            return write!(f, "{}", self.digits);
        }
        let digits = format!("{:0>width$}", self.digits, width = places + 1);
        let (whole, fraction) = digits.split_at(digits.len() - places);
        write!(f, "{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn values(text: &str) -> String {
        match text.parse::<Axis>() {
            Ok(axis) => axis.values.join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn lists_and_ranges_can_be_mixed() {
        assert_eq!(values("depth=1..16*2"), "1 2 4 8 16");
        assert_eq!(values("depth=1..20*2,1024"), "1 2 4 8 16 1024");
        assert_eq!(values("depth=3..5"), "3 4 5");
        assert_eq!(values("app.load=0.1..0.9+0.2"), "0.1 0.3 0.5 0.7 0.9");
        assert_eq!(values("link=100Mbit..1000Mbit*10"), "100Mbit 1000Mbit");
        assert_eq!(values("latency=0..10us+5us"), "0us 5us 10us");
        assert_eq!(values("latency=1..2us*1.25"), "1us 1.25us 1.5625us 1.953125us");
        assert_eq!(values("policy=wait, drop-newest"), "wait drop-newest");
        assert_eq!(values("stall=every=8ms,for=3ms|every=9ms,for=3ms"), "every=8ms,for=3ms every=9ms,for=3ms");
    }

    #[test]
    fn every_mistake_is_named_with_its_remedy() {
        let written = [
            "depth",
            "depth=",
            "depth=1,,2",
            "depth=1,2,1",
            "depth=1..2,2",
            "depth=a..b",
            "depth=1..",
            "depth=8..4",
            "depth=1..8*1",
            "depth=0..8*2",
            "depth=1..8+0",
            "depth=1..8*x",
            "latency=1us..5ms*2",
            "latency=1us..5us+1ms",
            "depth=1..65536",
            "depth=1.0000000001..1000*1.000000001",
        ];
        insta::assert_snapshot!(written.map(values).join("\n"), @"
        depth has no values; write KEY=VALUE,VALUE,... as in depth=1..1024*2
        depth: a value is empty; write values with one comma between them, or with | if they have commas
        depth: a value is empty; write values with one comma between them, or with | if they have commas
        depth: 1 is given twice; write each value once
        depth: 2 is given twice; write each value once
        depth: a..b is no range (a bound is no number); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        depth: 1.. is no range (a bound is no number); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        depth: 8..4 is no range (its end is below its beginning); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        depth: 1..8*1 is no range (its values do not rise); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        depth: 0..8*2 is no range (its values do not rise); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        depth: 1..8+0 is no range (its values do not rise); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        depth: 1..8*x is no range (the step is no number); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        latency: 1us..5ms*2 is no range (the bounds have different units); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        latency: 1us..5us+1ms is no range (the step has another unit); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        depth: more than 10000 values; write a larger step
        depth: 1.0000000001..1000*1.000000001 is no range (its numbers have too many digits); write FROM..TO*FACTOR, FROM..TO+STEP or FROM..TO, as in 1..1024*2
        ");
    }

    proptest! {
        #[test]
        fn a_range_of_whole_numbers_has_each_step(from in 1u64..1000, count in 1u64..50, step in 1u64..100) {
            let to = from + step * (count - 1) + step / 2;
            let expected: Vec<_> = (0..count).map(|n| (from + n * step).to_string()).filter(|v| v.parse::<u64>().unwrap() <= to).collect();
            let text = format!("depth={from}..{to}+{step}");
            prop_assert_eq!(text.parse::<Axis>().unwrap().values, expected);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = text.parse::<Axis>();
        }

        #[test]
        fn an_axis_is_read_as_it_is_printed(values in proptest::collection::btree_set("[a-z0-9=,]{1,8}", 2..5)) {
            let values: Vec<_> = values.into_iter().collect();
            let axis = Axis { key: "app".to_owned(), values };
            prop_assume!(axis.values.iter().any(|value| value.contains(',')));
            prop_assert_eq!(axis.to_string().parse::<Axis>().unwrap(), axis);
        }
    }
}
