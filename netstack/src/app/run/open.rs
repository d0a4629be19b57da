//! Open loops: packets are meant for the times of a schedule, whether or not the app gets to them.

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
    /// When offering ends, if time ends it.
    until: Option<Nanos>,
    /// Packets to go, if their number ends it.
    left: u64,
    first: Nanos,
    /// When the packet behind those that were taken is meant to be sent, whether or not there is to be one.
    next: Nanos,
}

impl Plan {
    pub(super) fn new(mut arrivals: Arrivals, horizon: Horizon, start: Nanos) -> Self {
        let first = start + arrivals.draw();
        Self { arrivals, start, until: horizon.until(start), left: horizon.packets(), first, next: first }
    }

    /// When the first packet is meant to be sent.
    pub(super) fn first(&self) -> Nanos {
        self.first
    }

    /// When the next packet is meant to be sent; `None` if there is none.
    fn next(&self) -> Option<Nanos> {
        (self.left > 0 && self.until.is_none_or(|until| self.next < until)).then_some(self.next)
    }

    fn advance(&mut self) {
        self.left -= 1;
        self.next = self.start + self.arrivals.draw();
    }

    /// When the schedule ended, in a run that was over at `over`: when the packet behind the last would have been sent if
    /// their number ended it, and otherwise when offering ended.
    pub(super) fn end(&self, over: Nanos) -> Nanos {
        match (self.next(), self.until) {
            (Some(_), _) => over,
            (None, Some(until)) if self.left > 0 => until,
            (None, _) => self.next,
        }
    }

    /// How many packets had come by `over`, when the run ended, and were not taken. They are not drawn one by one: their
    /// number is computed, or drawn as one number from its distribution.
    pub(super) fn overdue(self, over: Nanos) -> u64 {
        if self.next().is_none_or(|next| next > over) {
            return 0;
        }
        // What is meant for the moment itself has come, but nothing is offered at the end of offering.
        let behind = u128::from(over.0) + 1;
        let end = self.until.map_or(behind, |until| behind.min(until.0.into()));
        let others = self.arrivals.count_before(end - u128::from(self.start.0));
        // No more than are left, which is a `u64`.
        1 + others.min(u128::from(self.left - 1)) as u64
    }
}

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
