//! One app's account: its ledger, its send budget, its times.
//!
//! The app counts the packets that it offers and that are refused; the device counts those that it accepts, and how
//! they settle. Both hold the same [`Account`].
//!
//! An accepted packet *settles* when it is delivered, dropped or lost; its bytes of the send budget then return.

mod activity;
mod blame;
mod blocked;
mod room;
mod series;
mod timeline;
mod times;

pub use activity::Activity;
pub use blocked::Blocked;
pub use room::RoomFigures;
pub use timeline::Timeline;
pub use times::{Histograms, MOST_WITH_HISTOGRAMS, Stage, Tally, Timed};

use std::cell::{Cell, OnceCell, RefCell};
use std::mem::offset_of;
use std::rc::Rc;

use shared::cpu::prefetch_for_write;
use shared::credits::Credits;
use shared::exec::Signal;
use shared::ledger::{Counters, DropReason, RefuseReason};
use shared::units::Nanos;

use self::times::Times;
use crate::error::SendError;

/// One app's account.
///
/// What each packet reads or writes comes first, in few cache lines: with a thousand apps, none of them is in the
/// first-level cache when the app's next packet comes.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Account {
    /// Those of [`Counters`] that change with each packet.
    offered: Cell<u64>,
    accepted: Cell<u64>,
    delivered: Cell<u64>,
    delivered_bytes: Cell<u64>,
    /// When the last delivered packet completed.
    last_completion: Cell<Option<Nanos>>,
    /// The interval samples; shared by all accounts of a run.
    timeline: Rc<Timeline>,
    /// Send budget: bytes of payload that may be accepted and not settled; `None` is unlimited.
    budget: Option<Credits>,
    /// Notified whenever packets settle.
    settled: Signal,
    id: u32,
    times: Times,
    /// All counters but those above, which are zero here.
    others: RefCell<Counters>,
    /// All bytes of the send budget.
    budget_bytes: u64,
    /// First intended time and end of the app's schedule, set once it is over; a closed loop has none.
    schedule: Cell<Option<(Nanos, Nanos)>>,
    /// When the first packet was accepted.
    first_accepted: Cell<Option<Nanos>>,
    name: String,
}

/// Bytes at the beginning of an account that a delivery reads or writes.
const DELIVERY: usize = offset_of!(Account, times) + Times::DELIVERY;
// The cache lines that a delivery needs, and that a wait for room needs besides: with more, each packet takes longer.
const _: () = assert!(DELIVERY == 3 * 64 && align_of::<Account>() == 64);

/// Adds `more` to a counter.
#[inline(always)]
fn count(counter: &Cell<u64>, more: u64) {
    counter.set(counter.get() + more);
}

impl Account {
    /// An empty account, with histograms of its own. `budget` is in bytes of payload.
    pub fn new(id: u32, name: &str, budget: Option<u64>, timeline: &Rc<Timeline>) -> Rc<Self> {
        Self::with(id, name, budget, timeline, Times::own())
    }

    /// Like [`Account::new`], but its times are recorded in `histograms`, which other accounts share.
    pub fn sharing(
        id: u32,
        name: &str,
        budget: Option<u64>,
        timeline: &Rc<Timeline>,
        histograms: &Rc<Histograms>,
    ) -> Rc<Self> {
        Self::with(id, name, budget, timeline, Times::sharing(histograms))
    }

    fn with(id: u32, name: &str, budget: Option<u64>, timeline: &Rc<Timeline>, times: Times) -> Rc<Self> {
        Rc::new(Self {
            offered: Cell::default(),
            accepted: Cell::default(),
            delivered: Cell::default(),
            delivered_bytes: Cell::default(),
            last_completion: Cell::default(),
            timeline: Rc::clone(timeline),
            budget: budget.map(Credits::new),
            settled: Signal::default(),
            id,
            times,
            others: RefCell::default(),
            budget_bytes: budget.unwrap_or(u64::MAX),
            schedule: Cell::default(),
            first_accepted: Cell::default(),
            name: name.to_owned(),
        })
    }

    /// Number of the account, as in the descriptors of its frames.
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

