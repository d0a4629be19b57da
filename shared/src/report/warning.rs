//! Warnings about the numbers of a report: a code for programs, a text for people.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

/// A warning of a report. The code is stable, the text may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Warning {
    /// The kind of warning.
    pub code: WarningCode,
    /// What is wrong, and how to fix it.
    pub text: String,
}

/// The kinds of warnings. A code is never renamed or reused with another meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WarningCode {
    /// A doorbell was due and did not come.
    WakeUpsLost,
    /// The driver's report was not received.
    DriverMissing,
    /// The driver's figures are from its own file, because its farewell did not arrive.
    FarewellMissing,
    /// The hardware was idle while the ring held frames: the machine set the result.
    HardwareStarved,
    /// The driver took frames late, but the rate was kept: the machine set the sojourn.
    DriverLate,
    /// Packets were still in flight when the drain timed out.
    DrainTimedOut,
    /// An app's packets waited for a neighbour whose link address stayed unknown.
    NeighbourUnknown,
    /// A sum or a count is above 2^64 - 1.
    #[serde(rename = "BEYOND_64_BITS")]
    Beyond64Bits,
    /// Packets were offered, and none was delivered.
    NothingDelivered,
    /// The confidence interval of a mean is wider than was requested.
    IntervalTooWide,
    /// An interrupt ended the repetitions early.
    Interrupted,
    /// The capture lacks frames that were sent.
    CaptureIncomplete,
    /// Frames arrived that no slot can hold, and were left out.
    FramesLeftOut,
    /// The report that is repeated has settings that do not apply to this command.
    SettingsLeftOut,
    /// A setting has no effect in combination with the others.
    NoEffect,
    /// The run was to be profiled and could not be.
    NotProfiled,
    /// Interval lines were dropped, because their reader did not read them.
    LinesDropped,
    /// From a report of schema `pushback.run/1`, which has no codes, or of a later version with an unknown code.
    #[serde(other)]
    Other,
}

/// Reads the warnings of a run's report, including those of schema `pushback.run/1`, which are strings. This is not
/// `Warning`'s own `Deserialize`, because a warning is also sent in control messages, whose format is not
/// self-describing.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Warning>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Recorded {
        Text(String),
        Coded(Warning),
    }
    let warning = |recorded| match recorded {
        Recorded::Text(text) => Warning::new(WarningCode::Other, text),
        Recorded::Coded(warning) => warning,
    };
    Ok(Vec::<Recorded>::deserialize(deserializer)?.into_iter().map(warning).collect())
}

impl Warning {
    /// A warning of kind `code`.
    pub fn new(code: WarningCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// Formats the code as reports spell it.
impl fmt::Display for WarningCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// Formats the text.
impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warning_is_a_code_and_a_text_and_those_of_old_reports_are_strings() {
        let warning = Warning::new(WarningCode::DrainTimedOut, "3 packets");
        let json = serde_json::to_string(&warning).unwrap();
        assert_eq!(json, r#"{"code":"DRAIN_TIMED_OUT","text":"3 packets"}"#);
        assert_eq!(WarningCode::Beyond64Bits.to_string(), "BEYOND_64_BITS");
        let all = format!(r#"[{json},"old words",{{"code":"OF_THE_FUTURE","text":"x"}}]"#);
        let [old, future] = ["old words", "x"].map(|text| Warning::new(WarningCode::Other, text));
        assert_eq!(read(&mut serde_json::Deserializer::from_str(&all)).unwrap(), [warning, old, future]);
    }
}
