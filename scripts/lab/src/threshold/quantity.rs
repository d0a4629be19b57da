//! What a figure of a report is measured in, and how a limit for it is spelled.

use std::str::FromStr;

use shared::report::human;
use shared::units::{BitRate, Bytes, Nanos, PacketRate, UnitError, shown};

/// What a figure is measured in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quantity {
    /// Nanoseconds.
    Time,
    /// Bits per second.
    BitRate,
    /// Packets per second.
    PacketRate,
    /// Bytes.
    Size,
    /// A share, mostly between 0 and 1.
    Share,
    /// A number without a unit.
    Count,
}

/// The most characters of a value that a message repeats.
const LONGEST_SHOWN: usize = 60;

impl Quantity {
    /// What the figure at the end of `keys` is measured in: its own name tells it, or that of a group around it.
    pub(super) fn of<'a>(keys: impl DoubleEndedIterator<Item = &'a str>) -> Self {
        keys.rev().find_map(Self::of_key).unwrap_or(Self::Count)
    }

    fn of_key(key: &str) -> Option<Self> {
        let ends = |ends: &[&str]| ends.iter().any(|end| key.ends_with(end));
        Some(match key {
            // The number of values in a summary of times.
            "count" => Self::Count,
            "bits_per_second" => Self::BitRate,
            "packets_per_second" => Self::PacketRate,
            "level" | "joint_level" | "precision" | "share" => Self::Share,
            _ if ends(&["_ns"]) || key == "ns_per_packet" => Self::Time,
            _ if ends(&["_ratio", "_share"]) => Self::Share,
            _ if ends(&["_bytes"]) => Self::Size,
            _ => return None,
        })
    }

    /// Its name in a sentence.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Time => "a time",
            Self::BitRate => "a rate in bits",
            Self::PacketRate => "a rate in packets",
            Self::Size => "a size",
            Self::Share => "a share",
            Self::Count => "a number",
        }
    }

    /// Reads a limit, in base units.
    ///
    /// # Errors
    /// What is wrong with `text`, and how to spell it.
    pub(super) fn parse(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Time => spelled(text, |Nanos(value)| value),
            Self::BitRate => spelled(text, |BitRate(value)| value),
            Self::PacketRate => spelled(text, |PacketRate(value)| value),
            Self::Size => spelled(text, |Bytes(value)| value),
            Self::Share => share(text),
            Self::Count => number(text)
                .ok_or_else(|| format!("{} is not a number: write digits without a unit, as in 100", brief(text))),
        }
    }

    /// A measured `value` with its unit, then with every digit.
    pub(super) fn show(self, value: f64) -> String {
        let rounded = match self {
            Self::Time => human::time(value),
            Self::BitRate => human::bit_rate(value),
            Self::PacketRate => human::packet_rate(value),
            Self::Share => human::percent(value),
            Self::Size => format!("{value} B"),
            Self::Count => return value.to_string(),
        };
        format!("{rounded} ({value})")
    }
}

fn brief(text: &str) -> String {
    shown(text, LONGEST_SHOWN)
}

fn spelled<U: FromStr<Err = UnitError>>(text: &str, base: impl Fn(U) -> u64) -> Result<f64, String> {
    text.parse().map(|value| base(value) as f64).map_err(|error: UnitError| error.to_string())
}

/// Reads `0.1%` or `0.001`. Above 1 a bare number is rather a percentage.
fn share(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        // Scaled in decimal before rounding, so that 7.3% is 0.073.
        Some(percentage) => number(percentage).and_then(|_| format!("{percentage}e-2").parse().ok()),
        None => number(text),
    };
    let text = brief(text);
    match value {
        Some(value) if value > 1.0 && !text.ends_with('%') => {
            Err(format!("{text} is more than all there is: write {text}% for a percentage"))
        }
        Some(value) => Ok(value),
        None => Err(format!("{text} is not a share: write 0.1% or 0.001")),
    }
}

/// Reads digits, with or without a point.
fn number(text: &str) -> Option<f64> {
    let digits = text.starts_with(|c: char| c.is_ascii_digit()) && text.ends_with(|c: char| c.is_ascii_digit());
    let plain = digits && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|value: &f64| plain && value.is_finite())
}
