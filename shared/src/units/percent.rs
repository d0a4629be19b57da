//! Percentages: levels of confidence, precisions.

use std::str::FromStr;

use serde_with::DeserializeFromStr;

use super::decimal::Decimal;
use super::error::{Quantity, UnitError, UnitProblem};

/// The largest percentage, as text and as a share: above it, 1 - share has too few digits for the calculations.
const MOST: (&str, f64) = ("99.9999%", 0.999_999);

/// A share above 0 and below 1, spelled `95%`; the value is 0.95.
///
/// A [`Ratio`](super::Ratio) may exceed 1, as loads do, and is spelled as a bare number. Here a bare
/// number is refused: `5` would be 500 %, and `0.5` could be meant as 0.5 % or as 50 %.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, DeserializeFromStr)]
pub struct Percent(pub f64);

impl FromStr for Percent {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |problem| UnitError::new(text, Quantity::Percentage, problem);
        if text.is_empty() {
            return Err(wrong(UnitProblem::Empty));
        }
        let (number, bare) = text.strip_suffix('%').map_or((text, true), |number| (number, false));
        if Decimal::read(number).is_none() {
            let negative = number.strip_prefix('-').and_then(Decimal::read).is_some();
            return Err(wrong(if negative { UnitProblem::Negative } else { UnitProblem::Malformed }));
        }
        let share = scaled(number, -2);
        if share == 0.0 {
            Err(wrong(UnitProblem::Zero))
        } else if share > MOST.1 {
            Err(wrong(UnitProblem::TooLarge).suggest(MOST.0.to_owned(), String::new()))
        } else if !bare {
            Ok(Self(share))
        } else if share >= 0.01 {
            Err(wrong(UnitProblem::NoUnit).suggest(format!("{number}%"), String::new()))
        } else {
            // A number below 1 may be meant as a percentage or as a share of 1.
            let readings = [number.to_owned(), scaled(number, 2).to_string()].map(|number| format!("{number}%"));
            let accepted = readings.into_iter().filter(|reading| reading.parse::<Self>().is_ok());
            Err(accepted.fold(wrong(UnitProblem::Ambiguous), |error, reading| error.suggest(reading, String::new())))
        }
    }
}

/// `number` times 10 to the power of `exponent`, computed in decimal before rounding, so that 7.3% is 0.073.
fn scaled(number: &str, exponent: i32) -> f64 {
    // Every `Decimal` parses as a float; one with too many digits parses as infinity.
    format!("{number}e{exponent}").parse().unwrap_or(f64::INFINITY)
}
