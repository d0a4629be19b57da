//! The driver's part of a report.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Doorbells, Warning};
use crate::exec::IdleStats;

/// Schema of the file that `driver --json` writes.
pub const DRIVER_SCHEMA: &str = "pushback.driver/1";

/// What `driver --json` writes: every session it served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriverFile {
    /// [`DRIVER_SCHEMA`].
    pub schema: String,
    /// Every resolved setting of the driver.
    pub config: serde_json::Value,
    /// Sessions in the order in which they ended.
    pub sessions: Vec<DriverReport>,
    /// How sessions ended, and how often, also those whose reports are not kept.
    #[serde(default)]
    pub endings: BTreeMap<String, u64>,
    /// Clients that got no session, by why.
    #[serde(default)]
    pub turned_away: BTreeMap<String, u64>,
    /// Lines of the log that were not written, because too many came in a second or the reader of standard error took
    /// none.
    #[serde(default)]
    pub log_lines_dropped: u64,
}

/// One session, as the driver saw it. `received = sent + bad_* + discarded`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct DriverReport {
    /// Which session of this driver.
    pub generation: u64,
    /// Frames that came out of the ring.
    pub received: u64,
    /// Frames that the hardware sent.
    pub sent: u64,
    /// Bytes of those, without frame check sequence.
    pub sent_bytes: u64,
    /// Frames refused for their length.
    pub bad_length: u64,
    /// Frames refused for their headers.
    pub bad_header: u64,
    /// Frames refused for a checksum.
    pub bad_checksum: u64,
    /// Frames that were not completed when the session ended.
    pub discarded: u64,
    /// The most frames at once in the ring, the driver and the hardware, as the driver saw it.
    pub held_max: u32,
    /// How the session ended, in words; `finished` if the stack said farewell.
    pub ended: String,
    /// The hardware model's counters.
    pub hardware: HardwareReport,
    /// What the process used.
    pub process: ProcessReport,
    /// What a reader must know before believing the numbers.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// What the hardware model counted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HardwareReport {
    /// Time it stood idle while the ring held frames: if this is large, the machine set the
    /// result, not the model.
    pub starved_ns: u64,
    /// Time it served frames.
    pub busy_ns: u64,
    /// Time lost to configured stalls while it had work.
    pub stalled_ns: u64,
    /// The most frames that it held at once.
    pub occupancy_max: u32,
    /// From the first frame's submission to the last completion.
    pub active_ns: u64,
}

/// What a process used during a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ProcessReport {
    /// CPU time, user and system.
    pub cpu_ns: u64,
    /// Time spent waiting.
    pub idle: IdleStats,
    /// Signals to the other process.
    #[serde(default)]
    pub doorbells: Doorbells,
}

#[cfg(test)]
mod tests {
    use bincode::Options;

    use super::super::WarningCode;
    use super::*;

    /// The driver sends its report in a control message, and that format knows no flattening.
    #[test]
    fn a_report_survives_the_control_format() {
        let options = bincode::DefaultOptions::new().with_fixint_encoding();
        let warnings = vec![Warning::new(WarningCode::CaptureIncomplete, "frames are missing")];
        let report = DriverReport { received: 7, ended: "finished".to_owned(), warnings, ..DriverReport::default() };
        let bytes = options.serialize(&report).unwrap();
        assert_eq!(options.deserialize::<DriverReport>(&bytes).unwrap(), report);
    }
}
