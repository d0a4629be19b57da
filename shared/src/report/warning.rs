//! What a reader must know before believing the numbers: a code for programs, words for people.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A warning of a report. The code is stable, the words may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Recorded")]
pub struct Warning {
    /// What kind of warning it is.
    pub code: WarningCode,
    /// What is the matter, and what to do about it.
    pub text: String,
}

/// The kinds of warnings. A code is never renamed, and never used for something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WarningCode {
    /// A process slept although its peer had something for it.
    WakeUpsLost,
    /// The driver did not report.
    DriverMissing,
    /// The driver's figures are from its own file, because its farewell did not arrive.
    FarewellMissing,
    /// The hardware stood idle while the ring held frames: the machine set the result.
    HardwareStarved,
    /// Packets were still in flight when the drain timed out.
    DrainTimedOut,
    /// An app's packets waited for a neighbour that is not known.
    NeighbourUnknown,
    /// A mean is not known as well as was asked for.
    IntervalTooWide,
    /// The run was not profiled, although that was asked for.
    NotProfiled,
    /// A report of schema `pushback.run/1`, which has no codes, or of a later version with codes of its own.
    #[serde(other)]
    Other,
}

/// Schema `pushback.run/1` has the words alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Text(String),
    Coded { code: WarningCode, text: String },
}

impl From<Recorded> for Warning {
    fn from(recorded: Recorded) -> Self {
        match recorded {
            Recorded::Text(text) => Self { code: WarningCode::Other, text },
            Recorded::Coded { code, text } => Self { code, text },
        }
    }
}

impl Warning {
    /// A warning of kind `code`, which says `text`.
    pub fn new(code: WarningCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// The words.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_a_code_and_words_and_those_of_old_reports_are_words() {
        let warning = Warning::new(WarningCode::DrainTimedOut, "3 packets");
        let json = serde_json::to_string(&warning).unwrap();
        assert_eq!(json, r#"{"code":"DRAIN_TIMED_OUT","text":"3 packets"}"#);
        let read = |text: &str| serde_json::from_str::<Warning>(text).unwrap();
        assert_eq!(read(&json), warning);
        assert_eq!(read(r#""old words""#), Warning::new(WarningCode::Other, "old words"));
        assert_eq!(read(r#"{"code":"OF_THE_FUTURE","text":"x"}"#), Warning::new(WarningCode::Other, "x"));
    }
}