    /// Why `len` bytes of payload cannot be sent now, if the budget has not that many left.
    pub(crate) fn over_budget(&self, len: usize) -> SendError {
        match self.budget_bytes {
            budget if (len as u64) > budget => SendError::OverBudget { len, budget },
            _ => SendError::WouldBlock,
        }
    }

    /// Counts one packet as offered. The caller closes the returned offer with the result of the send; an offer that
    /// is dropped before counts as cancelled by the app.
    pub fn offer(&self) -> Offer<'_> {
        count(&self.offered, 1);
        Offer::open(self)
    }

    /// Counts `packets` as offered. The caller has seen them accepted, or sees to it that each is accepted or refused.
    pub fn offer_many(&self, packets: u64) {
        count(&self.offered, packets);
    }

    /// Counts `packets` as offered and refused: their intended time was at or before `ended`, the end of the run, but
    /// the app had not offered them to the socket by then.
    pub fn not_reached(&self, packets: u64, ended: Nanos) {
        if packets > 0 {
            count(&self.offered, packets);
            self.refuse(RefuseReason::NotReached, packets, ended);
        }
    }

    /// `packets` that were offered are refused for `reason`.
    pub(crate) fn refuse(&self, reason: RefuseReason, packets: u64, at: Nanos) {
        self.others.borrow_mut().refuse(reason, packets);
        if self.id != STACK {
            self.timeline.refuse(packets, at);
        }
    }

    /// Sets the extent of the app's schedule, which is over. `first` is the intended time of its first packet; `end` is
    /// that of the packet after its last one, or the end of offering if that came first.
    pub fn schedule_over(&self, first: Nanos, end: Nanos) {
        self.schedule.set(Some((first, end)));
    }

    /// The device accepted `packets`.
    #[inline(always)]
    pub fn accept(&self, packets: u64) {
        if self.accepted.get() == 0 {
            self.first_accepted.set(Some(self.timeline.now()));
        }
        count(&self.accepted, packets);
    }

    /// The hardware completed `packets` without error at `at`: `bytes` of payload together, all accepted at `accepted`.
    /// `intended` has their intended times, each with how many packets have it.
    pub fn deliver(
        &self,
        packets: u64,
        bytes: u64,
        intended: impl IntoIterator<Item = (Nanos, u64)>,
        accepted: Nanos,
        at: Nanos,
    ) {
        count(&self.delivered, packets);
        count(&self.delivered_bytes, bytes);
        self.last_completion.set(self.last_completion.get().max(Some(at)));
        self.times.record(Timed::Sojourn, at.since(accepted).0, packets);
        for (intended, packets) in intended {
            self.times.record(Timed::Latency, at.since(intended).0, packets);
        }
        // The series is that of the apps.
        if self.id != STACK {
            self.timeline.deliver(packets, bytes, at);
        }
        self.settle(bytes);
    }

    /// Accepted packets, `bytes` of payload together, were dropped at `at`.
    pub fn drop_packets(&self, packets: u64, bytes: u64, reason: DropReason, at: Nanos) {
        self.others.borrow_mut().drop_packets(reason, packets);
        if self.id != STACK {
            self.timeline.drop_packets(packets, at);
        }
        self.settle(bytes);
    }

    /// Accepted packets, `bytes` of payload together, are lost: the session closed before they completed.
    pub fn lose(&self, packets: u64, bytes: u64) {
        self.others.borrow_mut().lost += packets;
        self.settle(bytes);
    }

    /// Accepted packets had not completed when the run ended.
    pub fn leave_in_flight(&self, packets: u64) {
        self.others.borrow_mut().in_flight += packets;
    }

    fn settle(&self, bytes: u64) {
        if let Some(budget) = &self.budget {
            budget.release(bytes);
        }
        self.settled.notify();
    }

    /// A send of this app begins to wait at `stage`, until the returned value is dropped.
    pub fn begin_wait(self: &Rc<Self>, stage: Stage) -> Blocked {
        Blocked::begin(Rc::clone(self), stage)
    }

    /// Like [`Account::begin_wait`], for a wait that borrows the account.
    #[inline]
    pub(crate) fn begin_own_wait(&self, stage: Stage) -> Blocked<&Self> {
        Blocked::begin(self, stage)
    }

    /// Ready once `packets` of the accepted packets have settled.
    pub async fn settled(&self, packets: u64) {
        let reached = || (self.settled_so_far() >= packets).then_some(());
        let _awaiting = self.timeline.await_settling();
        self.settled.wait_for(reached).await;
    }

    fn settled_so_far(&self) -> u64 {
        let others = self.others.borrow();
        self.delivered.get() + others.dropped() + others.lost
    }

    /// The counters so far.
    pub fn counters(&self) -> Counters {
        let mut counters = *self.others.borrow();
        counters.offered = self.offered.get();
        counters.accepted = self.accepted.get();
        counters.delivered = self.delivered.get();
        counters.delivered_bytes = self.delivered_bytes.get();
        counters
    }

    /// The time over which its rate is computed.
    pub fn activity(&self) -> Activity {
        let last_completion = self.last_completion.get();
        match self.schedule.get() {
            Some((first, end)) => Activity::scheduled(first, end, last_completion),
            None => Activity::closed(self.first_accepted.get(), last_completion),
        }
    }

    /// The sums of its times, in nanoseconds.
    pub fn tally(&self, timed: Timed) -> Tally {
        self.times.tally(timed)
    }

    /// The histograms of its times; `None` if it shares them.
    pub fn histograms(&self) -> Option<&Histograms> {
        self.times.histograms()
    }

    /// Nanoseconds of all waits that are over, at all stages.
    pub fn blocked_ns(&self) -> u128 {
        Stage::ALL.into_iter().map(|stage| self.tally(Timed::Wait(stage)).sum).sum()
    }
}

