//! One app's account: its ledger, its send budget, its times.
//!
//! The app counts the packets that it offers and that are refused; the device counts those that it accepts, and how
//! they settle. Both hold the same [`Flow`].
//!
//! An accepted packet *settles* when it is delivered, dropped or lost; its bytes of the send budget then return.

mod activity;
mod blocked;
mod flows;
mod offer;
mod series;
mod stage;
mod timeline;

pub use activity::Activity;
pub use blocked::Timed;
pub use flows::Flows;
pub use offer::Offer;
pub use stage::Stage;
pub use timeline::Timeline;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use shared::credits::Credits;
use shared::exec::Signal;
use shared::ledger::{Counters, DropReason, Histogram, RefuseReason};
use shared::units::Nanos;

/// One app's account.
#[derive(Debug)]
pub struct Flow {
    id: u32,
    name: String,
    /// The interval samples; shared by all accounts of a run.
    timeline: Rc<Timeline>,
    /// Send budget: bytes of payload that may be accepted and not settled; `None` is unlimited.
    budget: Option<Credits>,
    counters: RefCell<Counters>,
    /// First intended time and end of the app's schedule, set once it is over; a closed loop has none.
    schedule: Cell<Option<(Nanos, Nanos)>>,
    /// When the first packet was accepted.
    first_accepted: Cell<Option<Nanos>>,
    /// When the last delivered packet completed.
    last_completion: Cell<Option<Nanos>>,
    sojourn: RefCell<Histogram>,
    latency: RefCell<Histogram>,
    blocked: RefCell<[Histogram; Stage::ALL.len()]>,
    /// Notified whenever packets settle.
    settled: Signal,
}

impl Flow {
    /// An empty account. `budget` is in bytes of payload.
    pub fn new(id: u32, name: &str, budget: Option<u64>, timeline: &Rc<Timeline>) -> Rc<Self> {
        Rc::new(Self {
            id,
            name: name.to_owned(),
            timeline: Rc::clone(timeline),
            budget: budget.map(Credits::new),
            counters: RefCell::default(),
            schedule: Cell::default(),
            first_accepted: Cell::default(),
            last_completion: Cell::default(),
            sojourn: RefCell::default(),
            latency: RefCell::default(),
            blocked: RefCell::default(),
            settled: Signal::default(),
        })
    }

    /// Number of the flow, as in the descriptors of its frames.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The app's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The interval samples of the run.
    #[inline(always)]
    pub fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The send budget, if there is one.
    pub fn budget(&self) -> Option<&Credits> {
        self.budget.as_ref()
    }

