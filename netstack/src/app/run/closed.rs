//! Closed loops: what is sent next depends on what became of the packet before.
//!
//! A socket that has no room for a closed loop is asked again, a little later. One that says no for any other
//! reason would say no for ever and at once, so the loop ends.

use shared::units::Nanos;

use super::Horizon;
use super::outlet::Outlet;
use crate::app::schedule::ThinkTimes;
use crate::stack::{Datagrams, SendError};

/// Sends as fast as it may, up to `burst` packets in a call, and then the one for which there was no room. What need
/// not be awaited is an ordinary call here.
pub(super) async fn bulk<D: Datagrams>(outlet: &mut Outlet<'_, D>, burst: u32, horizon: Horizon, start: Nanos) {
    let until = horizon.until(start);
    let mut left = horizon.packets();
    while left > 0 {
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

/// Sends a request, waits until it has completed (or died: there is nobody to ask again), thinks.
pub(super) async fn reqresp<D: Datagrams>(
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
                outlet.flow().settled(sent).await;
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