#[cold]
fn unknown_account(id: u32) -> ! {
    panic!("there is no account {id}: a fault of the program")
}

/// A packet that was offered, and is neither accepted nor refused yet. Dropping it counts as cancelled by the app.
#[derive(Debug)]
#[must_use = "an offer that is dropped counts as cancelled by the app"]
pub struct Offer<'a> {
    account: &'a Account,
    open: bool,
}

impl<'a> Offer<'a> {
    fn open(account: &'a Account) -> Self {
        Self { account, open: true }
    }
}

impl Offer<'_> {
    /// Closes the offer with the result of the send, and returns that. The device has counted an accepted packet; a
    /// failed send is counted here as refused.
    #[inline(always)]
    pub fn close(mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        match sent {
            Ok(()) => self.open = false,
            Err(error) => self.refused(error.reason()),
        }
        sent
    }

    /// Closes the offer as refused for `reason`.
    pub fn refused(mut self, reason: RefuseReason) {
        self.open = false;
        self.account.refuse(reason, 1, self.account.timeline.now());
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        if self.open {
            self.account.refuse(RefuseReason::GaveUp, 1, self.account.timeline.now());
        }
    }
}

/// The number of the account of what the stack sends itself: answers, and requests for neighbours.
pub const STACK: u32 = u32::MAX;

/// All accounts of a run, by account number.
#[derive(Debug, Default)]
pub struct Accounts {
    all: RefCell<Vec<Rc<Account>>>,
    /// Account [`STACK`], once the stack may send packets itself.
    stack: OnceCell<Rc<Account>>,
    /// The histograms of the accounts that have none of their own.
    shared: Rc<Histograms>,
}

impl Accounts {
    /// Adds an account. Accounts are numbered in the order in which they are added.
    pub fn add(&self, account: Rc<Account>) {
        account.timeline.join();
        self.all.borrow_mut().push(account);
    }

    /// The account of what the stack sends itself, if it is open.
    pub fn stack(&self) -> Option<&Rc<Account>> {
        self.stack.get()
    }

    /// Opens account [`STACK`], unless it is open.
    pub fn open_stack(&self, timeline: &Rc<Timeline>) -> &Rc<Account> {
        self.stack.get_or_init(|| Account::new(STACK, "stack", None, timeline))
    }

    /// How many accounts of apps there are, which is the number of the next one.
    pub fn count(&self) -> u32 {
        // The cast cannot truncate: an account takes far more than a byte, so there are fewer than 2^32.
        self.all.borrow().len() as u32
    }

