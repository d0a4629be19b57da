//! Closed loops: when the next packet is sent depends on the one before.
//!
//! After a send that is refused with `WouldBlock`, the loop waits a short time and goes on with the next packet. Any
//! other error (no route, no neighbour, too large, closed) would repeat with each packet, so the loop ends.

use std::net::SocketAddr;

use shared::units::Nanos;

use super::Horizon;
use super::outlet::Outlet;
use crate::app::schedule::ThinkTimes;
use crate::error::SendError;
use crate::layer::Egress;

/// Sends as fast as the stack accepts: up to `burst` packets in one non-blocking call, and when none of them found
/// room, one packet that waits.
pub(super) async fn bulk<D: Egress<SocketAddr>>(
    outlet: &mut Outlet<'_, D>,
    burst: u32,
    horizon: Horizon,
    start: Nanos,
) {
    let until = horizon.until(start);
    let mut left = horizon.packets();
    while left > 0 {
        // At time zero, which has passed: this only yields to other apps, and only if it is time for that.
        if outlet.must_rest(Nanos::ZERO) {
            outlet.rest_until(Nanos::ZERO).await;
        }
        let intended = outlet.now();
        if until.is_some_and(|until| intended >= until) {
            return;
        }
        if burst > 1 {
            let sent = outlet.send_together(intended, left.min(burst.into()));
            left -= sent;
            if sent > 0 {
                continue;
            }
        }
        left -= 1;
        let sent = match outlet.begin(intended) {
            Ok(sent) => sent,
            Err(blocked) => outlet.finish(blocked).await,
        };
        match sent {
            Ok(()) => {}
            Err(SendError::WouldBlock) => outlet.try_later().await,
            Err(_) => return,
        }
    }
}

/// Sends a request, waits until it has settled (a request that is dropped or lost is not repeated), and then waits for
/// the think time.
pub(super) async fn reqresp<D: Egress<SocketAddr>>(
    outlet: &mut Outlet<'_, D>,
    mut think: ThinkTimes,
    horizon: Horizon,
    start: Nanos,
) {
    let until = horizon.until(start);
    let mut intended = start;
    let mut sent = 0;
    for _ in 0..horizon.packets() {
        if until.is_some_and(|until| intended >= until) {
            return;
        }
        outlet.rest_until(intended).await;
        match outlet.send(intended).await {
            Ok(()) => {
                sent += 1;
                outlet.account().settled(sent).await;
                intended = outlet.now() + think.draw();
            }
            Err(SendError::WouldBlock) => {
                outlet.try_later().await;
                intended = outlet.now();
            }
            Err(_) => return,
        }
    }
}
