//! Why a text is no quantity, and how it should have been written.

use std::fmt;

/// What a text was meant to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantity {
    /// [`Nanos`](super::Nanos).
    Time,
    /// [`Bytes`](super::Bytes).
    Size,
    /// [`BitRate`](super::BitRate).
    BitRate,
    /// [`PacketRate`](super::PacketRate).
    PacketRate,
    /// [`LinkRate`](super::LinkRate).
    LinkRate,
    /// [`Ratio`](super::Ratio).
    Ratio,
}

/// A text that is no quantity. Each message names the text, the quantity and the right spelling.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnitError {
    /// Nothing was written.
    #[error("an empty text is not {quantity}: write {}", quantity.manual())]
    Empty {
        /// What it was meant to be.
        quantity: Quantity,
    },
    /// A bare number.
    #[error("{text} has no unit: write {spellings} for {quantity}")]
    NoUnit {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
        /// How it could be written.
        spellings: String,
    },
    /// Two readings, and no way to tell which was meant.
    #[error("{text} is ambiguous: write {spellings} for {quantity}")]
    Ambiguous {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
        /// How it could be written.
        spellings: String,
    },
    /// One reading, but not the one spelling of it.
    #[error("{text} is not how {quantity} is spelled: write {spelling}")]
    Misspelled {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
        /// How it is written.
        spelling: String,
    },
    /// No reading.
    #[error("{text} is not {quantity}: write {}", quantity.manual())]
    Malformed {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
    },
    /// Less than nothing.
    #[error("{text} is negative, which {quantity} cannot be: write {}", quantity.manual())]
    Negative {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
    },
    /// A link that never sends.
    #[error("{text} is zero, which {quantity} cannot be: write {}", quantity.manual())]
    Zero {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
    },
    /// More than can be counted.
    #[error("{text} is too large for {quantity}: write at most {most}")]
    TooLarge {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
        /// The largest that can be written.
        most: String,
    },
    /// Decimals below the base unit.
    #[error("{text} is not a whole number of {base}: write {spellings} for {quantity}")]
    NotWhole {
        /// What was written.
        text: String,
        /// What it was meant to be.
        quantity: Quantity,
        /// What there must be a whole number of.
        base: &'static str,
        /// The nearest that are whole.
        spellings: String,
    },
}

impl Quantity {
    /// How one is written.
    const fn manual(self) -> &'static str {
        match self {
            Self::Time => "a number and one of s, ms, us or ns, such as 12us",
            Self::Size => "a number and one of B, kB, MB, GB, KiB, MiB or GiB, such as 1500B",
            Self::BitRate => "a number and one of bit, kbit, Mbit or Gbit, such as 10Mbit",
            Self::PacketRate => "a number and one of pps, kpps, Mpps or Gpps, such as 250kpps",
            Self::LinkRate => "a rate above zero, such as 1Gbit, or unlimited",
            Self::Ratio => "a share, such as 0.9 or 90%",
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Time => "a time",
            Self::Size => "a size",
            Self::BitRate => "a bit rate",
            Self::PacketRate => "a packet rate",
            Self::LinkRate => "a link rate",
            Self::Ratio => "a ratio",
        })
    }
}

/// What was written, fit for a message of one line.
pub(super) fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}
