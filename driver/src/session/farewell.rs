//! The last words of a session, and the patience to let them arrive.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use shared::control::{Bye, Control};
use shared::exec::Clock;
use shared::report::DriverReport;
use shared::ring::Port;
use shared::units::Nanos;

use super::Ended;

/// How long a stack may take to read the farewell and to close the connection.
const FAREWELL_TIMEOUT: Nanos = Nanos::from_secs(1);

/// Sends the report behind the last completion, and waits until the connection is closed: what the
/// socket did not take at once is sent only while this session is polled.
pub(super) async fn say_goodbye(port: &impl Port, clock: &Clock, ended: &Ended, report: &DriverReport) {
    let Some(reason) = ended.farewell() else { return };
    let bye = Bye { reason, frames: report.received, report: Some(report.clone()) };
    port.send_control(&Control::Bye(Box::new(bye)));
    let mut gone = pin!(port.told().wait_for(|| port.closed().map(drop)));
    let mut timeout = pin!(clock.sleep_until(clock.now() + FAREWELL_TIMEOUT));
    poll_fn(|cx| if gone.as_mut().poll(cx).is_ready() { Poll::Ready(()) } else { timeout.as_mut().poll(cx) }).await;
}
