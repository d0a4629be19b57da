//! The link: its rate, and the bits that a frame occupies on it.

use std::fmt;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::error::{Quantity, UnitError, UnitProblem};
use super::rate::{BIT_RATE, BitRate};
use super::scale::Scale;

/// The rate of a link, spelled `unlimited` or as a [`BitRate`] above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, SerializeDisplay, DeserializeFromStr)]
pub enum LinkRate {
    /// A frame takes no time on the link.
    Unlimited,
    /// A frame takes the time of its [`wire_bits`].
    Limited(BitRate),
}

const UNLIMITED: &str = "unlimited";

const SCALE: Scale = Scale { quantity: Quantity::LinkRate, ..BIT_RATE };

impl FromStr for LinkRate {
    type Err = UnitError;

    fn from_str(text: &str) -> Result<Self, UnitError> {
        let wrong = |problem| UnitError::new(text, SCALE.quantity, problem);
        if text == UNLIMITED {
            return Ok(Self::Unlimited);
        }
        if text.eq_ignore_ascii_case(UNLIMITED) {
            return Err(wrong(UnitProblem::Misspelled).suggest(UNLIMITED.to_owned(), String::new()));
        }
        match SCALE.parse(text)? {
            0 => Err(wrong(UnitProblem::Zero)),
            rate => Ok(Self::Limited(BitRate(rate))),
        }
    }
}

impl fmt::Display for LinkRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unlimited => f.pad(UNLIMITED),
            Self::Limited(rate) => rate.fmt(f),
        }
    }
}

/// The shortest Ethernet frame in bytes, without frame check sequence; shorter ones are padded to it.
const SHORTEST: u64 = 60;
/// Bytes that Ethernet adds to a frame: check sequence 4, preamble and start delimiter 8, gap 12.
const OVERHEAD: u64 = 4 + 8 + 12;

/// The bits for which an Ethernet frame occupies the link, given its length without frame check
/// sequence: padding, check sequence, preamble and the gap to the next frame included.
pub fn wire_bits(frame_len_without_fcs: usize) -> u64 {
    let frame = u64::try_from(frame_len_without_fcs).unwrap_or(u64::MAX);
    frame.max(SHORTEST).saturating_add(OVERHEAD).saturating_mul(8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Nanos;

    #[test]
    fn wire_bits_are_those_of_real_ethernet() {
        let headers = 14 + 20 + 8;
        assert_eq!(wire_bits(headers + 1472), 1538 * 8);
        assert_eq!(BitRate(1_000_000_000).time_for_bits(wire_bits(headers + 1472)), Nanos(12_304));
        assert_eq!(wire_bits(headers + 22), 88 * 8);
        assert_eq!(wire_bits(headers), 84 * 8);
        assert_eq!(wire_bits(usize::MAX), u64::MAX);
    }
}
