//! Parsing and printing whole numbers of a base unit, in any unit of its scale.

use super::decimal::{self, Decimal, Scaled};
use super::error::{Quantity, UnitError, UnitProblem};

/// The units of one quantity.
#[derive(Debug)]
pub(super) struct Scale {
    pub(super) quantity: Quantity,
    /// The name of the base unit.
    pub(super) base: &'static str,
    /// Every unit. A value is printed in the shortest spelling; of two equally short ones, in the unit listed first.
    pub(super) units: &'static [Unit],
    /// Whether zero is a value that a flag may have.
    pub(super) zero: bool,
    /// Units to suggest for a number without a unit.
    pub(super) bare: &'static [&'static str],
    /// The possible meanings of an unknown unit, each as a factor in base units.
    pub(super) slip: fn(&str) -> &'static [u64],
}

/// One unit.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) suffix: &'static str,
    /// Base units in one unit: at most 2^30, with no prime factors other than 2 and 5.
    pub(super) factor: u64,
}

impl Unit {
    pub(super) const fn new(suffix: &'static str, factor: u64) -> Self {
        Self { suffix, factor }
    }
}

impl Scale {
    /// Parses `text` to a number of base units.
    pub(super) fn parse(&self, text: &str) -> Result<u64, UnitError> {
        let wrong = |problem| UnitError::new(text, self.quantity, problem);
        if text.is_empty() {
            return Err(wrong(UnitProblem::Empty));
        }
        let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        if let Some(size) = text.strip_prefix('-') {
            let negative = size.starts_with(|c: char| c.is_ascii_digit() || c == '.');
            return Err(wrong(if negative { UnitProblem::Negative } else { UnitProblem::Malformed }));
        }
        let Some(number) = Decimal::read(number).map(|decimal| Number { text: number, decimal }) else {
            return Err(wrong(UnitProblem::Malformed));
        };
        let Some(unit) = self.units.iter().find(|unit| unit.suffix == suffix) else {
            return Err(self.wrong_unit(text, number, suffix));
        };
        match number.decimal.times(unit.factor) {
            Scaled::Exactly(value) => Ok(value),
            Scaled::TooLarge => Err(wrong(UnitProblem::TooLarge).suggest(self.write(u64::MAX), String::new())),
            Scaled::Above(value) => {
                let nearest = [Some(value).filter(|value| self.suggests(*value)), value.checked_add(1)];
                let error = wrong(UnitProblem::NotWhole(self.base));
                Err(nearest.into_iter().flatten().fold(error, |error, v| error.suggest(self.write(v), String::new())))
            }
        }
    }

    /// Whether `value` may be suggested.
    fn suggests(&self, value: u64) -> bool {
        value > 0 || self.zero
    }

    fn wrong_unit(&self, text: &str, number: Number<'_>, suffix: &str) -> UnitError {
        let wrong = |problem| UnitError::new(text, self.quantity, problem);
        if suffix.is_empty() {
            return self.no_unit(number);
        }
        let readings = (self.slip)(suffix).iter().filter_map(|&factor| match number.decimal.times(factor) {
            Scaled::Exactly(value) if self.suggests(value) => Some((self.spell(number, factor, value), value)),
            Scaled::Exactly(_) | Scaled::Above(_) | Scaled::TooLarge => None,
        });
        match readings.collect::<Vec<_>>().as_slice() {
            [] => wrong(UnitProblem::Malformed),
            [(spelling, _)] => wrong(UnitProblem::Misspelled).suggest(spelling.clone(), String::new()),
            several => several.iter().fold(wrong(UnitProblem::Ambiguous), |error, (spelling, value)| {
                error.suggest(spelling.clone(), format!(" ({value} {})", self.base))
            }),
        }
    }

    fn no_unit(&self, number: Number<'_>) -> UnitError {
        let wrong = |problem| UnitError::new(number.text, self.quantity, problem);
        let fits =
            |unit: &&Unit| matches!(number.decimal.times(unit.factor), Scaled::Exactly(value) if self.suggests(value));
        let likely = self.units.iter().filter(|unit| self.bare.contains(&unit.suffix)).filter(fits);
        let error = likely.fold(wrong(UnitProblem::NoUnit), |error, unit| {
            error.suggest(format!("{}{}", number.text, unit.suffix), String::new())
        });
        if error.suggestions().next().is_some() { error } else { wrong(UnitProblem::Malformed) }
    }

    /// The suggested spelling: the number as it was written, in the unit of `factor` if there is one.
    fn spell(&self, number: Number<'_>, factor: u64, value: u64) -> String {
        match self.units.iter().find(|unit| unit.factor == factor) {
            Some(unit) => format!("{}{}", number.text, unit.suffix),
            None => self.write(value),
        }
    }

    /// The shortest exact spelling of `value` whose number is at least 1.
    pub(super) fn write(&self, value: u64) -> String {
        let candidates = self.units.iter().filter(|unit| unit.factor <= value || value == 0);
        let spellings = candidates.map(|unit| decimal::write(value, unit.factor) + unit.suffix);
        spellings.min_by_key(String::len).unwrap_or_default()
    }
}

/// A number, and its text.
#[derive(Debug, Clone, Copy)]
struct Number<'a> {
    text: &'a str,
    decimal: Decimal<'a>,
}

/// Splits a decimal prefix, in either case, from the rest of a unit.
pub(super) fn split_prefix(unit: &str) -> (Option<Prefix>, &str) {
    let prefix = match unit.as_bytes().first() {
        Some(b'k' | b'K') => Prefix::Kilo,
        Some(b'm' | b'M') => Prefix::Mega,
        Some(b'g' | b'G') => Prefix::Giga,
        _ => return (None, unit),
    };
    (Some(prefix), &unit[1..])
}

/// A decimal prefix.
#[derive(Debug, Clone, Copy)]
pub(super) enum Prefix {
    Kilo,
    Mega,
    Giga,
}

/// Implements `FromStr` and `Display` for a newtype of `u64` by its [`Scale`].
macro_rules! spelled {
    ($name:ident, $scale:expr) => {
        impl std::str::FromStr for $name {
            type Err = $crate::units::UnitError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $scale.parse(text).map(Self)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&$scale.write(self.0))
            }
        }
    };
}
pub(super) use spelled;
