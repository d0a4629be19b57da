//! Exit statuses, the same for every binary.

use std::process::ExitCode;

/// What a process exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All is well.
    Fine = 0,
    /// A threshold or a comparison failed, or the machine did.
    Failed = 1,
    /// The flags make no sense.
    Usage = 2,
    /// The peer failed.
    PeerFailed = 3,
    /// The ledger does not balance.
    Unbalanced = 4,
    /// Interrupted; partial results were written.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}
