//! What a run left behind, before it is rendered.

use std::rc::Rc;

use shared::ledger::{Counters, Histogram};
use shared::report::{DriverReport, Ending, Sample};
use shared::ring::RingStats;
use shared::units::Nanos;

use crate::flow::Flow;

/// What a run left behind.
#[derive(Debug)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// When the apps were started.
    pub began: Nanos,
    /// When the drain was over.
    pub ended: Nanos,
    /// The apps' accounts, closed.
    pub flows: Vec<Rc<Flow>>,
    /// The ring's counters.
    pub ring: RingStats,
    /// Slots held, as the device sees them.
    pub occupancy: OccupancyFigures,
    /// How late each wake-up was, be it by a timer or by room in the ring.
    pub late: Histogram,
    /// Nanoseconds that completed frames held their slots, summed packet by packet.
    pub held_ns: u128,
    /// Packets still under way, by the ring's and the queue's own count.
    pub under_way: u64,
    /// Packets whose permit met a dead session.
    pub lost_at_submit: u64,
    /// The accounts as they stood at the end of the warm-up, if there was one.
    pub warm: Option<Snapshot>,
    /// The interval samples.
    pub series: Vec<Sample>,
    /// The time between them.
    pub series_interval: Nanos,
    /// What the driver did that no honest peer does, in one word.
    pub violation: Option<&'static str>,
    /// Whether the driver ended the session, and not the stack.
    pub left_first: bool,
    /// The report in the driver's farewell, if it came.
    pub driver: Option<DriverReport>,
    /// Frames that the driver's farewell says it received.
    pub claimed_frames: u64,
}

/// All accounts together, at one moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snapshot {
    /// When.
    pub at: Nanos,
    /// The ledger's sums.
    pub counters: Counters,
    /// Nanoseconds from acceptance to completion, summed over the delivered packets.
    pub sojourn_ns: u128,
    /// Nanoseconds from the intended time to completion, likewise.
    pub latency_ns: u128,
}

impl Snapshot {
    /// What `flows` say at `at`.
    pub fn of(flows: &[Rc<Flow>], at: Nanos) -> Self {
        let mut all = Self { at, ..Self::default() };
        for flow in flows {
            all.counters += &flow.counters();
            all.sojourn_ns += flow.sojourn_sum();
            all.latency_ns += flow.latency_sum();
        }
        all
    }
}

/// Slots held over time.
#[derive(Debug, Clone, Copy, Default)]
pub struct OccupancyFigures {
    /// Weighted by time.
    pub mean: f64,
    /// Slot-nanoseconds, integrated event by event.
    pub integral_ns: u128,
    /// The most at once.
    pub most: u64,
    /// Half of the time at most this many.
    pub p50: u64,
    /// 99 % of the time at most this many.
    pub p99: u64,
}
