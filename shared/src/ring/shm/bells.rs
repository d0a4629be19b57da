//! Doorbells: the records that the socket carries besides control messages, and their counters.

use crate::control::{Parsed, WireError};
use crate::ledger::Doorbells;
use crate::ring::CloseReason;
use crate::ring::channel::{ChannelStats, Side};

/// How many doorbells in a row, while neither side publishes, close the session. An honest peer comes nowhere near:
/// it rings at most once for each batch that it published, and once for each time that it goes to sleep; and it
/// sleeps again only after this side has published.
const STORM: u32 = 4_096;

/// The doorbells received from the peer.
#[derive(Debug, Default)]
pub(super) struct Bells {
    /// Since either side last published.
    in_a_row: u32,
    /// Since the last [`Bells::take_rung`].
    rung: u32,
}

impl Bells {
    /// How many doorbells came since the last call.
    pub(super) fn take_rung(&mut self) -> u32 {
        std::mem::take(&mut self.rung)
    }

    /// Either side published, which is a reason for the doorbells so far and for the next ones.
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

/// The counters of one end of a ring in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ShmStats {
    /// Doorbells sent, because the peer announced sleep.
    pub rung: u64,
    /// Batches published without a doorbell, because the peer was awake or waits for a later count.
    pub suppressed: u64,
    /// Doorbells received although the peer had published nothing.
    pub spurious: u64,
    /// Doorbells that were due and did not come.
    pub missed: u64,
    /// Traffic through the socket.
    pub channel: ChannelStats,
}

impl ShmStats {
    /// The counters in the form of a report.
    pub fn doorbells(&self) -> Doorbells {
        Doorbells { rung: self.rung, suppressed: self.suppressed, spurious: self.spurious, missed: self.missed }
    }
}