    /// Account number `id`, which must have been added.
    pub fn get(&self, id: u32) -> Rc<Account> {
        self.of(&self.all.borrow(), id).clone()
    }

    #[inline(always)]
    fn of<'a>(&'a self, all: &'a [Rc<Account>], id: u32) -> &'a Rc<Account> {
        match all.get(id as usize) {
            Some(app) => app,
            None => self.stack.get().unwrap_or_else(|| unknown_account(id)),
        }
    }

    /// Calls `act` with account number `id`, which must have been added. Unlike [`Accounts::get`] it does not count a
    /// reference.
    #[inline(always)]
    pub fn with<T>(&self, id: u32, act: impl FnOnce(&Account) -> T) -> T {
        act(self.of(&self.all.borrow(), id))
    }

    /// Asks the processor for the memory of account number `id` that a completion needs, which follows soon.
    #[inline]
    pub fn prefetch(&self, id: u32) {
        if let Some(account) = self.all.borrow().get(id as usize) {
            prefetch_for_write(std::ptr::from_ref::<Account>(account).cast(), DELIVERY);
        }
    }

    /// Whether a task waits for the next packet of any of them to settle.
    pub fn are_awaited(&self) -> bool {
        // All accounts share the timeline, which counts the tasks that wait.
        self.all.borrow().first().is_some_and(|account| account.timeline.is_awaited())
    }

    /// The histograms for accounts that have none of their own.
    pub fn shared_histograms(&self) -> &Rc<Histograms> {
        &self.shared
    }

    /// The histograms of all accounts together.
    pub fn histograms(&self) -> Histograms {
        let sum = Histograms::default();
        sum.add(&self.shared);
        self.all.borrow().iter().filter_map(|account| account.histograms()).for_each(|own| sum.add(own));
        sum
    }

    /// All accounts, in order.
    pub fn all(&self) -> Vec<Rc<Account>> {
        self.all.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::exec::Clock;

    fn account(budget: Option<u64>) -> Rc<Account> {
        Account::new(0, "test", budget, &Timeline::new(&Clock::default(), Nanos(1)))
    }

    #[test]
    fn an_offer_that_is_dropped_counts_as_cancelled() {
        let account = account(None);
        drop(account.offer());
        account.offer().refused(RefuseReason::WouldBlock);
        account.not_reached(2, Nanos(9));
        let counters = account.counters();
        assert_eq!((counters.offered, counters.refused_for(RefuseReason::GaveUp), counters.refused()), (4, 1, 4));
    }

    #[test]
    fn blocked_time_is_counted_even_if_the_wait_is_cancelled() {
        use shared::exec::{Virtual, run};

        let clock = Clock::default();
        let account = Account::new(0, "test", None, &Timeline::new(&clock, Nanos(1)));
        let (shared, timer) = (Rc::clone(&account), clock.clone());
        let done = run(&clock, Virtual::default(), |_| async move {
            for end in [30, 40] {
                let wait = shared.begin_wait(Stage::Room);
                timer.sleep_until(Nanos(end)).await;
                drop(wait);
            }
            drop(shared.begin_wait(Stage::Budget));
        });
        assert_eq!(done, Ok(()));
        let room = account.tally(Timed::Wait(Stage::Room));
        assert_eq!((room, account.blocked_ns()), (Tally { count: 2, max: 30, sum: 40 }, 40));
        assert_eq!(account.tally(Timed::Wait(Stage::Budget)), Tally::default());
    }

    #[test]
    fn the_budget_returns_when_a_packet_is_delivered_dropped_or_lost() {
        let account = account(Some(30));
        let budget = account.budget().unwrap();
        for _ in 0..3 {
            budget.try_acquire(10).unwrap().spend();
            account.accept(1);
        }
        account.deliver(1, 10, [(Nanos(0), 1)], Nanos(1), Nanos(2));
        account.drop_packets(1, 10, DropReason::DeviceDeadline, Nanos(2));
        account.lose(1, 10);
        assert_eq!(budget.available(), 30);
        assert_eq!(account.counters().check("test").len(), 1, "nothing was offered");
    }
}
