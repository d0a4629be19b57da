//! Why a text is no quantity, and how it should have been written.

use std::fmt;
use std::str::FromStr;

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
    /// [`Percent`](super::Percent).
    Percentage,
}

/// A text that is no quantity. Each message names the text, the quantity and the right spelling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitError {
    /// What was written, fit for a message of one line.
    text: String,
    quantity: Quantity,
    problem: UnitProblem,
    suggestions: Vec<Suggestion>,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitProblem {
    /// Nothing was written.
    Empty,
    /// A bare number.
    NoUnit,
    /// Two readings, and no way to tell which was meant.
    Ambiguous,
    /// One reading, but not the one spelling of it.
    Misspelled,
    /// No reading.
    Malformed,
    /// Less than nothing.
    Negative,
    /// A link that never sends.
    Zero,
    /// More than can be counted; the suggestion is the largest that can be written.
    TooLarge,
    /// Decimals below the base unit, which is named; the suggestions are the nearest that are whole.
    NotWhole(&'static str),
}

/// How a quantity could have been written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Suggestion {
    spelling: String,
    /// What it means, where that may not be plain.
    note: String,
}

impl UnitError {
    pub(super) fn new(text: &str, quantity: Quantity, problem: UnitProblem) -> Self {
        Self { text: shown(text), quantity, problem, suggestions: Vec::new() }
    }

    /// Suggests `spelling` as well, which means `note`.
    pub(super) fn suggest(mut self, spelling: String, note: String) -> Self {
        self.suggestions.push(Suggestion { spelling, note });
        self
    }

    /// What the message suggests to write; if that is nothing, it says how the quantity is written.
    pub fn suggestions(&self) -> impl Iterator<Item = &str> {
        self.suggestions.iter().map(|suggestion| suggestion.spelling.as_str())
    }

    /// The same with those suggestions only that are `accepted`; `None` if none of them is.
    pub fn suggesting(mut self, accepted: impl Fn(&str) -> bool) -> Option<Self> {
        let none = self.suggestions.is_empty();
        self.suggestions.retain(|suggestion| accepted(&suggestion.spelling));
        (none || !self.suggestions.is_empty()).then_some(self)
    }

    /// What is wrong, without a remedy.
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

/// Reads a quantity that is `accepted`: otherwise `remedy` says what is. Nothing else is suggested.
///
/// # Errors
/// What is wrong with `text`, and how to write what is accepted.
pub fn parse_accepted<T: FromStr<Err = UnitError>>(
    text: &str,
    accepted: impl Fn(&T) -> bool,
    remedy: &str,
) -> Result<T, String> {
    match text.parse() {
        Ok(value) if accepted(&value) => Ok(value),
        Ok(_) => Err(remedy.to_owned()),
        Err(error) => {
            let problem = error.problem();
            let narrowed = error.suggesting(|spelling| spelling.parse().is_ok_and(|value| accepted(&value)));
            let spelled = narrowed.filter(|error| error.suggestions().next().is_some());
            Err(spelled.map_or_else(|| format!("{problem}: {remedy}"), |error| error.to_string()))
        }
    }
}

/// `a`, `a or b`, `a, b or c`.
fn either(spellings: &[String]) -> String {
    match spellings {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        few => few.concat(),
    }
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

/// What was written, fit for a message of one line.
fn shown(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push_str("...");
    }
    shown
}
