//! The ledger of the way up: `received = delivered up + consumed + dropped + in flight + lost`.

use shared::ledger::UpDropReason;

use crate::layers::Consumer;

/// What happened to the frames that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UpCounters {
    /// Frames that were taken out of the receive ring.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Frames whose datagrams went to a socket.
    pub queued: u64,
    consumed: [u64; Consumer::ALL.len()],
    dropped: [u64; UpDropReason::ALL.len()],
}

impl UpCounters {
    /// Counts a frame that `consumer` has handled.
    pub fn consume(&mut self, consumer: Consumer) {
        self.consumed[consumer as usize] += 1;
    }

    /// Counts a frame that was dropped.
    pub fn drop_frame(&mut self, reason: UpDropReason) {
        self.dropped[reason as usize] += 1;
    }

    /// Frames that `consumer` has handled.
    pub fn consumed_by(&self, consumer: Consumer) -> u64 {
        self.consumed[consumer as usize]
    }

    /// Frames that were dropped for `reason`.
    pub fn dropped_for(&self, reason: UpDropReason) -> u64 {
        self.dropped[reason as usize]
    }

    /// All frames that were handled within the stack.
    pub fn consumed(&self) -> u64 {
        self.consumed.iter().sum()
    }

    /// All frames that were dropped.
    pub fn dropped(&self) -> u64 {
        self.dropped.iter().sum()
    }
}
