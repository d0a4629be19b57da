//! Doorbells: what the socket carries besides control messages, and what is counted of them.

use crate::report::Doorbells;
use crate::ring::CloseReason;
use crate::ring::channel::{ChannelStats, Side};
use crate::wire::{Parsed, WireError};

/// Doorbells in a row, while neither side published anything, that nobody rings by mistake. An honest
/// peer rings at most once for what it published, and once for each time that it goes to sleep; and
/// what it sleeps for is what this side publishes.
const STORM: u32 = 4_096;

/// Doorbells that came.
#[derive(Debug, Default)]
pub(super) struct Bells {
    in_a_row: u32,
    rung: u32,
}

impl Bells {
    /// How many rang since the last call.
    pub(super) fn take_rung(&mut self) -> u32 {
        std::mem::take(&mut self.rung)
    }

    /// There was a reason for them.
    pub(super) fn progress(&mut self) {
        self.in_a_row = 0;
    }
}

impl Side for Bells {
    fn arrive(&mut self, record: Parsed<'_>) -> Result<(), CloseReason> {
        let Parsed::Doorbell = record else { return Err(WireError::Unexpected(record.name()).into()) };
        self.rung += 1;
        self.in_a_row += 1;
        if self.in_a_row > STORM { Err(CloseReason::DoorbellStorm(self.in_a_row)) } else { Ok(()) }
    }

    fn left(&mut self) {}
}

/// The traffic of one end with its peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShmStats {
    /// Times that the peer slept and was woken.
    pub rung: u64,
    /// Batches that needed no doorbell, because the peer was awake or did not wait for them.
    pub suppressed: u64,
    /// Times that a doorbell of the peer had nothing behind it.
    pub spurious: u64,
    /// Times that a doorbell of the peer was due and did not come.
    pub missed: u64,
    /// What went through the socket.
    pub channel: ChannelStats,
}

impl ShmStats {
    /// As a report has them.
    pub fn doorbells(&self) -> Doorbells {
        Doorbells { rung: self.rung, suppressed: self.suppressed, spurious: self.spurious, missed: self.missed }
    }
}
