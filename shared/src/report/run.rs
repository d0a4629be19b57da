//! `pushback.run/2`: everything about one run.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    BudgetReport, DriverReport, EstimateReport, HardwareReport, ProcessReport, SteadyReport, Summary, TheoryReport,
    Warning, WarningCode, human,
};

/// Schema of a run's report.
pub const RUN_SCHEMA: &str = "pushback.run/2";

/// The schema before, whose warnings have no codes. Reports of it can still be read.
pub const OLD_RUN_SCHEMA: &str = "pushback.run/1";

/// Everything about one run. Sums over many packets or apps (`total_ns`, `blocked_ns`, `occupancy_ns`, `held_ns`) are
/// written as whole numbers with all of their digits, also above 2^64 - 1; then there is a warning,
/// [`WarningCode::Beyond64Bits`](super::WarningCode::Beyond64Bits), as not every reader of JSON has room for that.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`RUN_SCHEMA`].
    pub schema: String,
    /// Every resolved setting.
    pub config: ConfigReport,
    /// What all randomness derives from.
    pub seed: u64,
    /// `real` or `virtual`.
    pub clock: String,
    /// Where it ran.
    pub host: HostReport,
    /// Hash of what the apps drew: equal digests mean equal arrivals.
    pub arrivals_digest: String,
    /// How the run ended.
    pub ending: Ending,
    /// From the first packet offered to the end of the drain.
    pub elapsed_ns: u64,
    /// The ledger's sums.
    pub totals: Totals,
    /// Whether the equations hold.
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
    /// What happened after the warm-up, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub steady: Option<SteadyReport>,
    /// What theory says, if a model fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub theory: Option<TheoryReport>,
    /// Means over several runs, of which this report shows the first; if there were several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub estimate: Option<EstimateReport>,
    /// Where the nanoseconds of a packet went, if the run was profiled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<BudgetReport>,
    /// Who waited, and for how long.
    pub blocked: BlockedReport,
    /// The ring.
    pub ring: RingReport,
    /// The hardware model; all zero if the driver died before it could tell.
    pub hardware: HardwareReport,
    /// Signals to a sleeping peer.
    pub doorbells: Doorbells,
    /// Wakes from sleep.
    #[serde(default)]
    pub wakes: WakesReport,
    /// How late the stack's wake-ups were.
    #[serde(default)]
    pub wakeups: WakeupsReport,
    /// What the driver did that no honest peer does, in one word; nothing if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub violation: Option<String>,
    /// Each app on its own.
    pub apps: Vec<AppReport>,
    /// How long the intervals of the series are: what was asked for, doubled as often as that gave too many. Zero in
    /// reports that do not say.
    #[serde(default)]
    pub series_interval_ns: u64,
    /// Samples, one per interval; the last one may be shorter.
    pub series: Vec<Sample>,
    /// What the stack's process used.
    pub process: ProcessReport,
    /// Interval lines that were dropped because their reader took none; the series has those intervals.
    #[serde(default)]
    pub lines_dropped: u64,
    /// The session as the driver saw it, if it could tell.
    pub driver: Option<DriverReport>,
    /// What a reader must know before believing the numbers.
    #[serde(deserialize_with = "super::warning::read")]
    pub warnings: Vec<Warning>,
}

impl RunReport {
    /// A warning for each number that most readers of JSON have no room for.
    pub fn beyond_64_bits(&self) -> Vec<Warning> {
        let ring = &self.ring;
        let sums = [
            ("blocked.total_ns", self.blocked.total_ns),
            ("ring.occupancy_ns", ring.occupancy_ns),
            ("ring.held_ns", ring.held_ns),
        ];
        let waits = self.blocked.stages.values().map(|stage| stage.waits_ns.count);
        let most = waits.chain([self.sojourn_ns.count, self.latency_ns.count]).max();
        let wide = sums.into_iter().filter(|(_, sum)| *sum > u64::MAX.into()).map(|(key, sum)| {
            format!("{key} is {sum}, which is above 2^64 - 1: read it with a program whose integers have 128 bits")
        });
        let full = most.filter(|count| *count == u64::MAX).map(|_| {
            "more times were measured than 64 bits can count: no quantile is to be trusted; shorten the run".to_owned()
        });
        wide.chain(full).map(|text| Warning::new(WarningCode::Beyond64Bits, text)).collect()
    }

    /// A warning if interval lines were dropped.
    pub fn dropped_lines(&self) -> Option<Warning> {
        let text = || {
            format!(
                "{} interval lines were dropped, because their reader stopped reading: take them from the series in \
                 the JSON report, or use a longer --interval, or --quiet",
                human::count(self.lines_dropped)
            )
        };
        (self.lines_dropped > 0).then(|| Warning::new(WarningCode::LinesDropped, text()))
    }

