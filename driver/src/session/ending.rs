//! How a session ends: the reasons, and the farewell to the stack.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use shared::connection::{CloseReason, Connection};
use shared::control::{Bye, ByeReason, Control};
use shared::exec::Clock;
use shared::report::DriverReport;
use shared::units::Nanos;

/// How long a stack may take to read the farewell and to close the connection.
const FAREWELL_TIMEOUT: Nanos = Nanos::from_secs(1);

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionEnd {
    /// The stack sent its farewell.
    Finished,
    /// The stack was interrupted, as its farewell states.
    StackInterrupted,
    /// The stack states that this driver broke the protocol.
    Accused(String),
    /// The stack failed for a reason of its own.
    StackFailed(String),
    /// This driver was interrupted.
    Interrupted,
    /// The connection is gone, or the stack broke the protocol.
    Failed(CloseReason),
    /// The stack's farewell claims another number of frames than arrived.
    Miscounted {
        /// Frames that the stack claims to have submitted.
        submitted: u64,
        /// Frames that the driver took out of the ring.
        received: u64,
    },
    /// A bound that the driver must keep did not hold.
    Fault(String),
    /// The backend can be used no longer, for this reason: the interface is gone, for example.
    BackendFailed(String),
}

impl SessionEnd {
    /// The end of a session in which the stack sent `bye` after the driver took `received` frames out of the ring.
    pub(super) fn by_stack(bye: Bye, received: u64) -> Self {
        match bye.reason {
            _ if bye.frames != received => Self::Miscounted { submitted: bye.frames, received },
            ByeReason::Finished => Self::Finished,
            ByeReason::Interrupted => Self::StackInterrupted,
            ByeReason::Violation(what) => Self::Accused(what),
            ByeReason::Fault(what) => Self::StackFailed(what),
        }
    }

    /// The farewell to the stack; `None` if the connection is gone.
    pub(super) fn farewell(&self) -> Option<ByeReason> {
        match self {
            Self::Finished | Self::StackInterrupted | Self::Accused(_) | Self::StackFailed(_) => {
                Some(ByeReason::Finished)
            }
            Self::Miscounted { .. } => Some(ByeReason::Violation(self.to_string())),
            Self::Interrupted => Some(ByeReason::Interrupted),
            Self::Failed(CloseReason::PeerGone | CloseReason::Io(_)) => None,
            Self::Failed(violation) => Some(ByeReason::Violation(violation.to_string())),
            Self::Fault(what) | Self::BackendFailed(what) => Some(ByeReason::Fault(what.clone())),
        }
    }

    /// The name under which reports count this kind of end.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Finished => "FINISHED",
            Self::StackInterrupted => "STACK_INTERRUPTED",
            Self::Accused(_) => "ACCUSED_BY_STACK",
            Self::StackFailed(_) => "STACK_FAILED",
            Self::Interrupted => "INTERRUPTED",
            Self::Failed(reason) => reason.name(),
            Self::Miscounted { .. } => "MISCOUNTED",
            Self::Fault(_) => "FAULT",
            Self::BackendFailed(_) => "BACKEND_FAILED",
        }
    }

    /// Whether the stack or the connection failed, and not this driver.
    pub fn peer_failed(&self) -> bool {
        matches!(self, Self::Accused(_) | Self::StackFailed(_) | Self::Failed(_) | Self::Miscounted { .. })
    }

    /// Whether this driver broke a bound that it must keep.
    pub fn is_fault(&self) -> bool {
        matches!(self, Self::Fault(_))
    }
}

impl std::fmt::Display for SessionEnd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Finished => f.write_str("finished"),
            Self::StackInterrupted => f.write_str("the stack was interrupted"),
            Self::Accused(what) => write!(f, "the stack ended it: {what}"),
            Self::StackFailed(what) => write!(f, "the stack failed: {what}"),
            Self::Interrupted => f.write_str("the driver was interrupted"),
            Self::Failed(reason) => reason.fmt(f),
            Self::Miscounted { submitted, received } => {
                write!(f, "the stack claims to have submitted {submitted} frames, but {received} arrived")
            }
            Self::Fault(what) => write!(f, "a fault of the driver: {what}"),
            Self::BackendFailed(what) => write!(f, "the driver's backend failed: {what}"),
        }
    }
}

/// Sends the report behind the last completion. Returns `false` if the connection is gone.
pub(super) fn send_farewell(connection: &Connection, ended: &SessionEnd, report: &DriverReport) -> bool {
    let farewell = ended.farewell();
    let sent = farewell.is_some();
    if let Some(reason) = farewell {
        let bye = Bye { reason, frames: report.received, report: Some(report.clone()) };
        connection.send_control(&Control::Bye(Box::new(bye)));
    }
    sent
}

/// Waits until the connection is closed: what the socket did not take at once is sent only while this session is polled.
pub(super) async fn stack_leaves(connection: &Connection, clock: &Clock) {
    let mut gone = pin!(connection.control_arrived().wait_for(|| connection.closed().map(drop)));
    let mut timeout = pin!(clock.sleep_until(clock.now() + FAREWELL_TIMEOUT));
    poll_fn(|cx| if gone.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { timeout.as_mut().poll(cx) }).await;
}

/// The name of a message that may not be sent during a session.
pub(super) fn name_of(message: &Control) -> &'static str {
    match message {
        Control::Hello(_) => "hello",
        Control::Accept(_) => "accept",
        Control::Refuse(_) => "refuse",
        Control::Bye(_) => "bye",
        Control::Alive => "alive",
    }
}
