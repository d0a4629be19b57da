//! What the lab exits with: the worst status of both processes and of the merged ledger.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use shared::process::exit::Status;
use shared::process::output::complain;

/// Signals that ask a process to end, as numbers of the system.
const INTERRUPT: i32 = rustix::process::Signal::INT.as_raw();
const TERMINATE: i32 = rustix::process::Signal::TERM.as_raw();

/// How a child process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a status of its own choice.
    Said(Status),
    /// With a status that none of our programs chooses: it panicked, most likely.
    Strange(i32),
    /// By a signal that it could not answer.
    Killed(i32),
}

impl Ended {
    /// What its end counts as. A process that did not choose how to end has failed its peer.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Said(status) => status,
            Self::Strange(_) | Self::Killed(_) => Status::PeerFailed,
        }
    }
}

impl From<ExitStatus> for Ended {
    fn from(status: ExitStatus) -> Self {
        let known =
            [Status::Fine, Status::Failed, Status::Usage, Status::PeerFailed, Status::Unbalanced, Status::Interrupted];
        match (status.code(), status.signal()) {
            (Some(code), _) => {
                let said = known.into_iter().find(|known| i32::from(*known as u8) == code);
                said.map_or(Self::Strange(code), Self::Said)
            }
            // It ended before it could receive signals.
            (None, Some(INTERRUPT | TERMINATE)) => Self::Said(Status::Interrupted),
            (None, signal) => Self::Killed(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(status) => write!(f, "exit status {}", *status as u8),
            Self::Strange(code) => write!(f, "exit status {code}, which it never chooses itself"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// How both processes of a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ends {
    /// How the stack ended.
    pub(crate) stack: Ended,
    /// How the driver ended; `None` if only because the lab ended it: no stack came.
    pub(crate) driver: Option<Ended>,
    /// Whether a signal interrupted the lab.
    pub(crate) interrupted: bool,
}

impl Ends {
    /// What the lab exits with, given whether the merged ledger is `balanced`.
    pub(crate) fn status(self, balanced: bool) -> Status {
        let children = [Some(self.stack), self.driver].into_iter().flatten().map(Ended::status);
        let own = [(self.interrupted, Status::Interrupted), (!balanced, Status::Unbalanced)];
        worst(children.chain(own.into_iter().filter_map(|(so, status)| so.then_some(status))))
    }

    /// Reports the end of a process that could not report it itself.
    pub(crate) fn complain(self) {
        for (name, ended) in [("netstack", Some(self.stack)), ("driver", self.driver)] {
            if let Some(ended @ (Ended::Strange(_) | Ended::Killed(_))) = ended {
                complain(format_args!("lab: {name}: {ended}"));
            }
        }
    }
}

/// The worst of `statuses`.
pub(crate) fn worst(statuses: impl IntoIterator<Item = Status>) -> Status {
    statuses.into_iter().fold(Status::Fine, Status::or_worse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_is_read_from_its_status() {
        let code = |code: i32| Ended::from(ExitStatus::from_raw(code << 8));
        assert_eq!(code(0), Ended::Said(Status::Fine));
        assert_eq!(code(130), Ended::Said(Status::Interrupted));
        assert_eq!((code(101), code(101).status()), (Ended::Strange(101), Status::PeerFailed));
        let killed = Ended::from(ExitStatus::from_raw(9));
        assert_eq!((killed, killed.status()), (Ended::Killed(9), Status::PeerFailed));
        assert_eq!(killed.to_string(), "killed by signal 9");
    }
}
