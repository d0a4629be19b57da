//! `pushback.run/2`: everything about one run.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::{
    BlameReport, BudgetReport, Distribution, DriverReport, EstimateReport, FairnessReport, HardwareReport, HostReport,
    Origin, ProcessReport, SplitReport, SteadyReport, Summary, TheoryReport, UpReport, Warning, WarningCode,
};
use crate::ledger::Doorbells;

/// Schema of a run's report.
pub const RUN_SCHEMA: &str = "pushback.run/2";

/// The previous schema, whose warnings have no codes. Its reports can still be read.
pub const OLD_RUN_SCHEMA: &str = "pushback.run/1";

/// The report of one run. Sums over many packets or apps (`total_ns`, `blocked_ns`, `occupancy_ns`, `held_ns`) are
/// written as whole numbers with all of their digits, also above 2^64 - 1; the report then has the warning
/// [`WarningCode::Beyond64Bits`](super::WarningCode::Beyond64Bits), because many JSON parsers cannot read such numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RunReport {
    /// Name and version of the schema, [`RUN_SCHEMA`].
    #[schemars(extend("const" = RUN_SCHEMA))]
    pub schema: String,
    /// Every resolved setting.
    pub config: ConfigReport,
    /// For how long the driver's session had lasted when the run began, in nanoseconds: its stalls are counted from the
    /// beginning of the session. Null if there are no stalls, and in old reports.
    #[serde(default)]
    pub stalls_since_ns: Option<u64>,
    /// The seed of all random numbers.
    pub seed: u64,
    /// `real` or `virtual`.
    pub clock: String,
    /// The machine and the program; null where the report must not depend on them: in the files of a sweep in virtual
    /// time.
    pub host: Option<HostReport>,
    /// When, by which program and by which command it was made.
    #[serde(flatten)]
    pub origin: Origin,
    /// Hash of the random numbers that the apps drew: equal digests mean equal arrivals.
    pub arrivals_digest: String,
    /// How the run ended.
    pub ending: Ending,
    /// From the first packet offered to the end of the drain.
    pub elapsed_ns: u64,
    /// The ledger's sums.
    pub totals: Totals,
    /// Whether the ledger's equations hold.
    pub ledger: LedgerReport,
    /// Drops by reason; reasons that did not occur are left out.
    pub drops: BTreeMap<String, u64>,
    /// Refusals by reason; reasons that did not occur are left out.
    pub refusals: BTreeMap<String, u64>,
    /// What was delivered, over the time in which the apps were active.
    pub rate: RateReport,
    /// From accepted to completed.
    pub sojourn_ns: Summary,
    /// From the intended time of sending to completed.
    pub latency_ns: Summary,
    /// Where the delivered packets spent their latency; null in old reports, which lack it.
    #[serde(default)]
    pub latency_split: Option<SplitReport>,
    /// Whole distributions; empty in old reports, which lack them.
    #[serde(default)]
    pub distributions: Distributions,
    /// The figures after the warm-up, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<SteadyReport>,
    /// The prediction of queueing theory, if a model fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theory: Option<TheoryReport>,
    /// Means over several runs, if there were several; the rest of the report is that of the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateReport>,
    /// The CPU time per packet by component, if the run was profiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetReport>,
    /// The time that apps spent waiting.
    pub blocked: BlockedReport,
    /// Who held the ring's slots while apps waited for room; null in a run of more than 64 apps, if an
    /// app waited for more than 2^64 - 1 slot-nanoseconds, and in old reports.
    #[serde(default)]
    pub blame: Option<BlameReport>,
    /// How fast backpressure acted; all counts are zero in old reports.
    #[serde(default)]
    pub backpressure: BackpressureReport,
    /// How evenly the apps were served; null for a single app, and in old reports.
    #[serde(default)]
    pub fairness: Option<FairnessReport>,
    /// The ring.
    pub ring: RingReport,
    /// The hardware model; null if the driver's report was not received.
    pub hardware: Option<HardwareReport>,
    /// Doorbells of both sides.
    pub doorbells: Doorbells,
    /// Wakes from sleep.
    #[serde(default)]
    pub wakes: WakesReport,
    /// How late the stack's wake-ups were.
    #[serde(default)]
    pub wakeups: WakeupsReport,
    /// The name of the driver's protocol violation, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<String>,
    /// One for each app.
    pub apps: Vec<AppReport>,
    /// What the stack sent itself: answers, and requests for neighbours. Null without a way up, and in old reports. Its
    /// packets are none of the apps', so they are not part of `totals`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack: Option<AppReport>,
    /// The way up; null if the driver granted no receive ring, and in old reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub up: Option<UpReport>,
    /// The report of the host at the other end of the wire, if there were two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<Box<Self>>,
    /// How many of the apps share their histograms, so that their quantiles are not known: all, if the run started with
    /// more than 64, and otherwise those from the 65th on.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub apps_without_quantiles: u64,
    /// The length of the intervals of the series: the one that was set, doubled as often as it gave too many samples.
    /// Zero in old reports, which lack it.
    #[serde(default)]
    pub series_interval_ns: u64,
    /// Samples, one per interval; the last one may be shorter.
    pub series: Vec<Sample>,
    /// CPU time, waiting time and doorbells of the stack's process.
    pub process: ProcessReport,
    /// Interval lines that were dropped because their reader did not read them; the series has those intervals.
    #[serde(default)]
    pub lines_dropped: u64,
    /// The driver's report of the session, if it was received.
    pub driver: Option<DriverReport>,
    /// What limits the meaning of the numbers.
    #[serde(deserialize_with = "super::warning::read")]
    pub warnings: Vec<Warning>,
}

