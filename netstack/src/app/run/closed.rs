//! Closed loops: what is sent next depends on what became of the packet before.
//!
//! A socket that says no to a closed loop would say no for ever and at once, so the loop ends.

use shared::units::Nanos;

use super::Horizon;
use super::outlet::Outlet;
use crate::app::schedule::ThinkTimes;
use crate::stack::Datagrams;

/// Sends as fast as it may. What need not be awaited is an ordinary call here.
pub(super) async fn bulk<D: Datagrams>(outlet: &mut Outlet<'_, D>, horizon: Horizon, start: Nanos) {
    let until = horizon.until(start);
    for _ in 0..horizon.packets() {
        if outlet.must_rest(Nanos::ZERO) {
            outlet.rest_until(Nanos::ZERO).await;
        }
        let intended = outlet.now();
        if intended >= until {
            return;
        }
        let sent = match outlet.begin(intended) {
            Ok(sent) => sent,
            Err(blocked) => outlet.finish(blocked).await,
        };
        if sent.is_err() {
            return;
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
    for sent in 1..=horizon.packets() {
        if intended >= until {
            return;
        }
        outlet.rest_until(intended).await;
        if outlet.send(intended).await.is_err() {
            return;
        }
        outlet.flow().settled(sent).await;
        intended = outlet.now() + think.draw();
    }
}
