//! Open loops: packets are meant for the times of a schedule, whether or not the app gets to them.

use shared::exec::Clock;
use shared::units::Nanos;

use super::Horizon;
use super::outlet::Outlet;
use crate::app::schedule::Arrivals;
use crate::stack::{Datagrams, SendError};

/// What of a schedule is still to be offered.
#[derive(Debug)]
pub(super) struct Plan {
    arrivals: Arrivals,
    start: Nanos,
    until: Nanos,
    left: u64,
    next: Nanos,
}

impl Plan {
    pub(super) fn new(mut arrivals: Arrivals, horizon: Horizon, start: Nanos) -> Self {
        let next = start + arrivals.draw();
        Self { arrivals, start, until: horizon.until(start), left: horizon.packets(), next }
    }

    /// When the next packet is meant to be sent; `None` if there is none.
    fn next(&self) -> Option<Nanos> {
        (self.left > 0 && self.next < self.until).then_some(self.next)
    }

    fn advance(&mut self) {
        self.left -= 1;
        self.next = self.start + self.arrivals.draw();
    }

    /// The packets whose time had come when the run ended at `end`: when the first was meant to be
    /// sent, and how many there are. They are drawn one by one, like those that were sent; there may
    /// be many, so others get their turns meanwhile.
    pub(super) async fn overdue(mut self, end: Nanos, clock: &Clock) -> (Nanos, u64) {
        let first = self.next;
        let mut packets = 0_u64;
        while self.next().is_some_and(|next| next <= end) {
            packets += 1;
            self.advance();
            if packets.is_multiple_of(DRAWS_PER_TURN) {
                clock.next_turn().await;
            }
        }
        (first, packets)
    }
}

/// Draws that take well below a millisecond.
const DRAWS_PER_TURN: u64 = 16_384;

/// Sends each packet at its time, or as soon after it as the stack lets it.
pub(super) async fn wait<D: Datagrams>(outlet: &mut Outlet<'_, D>, plan: &mut Plan) {
    while let Some(intended) = plan.next() {
        outlet.rest_until(intended).await;
        plan.advance();
        if outlet.send(intended).await == Err(SendError::Closed) {
            return;
        }
    }
}

/// Sends each packet at its time, or not at all.
pub(super) async fn skip<D: Datagrams>(outlet: &mut Outlet<'_, D>, plan: &mut Plan) {
    while let Some(intended) = plan.next() {
        outlet.rest_until(intended).await;
        plan.advance();
        if outlet.try_send(intended) == Err(SendError::Closed) {
            return;
        }
    }
}
