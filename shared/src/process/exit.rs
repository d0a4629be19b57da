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
    /// Every status, from the one that gives way to all others to the one that wins over all others.
    pub const BY_PRECEDENCE: [Self; 6] =
        [Self::Fine, Self::Failed, Self::Interrupted, Self::PeerFailed, Self::Unbalanced, Self::Usage];

    /// What it means, in a sentence for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Fine => "All is well.",
            Self::Failed => {
                "A condition of --fail-if is true, a comparison is worse, theory disagrees or no depth meets the limits; \
                 with --strict there is a warning; a wake-up between the processes was lost; nothing of what was offered \
                 was delivered; a program is missing; or a result could not be written."
            }
            Self::Usage => {
                "The flags make no sense: the message names the flag, the value and the remedy. Nothing was run."
            }
            Self::PeerFailed => {
                "The other process failed, or claimed what cannot be true; partial results were written. A driver \
                 without --once counts it and goes on."
            }
            Self::Unbalanced => "The ledger does not balance: a fault of the program. Trust no figure of the run.",
            Self::Interrupted => "A signal ended the run; partial results were written.",
        }
    }

    /// Returns the status of the two with which a process exits. Wrong flags come first, because there was no run to
    /// judge; then a ledger that does not balance, because its numbers are worse than none; then a failed peer, because
    /// that explains an interrupt or a failed threshold.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    fn severity(self) -> Option<usize> {
        Self::BY_PRECEDENCE.iter().position(|status| *status == self)
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