impl RunReport {
    /// The hardware model's counters, if the driver's report was received. Earlier versions wrote zeros without it.
    pub fn hardware(&self) -> Option<&HardwareReport> {
        self.hardware.as_ref().filter(|_| self.driver.is_some())
    }

    /// Whether packets were offered and none was delivered, or an app's next hop stayed unknown.
    pub fn is_fruitless(&self) -> bool {
        let warned = |code| self.warnings.iter().any(|warning| warning.code == code);
        warned(WarningCode::NothingDelivered) || warned(WarningCode::NeighbourUnknown)
    }
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// All settings, as `lab run --from` reads them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ConfigReport {
    /// The stack's.
    #[serde(deserialize_with = "settings")]
    pub netstack: Value,
    /// The driver's, as it sent them in the greeting.
    #[serde(deserialize_with = "settings")]
    pub driver: Value,
    /// Those of a simulation; `None` for a run in real time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulate: Option<Value>,
    /// Those of the host at the other end of the wire, if there were two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<Box<Self>>,
}

/// Reads settings. Earlier versions wrote some counts as text; a quantity has its unit, so a setting of digits alone is a
/// count.
fn settings<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    let mut settings = Value::deserialize(deserializer)?;
    for setting in settings.as_object_mut().into_iter().flat_map(Map::values_mut) {
        let digits = setting.as_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(count) = digits.and_then(|text| text.parse::<u64>().ok()) {
            *setting = count.into();
        }
    }
    Ok(settings)
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "how", content = "why")]
pub enum Ending {
    /// As planned.
    Finished,
    /// By a signal; the results are partial.
    Interrupted,
    /// By a signal to the driver; the results are partial.
    PeerInterrupted,
    /// The driver failed; the results are partial.
    PeerFailed(String),
}

/// The ledger in sums.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Totals {
    /// Packets that the apps wanted to send.
    pub offered: u64,
    /// Packets admitted to the device.
    pub accepted: u64,
    /// Packets not accepted; their payload is still the app's.
    pub refused: u64,
    /// Packets completed without error.
    pub delivered: u64,
    /// Packets dropped after they were accepted.
    pub dropped: u64,
    /// Packets neither delivered, dropped nor lost at the end.
    pub in_flight: u64,
    /// Packets of unknown fate.
    pub lost: u64,
    /// dropped / accepted; null if nothing was accepted.
    pub loss_ratio: Option<f64>,
}

impl Totals {
    /// The sums of both.
    pub(super) fn and(&self, other: &Self) -> Self {
        let (accepted, dropped) =
            (self.accepted.saturating_add(other.accepted), self.dropped.saturating_add(other.dropped));
        Self {
            offered: self.offered.saturating_add(other.offered),
            accepted,
            refused: self.refused.saturating_add(other.refused),
            delivered: self.delivered.saturating_add(other.delivered),
            dropped,
            in_flight: self.in_flight.saturating_add(other.in_flight),
            lost: self.lost.saturating_add(other.lost),
            loss_ratio: ratio(dropped, accepted),
        }
    }
}

/// `part / whole`; `None` if `whole` is 0.
pub fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// Whether every equation holds, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct LedgerReport {
    /// Whether all hold.
    pub balanced: bool,
    /// Those that do not hold, in words.
    pub violations: Vec<String>,
}

/// Delivered packets and bits per second. An app with a schedule is active from its first intended time to the later of
/// its last completion and the intended time of the packet that would have come next (with a duration: the end of
/// offering); a closed loop from its first acceptance to its last completion; several apps from the earliest beginning
/// to the latest end. Null where that is undefined: for a single packet of a closed loop, and where no time passed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RateReport {
    /// Packets per second.
    pub packets_per_second: Option<f64>,
    /// UDP payload bits per second, as iperf3 counts.
    pub bits_per_second: Option<f64>,
}

