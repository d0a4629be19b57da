//! What a channel counts.

use crate::report::Doorbells;

/// The traffic of one end with the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChannelStats {
    /// Records queued for the peer: frames, completions and control messages.
    pub records: u64,
    /// System calls, also those that found nothing to do.
    pub calls: u64,
    /// Writes that carried something: each of them wakes a sleeping peer.
    pub writes: u64,
    /// Bytes of those.
    pub written_bytes: u64,
    /// Reads that carried something.
    pub reads: u64,
    /// Bytes of those.
    pub read_bytes: u64,
}

impl ChannelStats {
    /// Writes as doorbells: what travelled behind something else needed none of its own.
    pub fn doorbells(&self) -> Doorbells {
        Doorbells { rung: self.writes, suppressed: self.records.saturating_sub(self.writes), ..Doorbells::default() }
    }
}
