//! Ratios, which may exceed 1, such as loads.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::decimal::Decimal;
use super::error::{Quantity, UnitError, UnitProblem};

/// A ratio of two quantities of one kind, spelled `0.9` or `90%`, and always printed as `0.9`.
///
/// A value parsed from text is finite and not negative.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Default, SerializeDisplay, DeserializeFromStr)]
pub struct Ratio(pub f64);

impl FromStr for Ratio {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |problem| UnitError::new(text, Quantity::Ratio, problem);
        if text.is_empty() {
            return Err(wrong(UnitProblem::Empty));
        }
        // The exponent is applied in decimal, before rounding to a float, so that 7.3% is 0.073.
        let (number, exponent) = text.strip_suffix('%').map_or((text, "e0"), |number| (number, "e-2"));
        if Decimal::read(number).is_none() {
            let negative = number.strip_prefix('-').and_then(Decimal::read).is_some();
            return Err(wrong(if negative { UnitProblem::Negative } else { UnitProblem::Malformed }));
        }
        match format!("{number}{exponent}").parse::<f64>() {
            Ok(ratio) if ratio.is_finite() => Ok(Self(ratio)),
            // Infinite: more than 300 digits.
            _ => Err(wrong(UnitProblem::Malformed)),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0.to_string())
    }
}
