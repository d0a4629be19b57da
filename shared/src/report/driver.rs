//! The driver's part of a report.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Origin, Warning};
use crate::ledger::{Doorbells, IdleStats};

/// Schema of the file that `driver --json` writes.
pub const DRIVER_SCHEMA: &str = "pushback.driver/2";

/// What `driver --json` writes: every session it served.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DriverFile {
    /// Name and version of the schema, [`DRIVER_SCHEMA`].
    #[schemars(extend("const" = DRIVER_SCHEMA))]
    pub schema: String,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub origin: Origin,
    /// Every resolved setting of the driver.
    pub config: serde_json::Value,
    /// Sessions in the order in which they ended.
    pub sessions: Vec<DriverReport>,
    /// How often sessions ended in each way, including sessions whose reports are not kept.
    #[serde(default)]
    pub endings: BTreeMap<String, u64>,
    /// Clients that got no session, by reason.
    #[serde(default)]
    pub turned_away: BTreeMap<String, u64>,
    /// Log lines that were not written, because there were too many in a second or standard error was not read.
    #[serde(default)]
    pub log_lines_dropped: u64,
}

/// One session, from the driver's side. `received = sent + bad_* + discarded`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct DriverReport {
    /// The number of the session in this driver.
    pub generation: u64,
    /// Frames that arrived in the ring.
    pub received: u64,
    /// Frames that the hardware sent.
    pub sent: u64,
    /// Bytes of the sent frames, without frame check sequence.
    pub sent_bytes: u64,
    /// Frames refused for their length.
    pub bad_length: u64,
    /// Frames refused for their headers.
    pub bad_header: u64,
    /// Frames refused for a checksum.
    pub bad_checksum: u64,
    /// Frames that were not completed when the session ended.
    pub discarded: u64,
    /// The most frames at once in the ring, the driver and the hardware, as counted by the driver.
    pub held_max: u32,
    /// How the session ended, in words; `finished` if the stack sent a farewell.
    pub ended: String,
    /// The hardware model's counters.
    pub hardware: HardwareReport,
    /// The CPU time and doorbells of the process.
    pub process: ProcessReport,
    /// The ring for frames that arrive; `null` if there was none, and in old reports, as the next one.
    #[serde(default)]
    pub up: Option<UpDriverReport>,
    /// Where sent frames went, and arriving frames came from.
    #[serde(default)]
    pub backend: Option<BackendReport>,
    /// What limits the meaning of the numbers.
    #[serde(default)]
    pub warnings: Vec<Warning>,
}

/// The way up, from the driver's side: frames that the driver read from its backend.
/// `submitted - completed` were in flight when the session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpDriverReport {
    /// Frames put into the ring.
    pub submitted: u64,
    /// Bytes of those frames, without frame check sequence.
    pub bytes: u64,
    /// Frames that arrived and were left out, because they are longer than a slot.
    pub too_long: u64,
    /// Messages that arrived and were left out, because they are shorter than an Ethernet header.
    pub too_short: u64,
    /// Frames with which the stack had finished when the driver stopped reading completions.
    pub completed: u64,
    /// Time for which the driver read nothing because no slot was free.
    pub no_slot_ns: u64,
}

/// Where sent frames went, and arriving frames came from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BackendReport {
    /// `model`, `tap` or `wire`.
    pub kind: String,
    /// Time for which a frame had left the link and the backend did not take it. The frame waits in the hardware.
    pub blocked_ns: u64,
}

/// The counters of the hardware model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct HardwareReport {
    /// Time it was idle while the ring held frames and the backend took what it sent: if this is large, the machine set
    /// the result, not the model.
    pub starved_ns: u64,
    /// Time it served frames.
    pub busy_ns: u64,
    /// Time lost to configured stalls while it had work.
    pub stalled_ns: u64,
    /// The most frames that it held at once.
    pub occupancy_max: u32,
    /// From the first frame's submission to the last completion.
    pub active_ns: u64,
    /// Time that the completed frames waited in the hardware's queue for the link, summed over frames. Zero in old
    /// reports, as the next one.
    #[serde(default)]
    pub queued_ns: u128,
    /// Time from the end of each completed frame's transmission to its completion, summed over frames.
    #[serde(default)]
    pub delayed_ns: u128,
}

/// The CPU time, waiting time and doorbells of a process during a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ProcessReport {
    /// CPU time, user and system.
    pub cpu_ns: u64,
    /// Time spent waiting.
    pub idle: IdleStats,
    /// Doorbells to the other process.
    #[serde(default)]
    pub doorbells: Doorbells,
}

#[cfg(test)]
mod tests {
    use bincode::Options;

    use super::super::WarningCode;
    use super::*;

    /// The driver sends its report in a control message, and bincode does not support flattened fields.
    #[test]
    fn a_report_round_trips_through_the_control_format() {
        let options = bincode::DefaultOptions::new().with_fixint_encoding();
        let warnings = vec![Warning::new(WarningCode::CaptureIncomplete, "frames are missing")];
        let report = DriverReport { received: 7, ended: "finished".to_owned(), warnings, ..DriverReport::default() };
        let bytes = options.serialize(&report).unwrap();
        assert_eq!(options.deserialize::<DriverReport>(&bytes).unwrap(), report);
    }
}
