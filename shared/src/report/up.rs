//! The way up: what arrived from the driver, and what became of it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Summary;

/// The way up of a run. `received = delivered + consumed + dropped + in_flight + lost`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpReport {
    /// The ledger's sums.
    pub totals: UpTotals,
    /// Bytes of the received frames, without frame check sequence.
    pub received_bytes: u64,
    /// Frames that the stack handled itself, by protocol: `ARP`, `NDP`, `ICMP`. Those that did not occur are left out.
    pub consumed: BTreeMap<String, u64>,
    /// Drops by reason; reasons that did not occur are left out.
    pub drops: BTreeMap<String, u64>,
    /// The receive ring.
    pub ring: UpRingReport,
    /// One for each socket that receives.
    pub sockets: Vec<SocketReport>,
}

/// The ledger of the way up in sums, in frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpTotals {
    /// Frames that arrived in the receive ring.
    pub received: u64,
    /// Frames whose datagrams an app has taken.
    pub delivered: u64,
    /// Frames that the stack handled itself.
    pub consumed: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// Frames whose datagrams waited for an app when the run ended.
    pub in_flight: u64,
    /// Frames of unknown fate. Zero: the stack handles every frame that has arrived, and of frames that a driver did not
    /// publish before it died it knows nothing.
    pub lost: u64,
}

/// The receive ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct UpRingReport {
    /// Slots in force.
    pub depth: u32,
}

/// One socket that receives.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SocketReport {
    /// The name of its app.
    pub name: String,
    /// Its UDP port.
    pub port: u16,
    /// Datagrams that the app has taken.
    pub received: u64,
    /// Bytes of their payloads.
    pub received_bytes: u64,
    /// Datagrams that waited for the app when the run ended.
    pub waiting: u64,
    /// Datagrams that were dropped because its queue was full.
    pub dropped: u64,
    /// Datagrams whose payloads begin with the header of Pushback's apps; only these are checked.
    pub checked: u64,
    /// Sequence numbers below the highest of their sender that have not come.
    pub missing: u128,
    /// Datagrams that came after one with a higher number.
    pub reordered: u64,
    /// Datagrams whose number had come before.
    pub duplicates: u64,
    /// Datagrams whose number was too far below the highest to be told apart: reordered, or duplicates.
    pub too_late: u64,
    /// Datagrams of senders beyond the 1024 that are checked.
    pub untracked: u64,
    /// From the intended time that the payload states to the arrival in this stack, if the sender shares its clock:
    /// datagrams that state a time that lies ahead are left out.
    pub latency_ns: Summary,
    /// From the intended time of a request to the arrival of its response; for an app that waits for responses.
    pub round_trip_ns: Summary,
    /// Requests whose response did not come in time.
    pub timeouts: u64,
}
