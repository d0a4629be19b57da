//! The counters of a channel.

use crate::ledger::Doorbells;

/// The traffic between one end and the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelStats {
    /// Records queued for the peer: frames, completions and control messages.
    pub records: u64,
    /// System calls, including those that moved no bytes.
    pub calls: u64,
    /// Writes that moved bytes; each of them wakes a sleeping peer.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads that moved bytes.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
}

impl ChannelStats {
    /// Each write counts as a doorbell rung; each further record in the same write as one suppressed.
    pub fn doorbells(&self) -> Doorbells {
        Doorbells { rung: self.writes, suppressed: self.records.saturating_sub(self.writes), ..Doorbells::default() }
    }
}
