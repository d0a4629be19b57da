//! The error for a text that is not a quantity, with the right spelling.

use std::fmt;
use std::str::FromStr;

/// The most characters of a value or a key that a message repeats.
pub(super) const LONGEST_SHOWN: usize = 60;

/// The quantity that a text must contain.
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
    /// [`Percent`](super::Percent).
    Percentage,
}

/// A text that is not a valid quantity. Each message names the text, the quantity and the right spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    /// The text, escaped and shortened for a message of one line.
    text: String,
    quantity: Quantity,
    problem: UnitProblem,
    suggestions: Vec<Suggestion>,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitProblem {
    /// An empty text.
    Empty,
    /// A number without a unit.
    NoUnit,
    /// It has more than one meaning.
    Ambiguous,
    /// The meaning is clear, but the spelling is not the accepted one.
    Misspelled,
    /// It has no meaning as this quantity.
    Malformed,
    /// Below zero.
    Negative,
    /// Zero, where that is not allowed, as for a link rate.
    Zero,
    /// Too large to represent; the suggestion is the largest value.
    TooLarge,
    /// Decimals below the base unit, which is named; the suggestions are the nearest whole numbers of it.
    NotWhole(&'static str),
}

/// A spelling that the error message proposes.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suggestion {
    spelling: String,
    /// Its value in base units, where several are proposed; else empty.
    note: String,
}

impl UnitError {
    pub(super) fn new(text: &str, quantity: Quantity, problem: UnitProblem) -> Self {
        Self { text: shown(text, LONGEST_SHOWN), quantity, problem, suggestions: Vec::new() }
    }

    /// Adds the suggestion `spelling`; `note` is appended to it in the message.
    pub(super) fn suggest(mut self, spelling: String, note: String) -> Self {
        self.suggestions.push(Suggestion { spelling, note });
        self
    }

    /// The spellings that the message suggests. If there are none, it describes how the quantity is written.
    pub fn suggestions(&self) -> impl Iterator<Item = &str> {
        self.suggestions.iter().map(|suggestion| suggestion.spelling.as_str())
    }

    /// The same error with only the suggestions that are `accepted`; `None` if there were some and none is accepted.
    pub fn suggesting(mut self, accepted: impl Fn(&str) -> bool) -> Option<Self> {
        let none = self.suggestions.is_empty();
        self.suggestions.retain(|suggestion| accepted(&suggestion.spelling));
        (none || !self.suggestions.is_empty()).then_some(self)
    }

    /// The first part of the message: the problem without the remedy.
    pub fn problem(&self) -> String {
        let Self { text, quantity, .. } = self;
        match self.problem {
            UnitProblem::Empty => format!("an empty text is not {quantity}"),
            UnitProblem::NoUnit => format!("{text} has no unit"),
            UnitProblem::Ambiguous => format!("{text} is ambiguous"),
            UnitProblem::Misspelled => format!("{text} is not how {quantity} is spelled"),
            UnitProblem::Malformed => format!("{text} is not {quantity}"),
            UnitProblem::Negative => format!("{text} is negative, which {quantity} cannot be"),
            UnitProblem::Zero => format!("{text} is zero, which {quantity} cannot be"),
            UnitProblem::TooLarge => format!("{text} is too large for {quantity}"),
            UnitProblem::NotWhole(base) => format!("{text} is not a whole number of {base}"),
        }
    }
}

impl fmt::Display for UnitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quantity = self.quantity;
        write!(f, "{}: write ", self.problem())?;
        let spellings: Vec<_> = self.suggestions.iter().map(|each| format!("{}{}", each.spelling, each.note)).collect();
        match (self.problem, either(&spellings)) {
            (_, list) if list.is_empty() => f.write_str(quantity.manual()),
            (UnitProblem::Misspelled, list) => f.write_str(&list),
            (UnitProblem::TooLarge, list) => write!(f, "at most {list}"),
            (_, list) => write!(f, "{list} for {quantity}"),
        }
    }
}

impl std::error::Error for UnitError {}

/// Reads a quantity that must be `accepted`. `remedy` describes the accepted values; the message suggests no others.
///
/// # Errors
/// A message with the problem of `text` and the remedy.
pub fn parse_accepted<T: FromStr<Err = UnitError>>(
    text: &str,
    accepted: impl Fn(&T) -> bool,
    remedy: &str,
) -> Result<T, String> {
    read_accepted(text, accepted).map_err(|why| match why {
        Unaccepted::Value => remedy.to_owned(),
        Unaccepted::Unit(error) if error.suggestions().next().is_some() => error.to_string(),
        Unaccepted::Unit(error) | Unaccepted::Spellings(error) => format!("{}: {remedy}", error.problem()),
    })
}

/// Why a text is not an accepted quantity.
pub(super) enum Unaccepted {
    /// It is a quantity, and not accepted.
    Value,
    /// It is not a quantity, and none of the spellings that it suggested is accepted.
    Spellings(UnitError),
    /// It is not a quantity. The spellings that the error suggests are accepted.
    Unit(UnitError),
}

/// Reads a quantity that must be `accepted`.
pub(super) fn read_accepted<T: FromStr<Err = UnitError>>(
    text: &str,
    accepted: impl Fn(&T) -> bool,
) -> Result<T, Unaccepted> {
    match text.parse() {
        Ok(value) if accepted(&value) => Ok(value),
        Ok(_) => Err(Unaccepted::Value),
        Err(error) => {
            let narrowed = error.clone().suggesting(|spelling| spelling.parse().is_ok_and(|value| accepted(&value)));
            Err(narrowed.map_or(Unaccepted::Spellings(error), Unaccepted::Unit))
        }
    }
}

/// Joins spellings: `a`, `a or b`, `a, b or c`.
fn either(spellings: &[String]) -> String {
    match spellings {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        few => few.concat(),
    }
}

impl Quantity {
    /// Every quantity.
    pub const ALL: [Self; 7] =
        [Self::Time, Self::Size, Self::BitRate, Self::PacketRate, Self::LinkRate, Self::Ratio, Self::Percentage];

    /// How the quantity is written.
    pub const fn manual(self) -> &'static str {
        match self {
            Self::Time => "a number and one of s, ms, us or ns, such as 12us",
            Self::Size => "a number and one of B, kB, MB, GB, KiB, MiB or GiB, such as 1500B",
            Self::BitRate => "a number and one of bit, kbit, Mbit or Gbit, such as 10Mbit",
            Self::PacketRate => "a number and one of pps, kpps, Mpps or Gpps, such as 250kpps",
            Self::LinkRate => "a rate above zero, such as 1Gbit, or unlimited",
            Self::Ratio => "a share, such as 0.9 or 90%",
            Self::Percentage => "a number above 0 and below 100, and %, such as 5%",
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
            Self::Percentage => "a percentage",
        })
    }
}

/// `text` for a message of one line: escaped, and cut to its first `longest` characters.
pub fn shown(text: &str, longest: usize) -> String {
    if text.is_empty() {
        return "an empty text".to_owned();
    }
    let mut shown: String = text.chars().take(longest).flat_map(char::escape_debug).collect();
    if text.chars().nth(longest).is_some() {
        shown.push_str("...");
    }
    shown
}
