//! The farewell of a session, and the wait until the stack has read it.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use shared::connection::Connection;
use shared::control::{Bye, Control};
use shared::exec::Clock;
use shared::report::DriverReport;
use shared::units::Nanos;

use super::SessionEnd;

/// How long a stack may take to read the farewell and to close the connection.
const FAREWELL_TIMEOUT: Nanos = Nanos::from_secs(1);

/// Sends the report behind the last completion, and waits until the connection is closed: what the
/// socket did not take at once is sent only while this session is polled.
pub(super) async fn say_goodbye(connection: &Connection, clock: &Clock, ended: &SessionEnd, report: &DriverReport) {
    let Some(reason) = ended.farewell() else { return };
    let bye = Bye { reason, frames: report.received, report: Some(report.clone()) };
    connection.send_control(&Control::Bye(Box::new(bye)));
    let mut gone = pin!(connection.control_arrived().wait_for(|| connection.closed().map(drop)));
    let mut timeout = pin!(clock.sleep_until(clock.now() + FAREWELL_TIMEOUT));
    poll_fn(|cx| if gone.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { timeout.as_mut().poll(cx) }).await;
}