    /// Counts one packet as offered. The caller closes the returned offer with the result of the send; an offer that
    /// is dropped before counts as cancelled by the app.
    pub fn offer(&self) -> Offer<'_> {
        self.counters.borrow_mut().offered += 1;
        Offer::open(self)
    }

    /// Counts `packets` as offered that the device has accepted already.
    pub fn offer_accepted(&self, packets: u64) {
        self.counters.borrow_mut().offered += packets;
    }

    /// Counts `packets` as offered and refused: their intended time was at or before `ended`, the end of the run, but
    /// the app had not offered them to the socket by then.
    pub fn not_reached(&self, packets: u64, ended: Nanos) {
        if packets > 0 {
            self.counters.borrow_mut().offered += packets;
            self.refuse(RefuseReason::NotReached, packets, ended);
        }
    }

    fn refuse(&self, reason: RefuseReason, packets: u64, at: Nanos) {
        self.counters.borrow_mut().refuse(reason, packets);
        self.timeline.refuse(packets, at);
    }

    /// Sets the extent of the app's schedule, which is over. `first` is the intended time of its first packet; `end` is
    /// that of the packet after its last one, or the end of offering if that came first.
    pub fn schedule_over(&self, first: Nanos, end: Nanos) {
        self.schedule.set(Some((first, end)));
    }

    /// The device accepted `packets`.
    #[inline(always)]
    pub fn accept(&self, packets: u64) {
        let mut counters = self.counters.borrow_mut();
        if counters.accepted == 0 {
            self.first_accepted.set(Some(self.timeline.now()));
        }
        counters.accepted += packets;
    }

    /// The hardware completed `packets` without error at `at`: `bytes` of payload together, all with the same times.
    pub fn deliver(&self, packets: u64, bytes: u64, intended: Nanos, accepted: Nanos, at: Nanos) {
        let mut counters = self.counters.borrow_mut();
        counters.delivered += packets;
        counters.delivered_bytes += bytes;
        self.last_completion.set(self.last_completion.get().max(Some(at)));
        self.sojourn.borrow_mut().record(at.since(accepted).0, packets);
        self.latency.borrow_mut().record(at.since(intended).0, packets);
        drop(counters);
        self.timeline.deliver(packets, bytes, at);
        self.settle(bytes);
    }

    /// Accepted packets, `bytes` of payload together, were dropped at `at`.
    pub fn drop_packets(&self, packets: u64, bytes: u64, reason: DropReason, at: Nanos) {
        self.counters.borrow_mut().drop_packets(reason, packets);
        self.timeline.drop_packets(packets, at);
        self.settle(bytes);
    }

    /// Accepted packets, `bytes` of payload together, are lost: the session closed before they completed.
    pub fn lose(&self, packets: u64, bytes: u64) {
        self.counters.borrow_mut().lost += packets;
        self.settle(bytes);
    }

    /// Accepted packets had not completed when the run ended.
    pub fn leave_in_flight(&self, packets: u64) {
        self.counters.borrow_mut().in_flight += packets;
    }

    fn settle(&self, bytes: u64) {
        if let Some(budget) = &self.budget {
            budget.release(bytes);
        }
        self.settled.notify();
    }

    /// Wraps `wait`, and adds the time that it takes to the blocked time of `stage`.
    pub fn timed<W: Future + Unpin>(self: &Rc<Self>, stage: Stage, wait: W) -> Timed<W> {
        Timed::new(Rc::clone(self), stage, wait)
    }

    /// Ready once `packets` of the accepted packets have settled.
    pub async fn settled(&self, packets: u64) {
        let reached = || (self.settled_so_far() >= packets).then_some(());
        self.settled.wait_for(reached).await;
    }

    /// Whether a task waits for the next packet to settle: for a response, or for bytes of the budget.
    pub fn is_awaited(&self) -> bool {
        self.settled.is_awaited() || self.budget.as_ref().is_some_and(|budget| budget.waiting() > 0)
    }

    fn settled_so_far(&self) -> u64 {
        let counters = self.counters.borrow();
        counters.delivered + counters.dropped() + counters.lost
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        *self.counters.borrow()
    }

    /// The time over which its rate is computed.
    pub fn activity(&self) -> Activity {
        let last_completion = self.last_completion.get();
        match self.schedule.get() {
            Some((first, end)) => Activity::scheduled(first, end, last_completion),
            None => Activity::closed(self.first_accepted.get(), last_completion),
        }
    }

    /// Times from accepted to completed, in nanoseconds.
    pub fn sojourn(&self) -> Histogram {
        self.sojourn.borrow().clone()
    }

    /// Times from intended to completed, in nanoseconds.
    pub fn latency(&self) -> Histogram {
        self.latency.borrow().clone()
    }

    /// The sum of [`Flow::sojourn`].
    pub fn sojourn_sum(&self) -> u128 {
        self.sojourn.borrow().sum()
    }

    /// The sum of [`Flow::latency`].
    pub fn latency_sum(&self) -> u128 {
        self.latency.borrow().sum()
    }

    /// Times of the waits at `stage` that are over, in nanoseconds.
    pub fn blocked(&self, stage: Stage) -> Histogram {
        self.blocked.borrow()[stage as usize].clone()
    }

    /// Nanoseconds of all waits that are over, at all stages.
    pub fn blocked_ns(&self) -> u128 {
        self.blocked.borrow().iter().map(Histogram::sum).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::exec::Clock;

    fn flow(budget: Option<u64>) -> Rc<Flow> {
        Flow::new(0, "test", budget, &Timeline::new(&Clock::default(), Nanos(1)))
    }

    #[test]
    fn an_offer_that_is_dropped_counts_as_cancelled() {
        let flow = flow(None);
        drop(flow.offer());
        flow.offer().refused(RefuseReason::WouldBlock);
        flow.not_reached(2, Nanos(9));
        let counters = flow.counters();
        assert_eq!((counters.offered, counters.refused_for(RefuseReason::GaveUp), counters.refused()), (4, 1, 4));
    }

    #[test]
    fn blocked_time_is_counted_even_if_the_wait_is_cancelled() {
        use futures_util::FutureExt;
        use shared::exec::{Virtual, run};

        let clock = Clock::default();
        let account = Flow::new(0, "test", None, &Timeline::new(&clock, Nanos(1)));
        let (flow, timer) = (Rc::clone(&account), clock.clone());
        let done = run(&clock, Virtual::default(), |_| async move {
            flow.timed(Stage::Room, timer.sleep_until(Nanos(30))).await;
            let wait = flow.timed(Stage::Room, std::future::pending::<()>());
            futures_util::future::select(wait, timer.sleep_until(Nanos(40))).await;
            assert_eq!(flow.timed(Stage::Budget, std::future::pending::<()>()).now_or_never(), None);
        });
        assert_eq!(done, Ok(()));
        assert_eq!((account.blocked(Stage::Room).count(), account.blocked_ns()), (2, 40));
        assert_eq!(account.blocked(Stage::Budget).count(), 0);
    }

    #[test]
    fn the_budget_returns_when_a_packet_is_delivered_dropped_or_lost() {
        let flow = flow(Some(30));
        let budget = flow.budget().unwrap();
        for _ in 0..3 {
            budget.try_acquire(10).unwrap().spend();
            flow.accept(1);
        }
        flow.deliver(1, 10, Nanos(0), Nanos(1), Nanos(2));
        flow.drop_packets(1, 10, DropReason::DeviceDeadline, Nanos(2));
        flow.lose(1, 10);
        assert_eq!(budget.available(), 30);
        assert_eq!(flow.counters().check("test").len(), 1, "nothing was offered");
    }
}
