//! What a reader must know before believing the numbers: a code for programs, words for people.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

/// A warning of a report. The code is stable, the words may change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The driver took frames late, but the rate was kept: the machine set the times of packets.
    DriverLate,
    /// Packets were still in flight when the drain timed out.
    DrainTimedOut,
    /// An app's packets waited for a neighbour that is not known.
    NeighbourUnknown,
    /// A sum or a count is above 2^64 - 1.
    #[serde(rename = "BEYOND_64_BITS")]
    Beyond64Bits,
    /// Packets were offered, and none was delivered.
    NothingDelivered,
    /// A mean is not known as well as was asked for.
    IntervalTooWide,
    /// Runs were to be repeated, and an interrupt came first.
    Interrupted,
    /// The capture misses frames that were sent.
    CaptureIncomplete,
    /// Settings of the report that was repeated mean nothing here.
    SettingsLeftOut,
    /// A setting that can never take effect beside the others.
    NoEffect,
    /// The run was not profiled, although that was asked for.
    NotProfiled,
    /// Interval lines were dropped, because their reader took none.
    LinesDropped,
    /// A report of schema `pushback.run/1`, which has no codes, or of a later version with codes of its own.
    #[serde(other)]
    Other,
}

/// Reads the warnings of a run's report, also those of schema `pushback.run/1`, which are words alone. A
/// warning itself is read as it is: it travels in control messages too, and their format is not
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
        let all = format!(r#"[{json},"old words",{{"code":"OF_THE_FUTURE","text":"x"}}]"#);
        let [old, future] = ["old words", "x"].map(|text| Warning::new(WarningCode::Other, text));
        assert_eq!(read(&mut serde_json::Deserializer::from_str(&all)).unwrap(), [warning, old, future]);
    }
}
