//! The result of a run, before it is rendered as a report.

use std::rc::Rc;

use shared::ledger::{Counters, Histogram};
use shared::report::{DriverReport, Ending, Sample};
use shared::ring::RingStats;
use shared::units::Nanos;

use super::apps::Joined;
#[cfg(doc)]
use super::extension::Extension;
use super::way_up::UpOutcome;
use crate::account::{Account, Histograms, RoomFigures, Timed};
use crate::device::DeviceFigures;

/// The result of a run.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// When the apps started.
    pub began: Nanos,
    /// When the drain was over.
    pub ended: Nanos,
    /// All apps that have joined. Their accounts are closed: every accepted packet is delivered, dropped, in flight or
    /// lost.
    pub apps: Vec<Joined>,
    /// The times of all apps together.
    pub times: Histograms,
    /// The ring's counters.
    pub ring: RingStats,
    /// Slots held over time.
    pub occupancy: OccupancyFigures,
    /// How late each wake-up was, in nanoseconds, both by a timer and by room in the ring.
    pub late: Histogram,
    /// What the device measured.
    pub device: DeviceFigures,
    /// Who held the slots while others waited for room, and how fast a full ring stopped the senders.
    pub room: RoomFigures,
    /// The way up, if there was one.
    pub up: Option<UpOutcome>,
    /// Packets in flight, counted by the ring and the transmit queue (not by the ledger, which is checked against
    /// this).
    pub in_flight: u64,
    /// Packets that were lost because their permit was submitted after the session had closed.
    pub lost_at_submit: u64,
    /// The accounts as they stood at the end of the warm-up, if there was one.
    pub warm: Option<Snapshot>,
    /// The interval samples.
    pub series: Vec<Sample>,
    /// The time between two samples.
    pub series_interval: Nanos,
    /// The protocol violation of the driver, as one word, if it committed any.
    pub violation: Option<&'static str>,
    /// Whether the driver, and not the stack, ended the session.
    pub left_first: bool,
    /// The report in the driver's farewell, if that arrived.
    pub driver: Option<DriverReport>,
    /// Frames that the driver received, according to its farewell.
    pub claimed_frames: u64,
    /// Whether a frame is as long as the headers of the stack and the payload: see [`Extension::KEEPS_LENGTH`].
    pub frames_keep_length: bool,
}

impl Outcome {
    /// The accounts of all apps.
    pub fn accounts(&self) -> impl Iterator<Item = &Rc<Account>> {
        self.apps.iter().map(|app| &app.account)
    }
}

/// The sums of all accounts at one time.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snapshot {
    /// The time.
    pub at: Nanos,
    /// The ledger's sums.
    pub counters: Counters,
    /// Nanoseconds from acceptance to completion, summed over the delivered packets.
    pub sojourn_ns: u128,
    /// Nanoseconds from the intended time to completion, summed over the delivered packets.
    pub latency_ns: u128,
}

impl Snapshot {
    /// The current sums of `accounts`, labelled with the time `at`.
    pub fn of<'a>(accounts: impl IntoIterator<Item = &'a Rc<Account>>, at: Nanos) -> Self {
        let mut all = Self { at, ..Self::default() };
        for account in accounts {
            all.counters += &account.counters();
            all.sojourn_ns += account.tally(Timed::Sojourn).sum;
            all.latency_ns += account.tally(Timed::Latency).sum;
        }
        all
    }
}

/// Slots held over time.
#[derive(Debug, Clone, Copy, Default)]
pub struct OccupancyFigures {
    /// Mean, weighted by time.
    pub mean: f64,
    /// Slots held, integrated over time, in slot-nanoseconds.
    pub integral_ns: u128,
    /// Maximum.
    pub most: u64,
    /// Median, weighted by time.
    pub p50: u64,
    /// 99th percentile, weighted by time.
    pub p99: u64,
}