    /// Whether the run came to nothing: packets were offered and none was delivered, or an app had no way to
    /// its destination.
    pub fn is_fruitless(&self) -> bool {
        let warned = |code| self.warnings.iter().any(|warning| warning.code == code);
        warned(WarningCode::NothingDelivered) || warned(WarningCode::NeighbourUnknown)
    }
}

/// Settings, as `lab run --from` takes them back.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ConfigReport {
    /// The stack's.
    pub netstack: serde_json::Value,
    /// The driver's, as it told them in the handshake.
    pub driver: serde_json::Value,
    /// What only a simulation has; nothing for a run in real time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulate: Option<serde_json::Value>,
}

/// The machine and the program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HostReport {
    /// Host name.
    pub name: String,
    /// Kernel release.
    pub kernel: String,
    /// CPU model.
    pub cpu: String,
    /// CPUs that the process may use.
    pub cpus: usize,
    /// Git revision that was built, `unknown` outside a checkout.
    pub git_revision: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Packets that the apps wanted to send.
    pub offered: u64,
    /// Packets admitted to the device.
    pub accepted: u64,
    /// Packets that the apps kept.
    pub refused: u64,
    /// Packets completed without error.
    pub delivered: u64,
    /// Packets dropped after they were accepted.
    pub dropped: u64,
    /// Packets still on their way at the end.
    pub in_flight: u64,
    /// Packets of unknown fate.
    pub lost: u64,
    /// dropped / accepted; 0 if nothing was accepted.
    pub loss_ratio: f64,
}

/// Whether every equation holds, on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LedgerReport {
    /// Whether all hold.
    pub balanced: bool,
    /// Those that do not, in words.
    pub violations: Vec<String>,
}

/// Delivered packets and bits per second. An app with a schedule is active from its first intended time to the later of
/// its last completion and the intended time of the packet that would have come next (with a duration: the end of
/// offering); a closed loop from its first acceptance to its last completion; several apps from the earliest beginning to
/// the latest end. Null where that is undefined: for a single packet of a closed loop, and where no time passed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RateReport {
    /// Packets per second.
    pub packets_per_second: Option<f64>,
    /// UDP payload bits per second, as iperf3 counts.
    pub bits_per_second: Option<f64>,
}

/// Waiting, summed over the apps.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct BlockedReport {
    /// Times that the ring told the stack "no room".
    pub stops: u64,
    /// Times that it told it "room again".
    pub wakes: u64,
    /// Time that apps spent waiting: many may wait at once, and for long, so this is wider than a time.
    pub total_ns: u128,
    /// The same by stage: `budget`, `neighbour`, `room`.
    pub stages: BTreeMap<String, StageReport>,
}

/// Waiting at one stage.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct StageReport {
    /// Time spent waiting.
    pub total_ns: u128,
    /// The waits that were not over at once.
    pub waits_ns: Summary,
}

/// The ring, and the device's queue in front of it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RingReport {
    /// Slots in force.
    pub depth: u32,
    /// Slots that had to be free before senders that waited for room were served; 0 in reports that do not say.
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
    /// Slot-nanoseconds: how long completed frames held their slots, summed packet by packet. Little's
    /// law says that both are equal if the run began and ended empty; in real time the stack learns
    /// of a completion late, so the first is a little larger.
    pub held_ns: u128,
}

/// Doorbells of both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Doorbells {
    /// Signals sent to a sleeping peer: for the socket transport, writes to the socket.
    pub rung: u64,
    /// Batches that needed no signal of their own, because the peer was awake.
    pub suppressed: u64,
    /// Signals with nothing behind them.
    #[serde(default)]
    pub spurious: u64,
    /// Signals that were due and did not come, so that a sleeper woke by its watchdog: none may be.
    #[serde(default)]
    pub missed: u64,
}

/// How often each process woke from sleep, for a thousand packets delivered.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct WakesReport {
    /// The stack.
    pub netstack_per_thousand: f64,
    /// The driver; nothing if it could not tell.
    pub driver_per_thousand: Option<f64>,
}

/// How late the stack's wake-ups were.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct WakeupsReport {
    /// From when a task could have run to when it did. For a timer that is its deadline; for senders that
    /// waited for room, the time at which the hardware completed the frame that made the room.
    pub late_ns: Summary,
}

/// One app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sample {
    /// End of the interval, from the start of the run.
    pub time_ns: u64,
    /// Packets that completed in it.
    pub delivered: u64,
    /// Payload bytes of those.
    pub delivered_bytes: u64,
    /// Packets dropped in it.
    pub dropped: u64,
    /// Packets refused in it.
    pub refused: u64,
    /// Slots held at its end, by the hardware's times of completion.
    pub occupancy: u32,
    /// Time that apps spent waiting in it, at most its length for each.
    pub blocked_ns: u128,
}
