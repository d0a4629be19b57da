//! The farewells of both sides, and how the run ended.

use std::cell::{Cell, RefCell};

use futures_util::FutureExt;
use futures_util::future::select;
use shared::connection::{CloseReason, Connection};
use shared::control::{Bye, ByeReason, Control, WireError};
use shared::exec::Clock;
use shared::report::Ending;
use shared::units::Nanos;

/// How long a driver may take to send its farewell.
const FAREWELL_TIMEOUT: Nanos = Nanos::from_secs(2);

/// What both sides have sent at the end of a session, and whether a signal caused it.
#[derive(Debug, Default)]
pub(super) struct Farewell {
    /// Whether a signal interrupted the stack.
    interrupted: Cell<bool>,
    /// Whether this side has sent its farewell.
    sent: Cell<bool>,
    /// The driver's farewell, once it has arrived.
    received: RefCell<Option<Bye>>,
    /// Whether the driver's farewell does not answer ours: frames may have crossed it that the driver never received.
    driver_left_first: Cell<bool>,
}

impl Farewell {
    /// Records that a signal interrupted the stack.
    pub(super) fn interrupt(&self) {
        self.interrupted.set(true);
    }

    pub(super) fn driver_left_first(&self) -> bool {
        self.driver_left_first.get()
    }

    /// Takes the driver's farewell, if it has arrived.
    pub(super) fn take(&self) -> Option<Bye> {
        self.received.take()
    }

    /// Ready when the driver's farewell has arrived, or the connection has closed.
    pub(super) async fn driver_leaves(&self, connection: &Connection) {
        let left = || {
            while let Some(message) = connection.next_control() {
                self.receive(message, connection);
            }
            (self.received.borrow().is_some() || connection.is_closed()).then_some(())
        };
        connection.control_arrived().wait_for(left).await;
    }

    fn receive(&self, message: Control, connection: &Connection) {
        match message {
            Control::Bye(_) if self.received.borrow().is_some() => {
                connection.close(WireError::Unexpected("message behind the farewell").into());
            }
            Control::Bye(bye) => {
                // Only "finished" answers a farewell; an interrupted driver may send its own at any time.
                self.driver_left_first.set(!self.sent.get() || bye.reason != ByeReason::Finished);
                self.received.replace(Some(*bye));
            }
            // The connection has counted it.
            Control::Alive => {}
            Control::Hello(_) | Control::Accept(_) | Control::Refuse(_) => {
                connection.close(WireError::Unexpected("greeting in the middle of a session").into());
            }
        }
    }

    /// Sends the farewell of this side, which has submitted `frames`, and waits for the driver's, which contains its
    /// report. Completions that the driver sent before its farewell are settled when this returns.
    pub(super) async fn exchange(&self, connection: &Connection, clock: &Clock, frames: u64) {
        if self.received.borrow().is_none() {
            let reason = self.reason(connection);
            self.sent.set(true);
            connection.send_control(&Control::Bye(Box::new(Bye { reason, frames, report: None })));
            let timeout = clock.sleep_until(clock.now() + FAREWELL_TIMEOUT);
            select(self.driver_leaves(connection).boxed_local(), timeout).await;
        }
        // The task that settles completions runs in this turn.
        clock.next_turn().await;
    }

    /// The reason in the farewell of this side.
    fn reason(&self, connection: &Connection) -> ByeReason {
        match connection.closed() {
            _ if self.interrupted.get() => ByeReason::Interrupted,
            None | Some(CloseReason::PeerGone | CloseReason::Io(_)) => ByeReason::Finished,
            Some(broken) => ByeReason::Violation(broken.to_string()),
        }
    }

    /// How the run has ended.
    pub(super) fn ending(&self, connection: &Connection) -> Ending {
        match (self.received.borrow().as_ref(), connection.closed()) {
            _ if self.interrupted.get() => Ending::Interrupted,
            (_, Some(reason)) if reason.is_violation() => Ending::PeerFailed(reason.to_string()),
            (Some(bye), _) if self.driver_left_first.get() => left_first(&bye.reason),
            (Some(bye), _) if bye.report.is_none() => {
                Ending::PeerFailed("the driver sent a farewell without a report".to_owned())
            }
            (Some(_), _) => Ending::Finished,
            (None, Some(reason)) => Ending::PeerFailed(reason.to_string()),
            (None, None) => Ending::PeerFailed(format!("the driver sent no farewell within {FAREWELL_TIMEOUT}")),
        }
    }
}

/// How a run ends if the driver leaves first, for this `reason`.
fn left_first(reason: &ByeReason) -> Ending {
    match reason {
        ByeReason::Finished => Ending::PeerFailed("the driver ended the session".to_owned()),
        ByeReason::Interrupted => Ending::PeerInterrupted,
        ByeReason::Violation(what) => Ending::PeerFailed(format!("the driver ended the session: {what}")),
        ByeReason::Fault(what) => Ending::PeerFailed(format!("the driver failed: {what}")),
    }
}