/// Waiting, summed over the apps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BlockedReport {
    /// Times that a send found no free slot, not counting further ones before the next wake.
    pub stops: u64,
    /// Times that waiting senders were granted slots after a stop.
    pub wakes: u64,
    /// Time that apps spent waiting, summed over apps. 128 bits, because many may wait at once and for long.
    pub total_ns: u128,
    /// The same by stage: `budget`, `neighbour`, `room`.
    pub stages: BTreeMap<String, StageReport>,
}

/// Waiting at one stage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct StageReport {
    /// Time spent waiting.
    pub total_ns: u128,
    /// The waits that took time.
    pub waits_ns: Summary,
}

/// How fast backpressure acts.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BackpressureReport {
    /// From the acceptance of the packet that took the last free slot to the next send that found none: one that began to
    /// wait, was refused or dropped, or went to the transmit queue. One value for each time that the ring filled and a
    /// send came before it was filled again.
    pub full_to_stop_ns: Summary,
    /// For each packet that waited for room and was accepted: from the time at which the hardware completed the frame
    /// whose slot the packet took to its acceptance.
    pub room_to_send_ns: Summary,
}

/// The distributions of all apps together.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Distributions {
    /// Of [`RunReport::sojourn_ns`].
    pub sojourn_ns: Distribution,
    /// Of [`RunReport::latency_ns`].
    pub latency_ns: Distribution,
    /// Of [`BackpressureReport::full_to_stop_ns`].
    pub full_to_stop_ns: Distribution,
    /// Of [`BackpressureReport::room_to_send_ns`].
    pub room_to_send_ns: Distribution,
}

/// The ring, and the device's queue in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct RingReport {
    /// Slots in force.
    pub depth: u32,
    /// Slots that must be free before senders that wait for room are served; 0 in old reports, which lack it.
    #[serde(default)]
    pub wake_point: u32,
    /// Places of the device's own queue.
    pub txqueue: u32,
    /// Both together.
    pub capacity: u64,
    /// Slots held, weighted by time, hardware included.
    pub occupancy_mean: f64,
    /// The most slots held.
    pub occupancy_max: u32,
    /// Half of the time at most this many were held.
    pub occupancy_p50: u64,
    /// 99 % of the time at most this many were held.
    pub occupancy_p99: u64,
    /// Slot-nanoseconds: the occupancy integrated over time, event by event.
    pub occupancy_ns: u128,
    /// Slot-nanoseconds: how long completed frames held their slots, summed packet by packet. By Little's
    /// law both are equal if the run began and ended empty; in real time the stack notices
    /// a completion late, so the first is a little larger.
    pub held_ns: u128,
}

/// How often each process woke from sleep per thousand packets delivered.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WakesReport {
    /// The stack; null if nothing was delivered.
    pub netstack_per_thousand: Option<f64>,
    /// The driver; null too if its report was not received.
    pub driver_per_thousand: Option<f64>,
}

/// How late the stack's wake-ups were.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct WakeupsReport {
    /// The time from when a task could have run to when it did. It could have run from the deadline of its timer on;
    /// a sender that waited for room, from the time on at which the hardware completed the frame that made the room.
    pub late_ns: Summary,
}

/// One app. If it shares its histograms with others (see [`RunReport::apps_without_quantiles`]), its quantiles are null;
/// its counts, means, sums and maxima are exact in any case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AppReport {
    /// Its name.
    pub name: String,
    /// Its settings, as `--app` takes them.
    pub spec: String,
    /// Its own ledger.
    #[serde(flatten)]
    pub totals: Totals,
    /// Its own rate.
    pub rate: RateReport,
    /// From accepted to completed.
    pub sojourn_ns: Summary,
    /// From the intended time of sending to completed.
    pub latency_ns: Summary,
    /// Time it spent waiting, by stage.
    pub blocked: BTreeMap<String, StageReport>,
}

/// One interval.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Sample {
    /// End of the interval, from the start of the run.
    pub time_ns: u64,
    /// Packets that completed in it.
    pub delivered: u64,
    /// Payload bytes of those packets.
    pub delivered_bytes: u64,
    /// Packets dropped in it.
    pub dropped: u64,
    /// Packets refused in it.
    pub refused: u64,
    /// Slots held at its end, according to the hardware's times of completion.
    pub occupancy: u32,
    /// Time that apps spent waiting in it, at most its length for each.
    pub blocked_ns: u128,
}
