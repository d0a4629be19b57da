//! The exit status of every program.

use std::process::ExitCode;

/// What a process exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All is well.
    Fine = 0,
    /// A threshold or a comparison failed, or the system did.
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

impl Status {
    /// Returns the status of the two with which a process exits. Wrong flags come first, because there was no run to
    /// judge; then a ledger that does not balance, because its numbers are worse than none; then a failed peer, because
    /// that explains an interrupt or a failed threshold.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    fn severity(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Interrupted => 2,
            Self::PeerFailed => 3,
            Self::Unbalanced => 4,
            Self::Usage => 5,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_have_a_fixed_precedence() {
        use Status::{Failed, Fine, Interrupted, PeerFailed, Unbalanced, Usage};
        let order = [Fine, Failed, Interrupted, PeerFailed, Unbalanced, Usage];
        for (at, worse) in order.into_iter().enumerate() {
            for better in &order[..=at] {
                assert_eq!((worse.or_worse(*better), better.or_worse(worse)), (worse, worse));
            }
        }
    }
}
