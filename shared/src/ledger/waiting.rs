//! How a process waited: how long it spun and slept, and how often it rang its peer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the time went while no task could move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct IdleStats {
    /// Time spent spinning.
    pub spin_ns: u64,
    /// Time spent asleep.
    pub sleep_ns: u64,
    /// How often the process went to sleep.
    pub sleeps: u64,
}

/// Doorbells of one side, or of both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Doorbells {
    /// Doorbells sent to a sleeping peer: for the socket transport, writes to the socket.
    pub rung: u64,
    /// Batches published without a doorbell, because the peer was awake or waits for a later count.
    pub suppressed: u64,
    /// Doorbells received although the peer had published nothing.
    #[serde(default)]
    pub spurious: u64,
    /// Doorbells that were due and did not come, so that the longest sleep ended instead: must be 0.
    #[serde(default)]
    pub missed: u64,
}
