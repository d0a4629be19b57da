//! The loops of the apps: two closed, and two for the kinds with a schedule.
//!
//! In a closed loop the next packet depends on the one before. After a send that is refused with `WouldBlock`, it waits
//! a short time and goes on with the next packet. Any other error (no route, no neighbour, too large, closed) would
//! repeat with each packet, so the loop ends.
//!
//! In an open loop packets have the intended times of a schedule, whether or not the app can send them then.

use std::net::SocketAddr;

use shared::units::Nanos;

use super::Horizon;
use super::outlet::{Due, Outlet};
use crate::app::schedule::{Arrivals, ThinkTimes};
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
        // Time zero has passed, so this never waits: it yields to other apps if the turn is used up.
        if outlet.must_rest(Nanos::ZERO) {
            outlet.rest_until(Nanos::ZERO).await;
        }
        let intended = outlet.now();
        if until.is_some_and(|until| intended >= until) {
            return;
        }
        if burst > 1 && outlet.may_proceed() {
            let sent = outlet.send_together(left.min(burst.into()), intended);
            left -= sent;
            if sent > 0 {
                continue;
            }
        }
        left -= 1;
        let sent = match outlet.begin(intended) {
            Ok(sent) => sent,
            // This packet, and those behind it that a call would pass. The cast cannot truncate: at most `burst`.
            Err(blocked) => outlet.finish(blocked, (left + 1).min(burst.into()) as u32).await,
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

/// The part of a schedule that is not offered yet.
#[derive(Debug)]
pub(super) struct Unsent {
    arrivals: Arrivals,
    start: Nanos,
    /// When offering ends; `None` if a number of packets ends it.
    until: Option<Nanos>,
    /// Packets that are left; `u64::MAX` at the beginning if only `until` ends offering.
    left: u64,
    /// Intended time of the first packet.
    first: Nanos,
    /// Intended time of the packet after those that were taken, even if that packet is not to be sent any more.
    next: Nanos,
}

impl Unsent {
    pub(super) fn new(mut arrivals: Arrivals, horizon: Horizon, start: Nanos) -> Self {
        let first = start + arrivals.draw();
        let left = horizon.packets().min(arrivals.most());
        Self { arrivals, start, until: horizon.until(start), left, first, next: first }
    }

    /// Intended time of the first packet.
    pub(super) fn first(&self) -> Nanos {
        self.first
    }

    /// Intended time of the next packet; `None` if there is none.
    fn next(&self) -> Option<Nanos> {
        (self.left > 0 && self.until.is_none_or(|until| self.next < until)).then_some(self.next)
    }

    fn advance(&mut self) {
        self.left -= 1;
        self.next = self.start + self.arrivals.draw();
    }

    /// When the schedule ended, in a run that ended at `over`: the intended time of the packet after the last one if
    /// all packets were offered, and otherwise the end of offering.
    pub(super) fn end(&self, over: Nanos) -> Nanos {
        match (self.next(), self.until) {
            (Some(_), _) => over,
            (None, Some(until)) if self.left > 0 => until,
            (None, _) => self.next,
        }
    }

    /// How many packets have an intended time at or before `over`, the end of the run, and were not taken. Their
    /// intended times are not drawn one by one: the number is computed, or drawn from its distribution.
    pub(super) fn overdue(self, over: Nanos) -> u64 {
        if self.next().is_none_or(|next| next > over) {
            return 0;
        }
        // A packet intended for `over` itself counts, so the exclusive end is one later; one intended for `until` does
        // not.
        let behind = u128::from(over.0) + 1;
        let end = self.until.map_or(behind, |until| behind.min(until.0.into()));
        let others = self.arrivals.count_before(end - u128::from(self.start.0));
        // The cast cannot truncate: at most `left`, a `u64`.
        1 + others.min(u128::from(self.left - 1)) as u64
    }
}

/// The packets of a schedule that are due at `now`, as a batch takes them.
struct DueNow<'a> {
    unsent: &'a mut Unsent,
    now: Nanos,
    /// How many were taken.
    taken: u64,
    /// How many of those have left `unsent`. The last one that was taken stays there until it is known to be accepted.
    advanced: u64,
}

impl Due for &mut DueNow<'_> {
    #[inline(always)]
    fn next(&mut self) -> Option<Nanos> {
        self.advance_to(self.taken);
        let due = self.unsent.next().filter(|intended| *intended <= self.now)?;
        self.taken += 1;
        Some(due)
    }
}

impl DueNow<'_> {
    fn advance_to(&mut self, accepted: u64) {
        while self.advanced < accepted {
            self.unsent.advance();
            self.advanced += 1;
        }
    }
}

impl Unsent {
    /// If the app is behind its schedule, sends the packets that are due in one call, as many as need not wait. Returns
    /// whether it sent any.
    ///
    /// An app that keeps to its schedule has one packet to send, for which a batch is no faster.
    #[inline(always)]
    fn catch_up<D: Egress<SocketAddr>>(&mut self, outlet: &mut Outlet<'_, D>, next: Nanos) -> bool {
        let now = outlet.now();
        if next >= now || !outlet.may_proceed() {
            return false;
        }
        let most = self.left;
        let mut due = DueNow { unsent: self, now, taken: 0, advanced: 0 };
        let sent = outlet.send_together(most, &mut due);
        due.advance_to(sent);
        sent > 0
    }
}

/// Sends each packet at its intended time, or as soon after it as the stack accepts it (`when-blocked=wait`).
pub(super) async fn wait<D: Egress<SocketAddr>>(outlet: &mut Outlet<'_, D>, unsent: &mut Unsent) {
    while let Some(intended) = unsent.next() {
        outlet.rest_until(intended).await;
        if unsent.catch_up(outlet, intended) {
            continue;
        }
        unsent.advance();
        let sent = match outlet.begin(intended) {
            Ok(sent) => sent,
            Err(blocked) => outlet.finish(blocked, 1).await,
        };
        if sent == Err(SendError::Closed) {
            return;
        }
    }
}

/// Sends each packet at its intended time without waiting, or not at all (`when-blocked=skip`).
pub(super) async fn skip<D: Egress<SocketAddr>>(outlet: &mut Outlet<'_, D>, unsent: &mut Unsent) {
    while let Some(intended) = unsent.next() {
        outlet.rest_until(intended).await;
        if unsent.catch_up(outlet, intended) {
            continue;
        }
        unsent.advance();
        if outlet.try_send(intended) == Err(SendError::Closed) {
            return;
        }
    }
}
