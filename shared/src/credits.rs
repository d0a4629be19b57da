//! Credits, and the FIFO wait queue for them.

use std::borrow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A pool of credits with a FIFO wait queue. A credit is one ring slot, or one byte of a send budget.
///
/// A released credit is granted to the head of the wait queue in the same call, so no later taker can overtake a
/// waiter, and as many waiters are woken as the free credits suffice for. Clones share the pool.
///
/// A waiter that can use several credits gets up to its *share* in its turn: those of the pool divided by the number of
/// waiters, at least one. If fewer are free, it gets those, and is owed the rest. Credits that are released before it
/// runs are added to its grant. If it queues again, it goes to the head for what it is still owed. So every waiter gets
/// as much as the others, however many credits each release returns. While any waiter asks for a single credit, the
/// share is one.
///
/// A pool may have a *wake point*: once a taker has joined the wait queue, the queue is served only when at
/// least that many credits are free, and takers that arrive meanwhile queue behind it. The rule depends
/// on credits alone, so it is the same in real and in virtual time, awake or asleep.
#[derive(Debug, Clone)]
pub struct Credits {
    state: Rc<RefCell<State>>,
}

#[derive(Debug)]
struct State {
    total: u64,
    available: u64,
    /// Credits that must be free before the queue is served; 0 if it is served with any release.
    wake_point: u64,
    /// The wait queue in order of arrival: indices of `waiters`.
    queue: VecDeque<usize>,
    /// An entry for each pending [`Acquire`], queued or granted, and vacant entries.
    waiters: Vec<Waiter>,
    /// Indices of vacant entries of `waiters`, to be used again.
    vacant: Vec<usize>,
    /// How many of the waiters, queued or granted, can use no more than they need.
    frugal: usize,
    /// The turn of the waiter that was served last, if it goes on.
    turn: Option<Turn>,
    /// Whether a taker found too few credits since the last wake.
    stopped: bool,
    stops: u64,
    wakes: u64,
}

#[derive(Debug)]
struct Waiter {
    /// Kept while the entry is vacant: the task that has left mostly queues again at once, in the same entry, and then
    /// `clone_from` copies nothing.
    waker: Waker,
    place: Place,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Vacant,
    /// `rest` is what is left of its turn, if that has begun.
    Queued {
        asks: Asks,
        rest: Option<u64>,
    },
    Granted(u64),
}

/// What a taker asks for.
#[derive(Debug, Clone, Copy)]
struct Asks {
    /// The fewest credits that it is granted.
    need: u64,
    /// How many more it can use.
    more: u32,
    /// Identifies the taker from one wait to the next; of no importance if it needs no more than `need`.
    taker: u32,
}

impl Asks {
    fn share(most: u32, taker: u32) -> Self {
        Self { need: 1, more: most.saturating_sub(1), taker }
    }
}

/// A turn that goes on: its taker was granted fewer credits than its share.
#[derive(Debug, Clone, Copy)]
struct Turn {
    taker: u32,
    rest: u64,
    /// The index in `waiters` of the grant, until it is taken.
    place: Option<usize>,
}

impl Credits {
    /// A pool of `total` free credits, which serves its queue with every release.
    pub fn new(total: u64) -> Self {
        Self::with_wake_point(total, 0)
    }

    /// A pool of `total` free credits, which serves its queue only when at least `wake_point` of them are free.
    /// A wake point above `total` would never be reached.
    pub fn with_wake_point(total: u64, wake_point: u64) -> Self {
        debug_assert!(wake_point <= total, "a queue that waits for {wake_point} of {total} credits is never served");
        Self {
            state: Rc::new(RefCell::new(State {
                total,
                available: total,
                wake_point,
                queue: VecDeque::new(),
                waiters: Vec::new(),
                vacant: Vec::new(),
                frugal: 0,
                turn: None,
                stopped: false,
                stops: 0,
                wakes: 0,
            })),
        }
    }

    /// Takes `need` credits if that many are free and the wait queue is empty.
    pub fn try_acquire(&self, need: u64) -> Option<Grant<&Self>> {
        self.state.borrow_mut().take(need).then(|| Grant { pool: self, amount: need })
    }

    /// Like [`Credits::try_acquire`] followed by [`Grant::spend`]. Returns whether the credits were taken.
    #[inline(always)]
    pub(crate) fn try_spend(&self, need: u64) -> bool {
        self.state.borrow_mut().take(need)
    }

    /// Like [`Credits::try_spend`] for as many credits as are free, up to `most`. Returns how many. Getting fewer
    /// than `most` is not counted as a stop; the caller's next attempt for a single credit is.
    pub(crate) fn try_spend_up_to(&self, most: u64) -> u64 {
        let mut state = self.state.borrow_mut();
        let amount = if state.queue.is_empty() { most.min(state.available) } else { 0 };
        state.available -= amount;
        amount
    }

    /// Waits for `need` credits in FIFO order. A need above the pool's total is never granted.
    pub fn acquire(&self, need: u64) -> Acquire<&Self> {
        Acquire { pool: self, asks: Asks { need, more: 0, taker: 0 }, place: None }
    }

    /// Like [`Credits::acquire`], but the future borrows nothing, so the caller can store it and keep its position in
    /// the wait queue.
    pub fn acquire_owned(&self, need: u64) -> Acquire<Self> {
        Acquire { pool: self.clone(), asks: Asks { need, more: 0, taker: 0 }, place: None }
    }

    /// Waits for one credit in FIFO order, and takes up to `most` if it has to wait: as many as are free, within the
    /// share of `taker`.
    pub fn acquire_share(&self, most: u32, taker: u32) -> Acquire<&Self> {
        Acquire { pool: self, asks: Asks::share(most, taker), place: None }
    }

    /// Like [`Credits::acquire_share`], but the future borrows nothing.
    pub fn acquire_share_owned(&self, most: u32, taker: u32) -> Acquire<Self> {
        Acquire { pool: self.clone(), asks: Asks::share(most, taker), place: None }
    }

    /// A grant of `amount` credits that were granted to the caller and that it spent, but has not used.
    pub fn resume(&self, amount: u64) -> Grant<&Self> {
        Grant { pool: self, amount }
    }

    /// Turns a grant of this pool into one that borrows it from here.
    ///
    /// # Panics
    /// If it is of another pool.
    #[inline(always)]
    pub fn adopt<C: borrow::Borrow<Self>>(&self, grant: Grant<C>) -> Grant<&Self> {
        assert!(Rc::ptr_eq(&self.state, &grant.pool.borrow().state), "a credit is good for its own pool");
        Grant { pool: self, amount: grant.spend() }
    }

    /// Puts `amount` credits back and serves the wait queue.
    pub fn release(&self, amount: u64) {
        self.state.borrow_mut().release(amount);
    }

    /// How many credits are free.
    pub fn available(&self) -> u64 {
        self.state.borrow().available
    }

    /// How many credits must be released before the head of the wait queue is served; `None` if the queue is empty.
    pub fn shortfall(&self) -> Option<u64> {
        let state = self.state.borrow();
        let &place = state.queue.front()?;
        let Place::Queued { asks, .. } = state.waiters[place].place else { return None };
        Some(state.wake_point.max(asks.need).saturating_sub(state.available))
    }

    /// The length of the wait queue.
    pub fn waiting(&self) -> usize {
        self.state.borrow().queue.len()
    }

    /// Stops (a taker found too few credits, for the first time since the last wake) and wakes (waiters were
    /// served, or credits became free, after a stop).
    pub fn stops_and_wakes(&self) -> (u64, u64) {
        let state = self.state.borrow();
        (state.stops, state.wakes)
    }
}

impl State {
    #[inline(always)]
    fn take(&mut self, need: u64) -> bool {
        let taken = self.queue.is_empty() && self.available >= need;
        if taken {
            self.available -= need;
        } else {
            self.stop();
        }
        taken
    }

    fn stop(&mut self) {
        if !self.stopped {
            self.stopped = true;
            self.stops += 1;
        }
    }

    fn release(&mut self, amount: u64) {
        self.available += amount;
        let served = self.serve_queue();
        // Below the wake point credits are free, but the queue is not served: that is no wake yet.
        if self.stopped && amount > 0 && (served || self.queue.is_empty()) {
            self.stopped = false;
            self.wakes += 1;
        }
        // This release was too small for the waiters that are left: they count as stopped again.
        if served && !self.queue.is_empty() {
            self.stop();
        }
    }

    /// If the wake point is reached, grants free credits to waiters in order. Returns whether any waiter was served.
    fn serve_queue(&mut self) -> bool {
        let before = self.queue.len();
        // Checked once, before the loop: the first grants take the number of free credits below the wake point, and
        // the credits that are left still serve the next waiters.
        if self.available < self.wake_point {
            return false;
        }
        self.continue_turn();
        if before == 0 {
            return false;
        }
        // Those that were granted credits and have not run yet count too: they will queue again.
        let waiting = (self.waiters.len() - self.vacant.len()).max(1) as u64;
        let share = if self.frugal > 0 { 1 } else { (self.total / waiting).max(1) };
        while let Some(&place) = self.queue.front() {
            let waiter = &mut self.waiters[place];
            let Place::Queued { asks, rest } = waiter.place else { break };
            if asks.need > self.available {
                break;
            }
            let due = (asks.need + u64::from(asks.more)).min(rest.unwrap_or(share)).max(asks.need);
            let amount = due.min(self.available);
            self.turn = (amount < due).then_some(Turn { taker: asks.taker, rest: due - amount, place: Some(place) });
            self.available -= amount;
            waiter.waker.wake_by_ref();
            waiter.place = Place::Granted(amount);
            self.queue.pop_front();
        }
        self.queue.len() < before
    }

    /// Adds free credits to the last grant, if that is not taken yet and its turn goes on.
    fn continue_turn(&mut self) {
        let Some(Turn { rest, place: Some(place), .. }) = &mut self.turn else { return };
        if let Place::Granted(amount) = &mut self.waiters[*place].place {
            let more = self.available.min(*rest);
            *amount += more;
            *rest -= more;
            self.available -= more;
        }
        self.turn.take_if(|turn| turn.rest == 0);
    }

    /// Adds a waiter to the queue and returns its index in `waiters`: at the end, or at the head if its turn goes on.
    fn join(&mut self, asks: Asks, waker: &Waker) -> usize {
        let turn = self.turn.take_if(|turn| asks.more > 0 && turn.taker == asks.taker);
        let rest = turn.map(|turn| turn.rest);
        let queued = Place::Queued { asks, rest };
        self.frugal += usize::from(asks.more == 0);
        let place = match self.vacant.pop() {
            Some(place) => {
                let waiter = &mut self.waiters[place];
                waiter.waker.clone_from(waker);
                waiter.place = queued;
                place
            }
            None => {
                self.waiters.push(Waiter { waker: waker.clone(), place: queued });
                self.waiters.len() - 1
            }
        };
        if rest.is_some() {
            self.queue.push_front(place)
        } else {
            self.queue.push_back(place)
        }
        place
    }

    /// Vacates the entry of a waiter, and removes the waiter from the queue if it is still in it. Returns how many
    /// credits had been granted to it already.
    fn leave(&mut self, place: usize, asks: Asks) -> Option<u64> {
        self.frugal -= usize::from(asks.more == 0);
        let left = std::mem::replace(&mut self.waiters[place].place, Place::Vacant);
        self.vacant.push(place);
        if let Place::Granted(amount) = left {
            if let Some(turn) = self.turn.as_mut().filter(|turn| turn.place == Some(place)) {
                turn.place = None;
            }
            return Some(amount);
        }
        self.queue.retain(|&other| other != place);
        None
    }
}

/// Credits that are held. Dropped, they go back to the pool.
#[derive(Debug)]
#[must_use = "a grant that is dropped returns its credits at once"]
pub struct Grant<C: borrow::Borrow<Credits> = Credits> {
    pool: C,
    amount: u64,
}

impl<C: borrow::Borrow<Credits>> Grant<C> {
    /// How many credits.
    pub fn amount(&self) -> u64 {
        self.amount
    }

    /// The pool of these credits.
    pub fn pool(&self) -> &Credits {
        self.pool.borrow()
    }

    /// Keeps the credits out of the pool; a later [`Credits::release`] must return them. Returns how many.
    #[inline(always)]
    pub fn spend(mut self) -> u64 {
        std::mem::take(&mut self.amount)
    }
}

impl<C: borrow::Borrow<Credits>> Drop for Grant<C> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.amount > 0 {
            self.pool.borrow().release(self.amount);
        }
    }
}

/// Future of [`Credits::acquire`]. Dropped, it leaves the wait queue; credits that were granted to it but not yet
/// returned by a poll go to the next waiter.
#[derive(Debug)]
#[must_use = "this joins the wait queue only when it is awaited"]
pub struct Acquire<C: borrow::Borrow<Credits> = Credits> {
    pool: C,
    asks: Asks,
    /// Its index in `State::waiters`; `None` before the first poll and after the grant was returned.
    place: Option<usize>,
}

impl<C: borrow::Borrow<Credits> + Clone + Unpin> Future for Acquire<C> {
    type Output = Grant<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Grant<C>> {
        let Self { pool, asks, place } = &mut *self;
        let mut state = (*pool).borrow().state.borrow_mut();
        let Some(taken) = *place else {
            if state.take(asks.need) {
                return Poll::Ready(Grant { pool: pool.clone(), amount: asks.need });
            }
            *place = Some(state.join(*asks, cx.waker()));
            return Poll::Pending;
        };
        let waiter = &mut state.waiters[taken];
        if let Place::Queued { .. } = waiter.place {
            waiter.waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        *place = None;
        let amount = state.leave(taken, *asks).unwrap_or(asks.need);
        Poll::Ready(Grant { pool: pool.clone(), amount })
    }
}

impl<C: borrow::Borrow<Credits>> Drop for Acquire<C> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut state = self.pool.borrow().state.borrow_mut();
        match state.leave(place, self.asks) {
            Some(granted) => state.release(granted),
            // If this was the head with a large need, the free credits may suffice for the smaller needs behind it.
            None => drop(state.serve_queue()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::task::noop_waker_ref;
    use proptest::prelude::*;
    use std::sync::{Arc, Mutex};
    use std::task::Wake;

    fn poll<'a>(future: &mut Acquire<&'a Credits>) -> Option<Grant<&'a Credits>> {
        match future.poll_unpin(&mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(grant) => Some(grant),
            Poll::Pending => None,
        }
    }

    /// The takers that were woken and not yet polled, in order: what an executor keeps.
    #[derive(Clone, Default)]
    struct Woken(Arc<Mutex<VecDeque<usize>>>);

    impl Woken {
        fn waker(&self, taker: usize) -> Waker {
            struct Taker(usize, Woken);

            impl Wake for Taker {
                fn wake(self: Arc<Self>) {
                    self.1.0.lock().unwrap().push_back(self.0);
                }
            }

            Arc::new(Taker(taker, self.clone())).into()
        }

        /// Removes the first `most`.
        fn take(&self, most: usize) -> Vec<usize> {
            let mut woken = self.0.lock().unwrap();
            let most = most.min(woken.len());
            woken.drain(..most).collect()
        }
    }

    /// What is granted to `waiting` and not yet taken.
    fn untaken(waiting: &Acquire) -> u64 {
        let state = waiting.pool.state.borrow();
        match waiting.place.map(|place| state.waiters[place].place) {
            Some(Place::Granted(amount)) => amount,
            _ => 0,
        }
    }

    #[test]
    fn a_dropped_grant_returns_its_credits() {
        let pool = Credits::new(1);
        let grant = pool.try_acquire(1);
        assert!(grant.is_some() && pool.try_acquire(1).is_none());
        drop(grant);
        assert_eq!(pool.available(), 1);
    }

    #[test]
    fn a_later_taker_does_not_overtake_a_waiter_that_was_granted_but_not_polled() {
        let pool = Credits::new(1);
        pool.try_acquire(1).unwrap().spend();
        let mut first = pool.acquire(1);
        assert!(poll(&mut first).is_none());
        pool.release(1);
        assert!(pool.try_acquire(1).is_none(), "the credit belongs to the waiter");
        poll(&mut first).unwrap().spend();
    }

    #[test]
    fn a_granted_waiter_that_is_cancelled_wakes_the_next() {
        let pool = Credits::new(1);
        pool.try_acquire(1).unwrap().spend();
        let (mut first, mut second) = (pool.acquire(1), pool.acquire(1));
        assert!(poll(&mut first).is_none() && poll(&mut second).is_none());
        pool.release(1);
        drop(first);
        assert!(poll(&mut second).is_some());
    }

    #[test]
    fn cancelling_a_large_need_serves_the_smaller_ones_behind_it() {
        let pool = Credits::new(2);
        pool.try_acquire(1).unwrap().spend();
        let (mut large, mut small) = (pool.acquire(2), pool.acquire(1));
        assert!(poll(&mut large).is_none() && poll(&mut small).is_none());
        drop(large);
        assert!(poll(&mut small).is_some());
    }

    #[test]
    fn the_queue_is_served_at_the_wake_point_and_takers_queue_behind_it() {
        let pool = Credits::with_wake_point(5, 3);
        pool.try_acquire(5).unwrap().spend();
        let mut waiters: Vec<_> = (0..4).map(|_| pool.acquire(1)).collect();
        assert!(waiters.iter_mut().all(|waiter| poll(waiter).is_none()));
        assert_eq!((pool.shortfall(), pool.stops_and_wakes()), (Some(3), (1, 0)));
        pool.release(2);
        assert!(poll(&mut waiters[0]).is_none() && pool.try_acquire(1).is_none());
        assert_eq!((pool.shortfall(), pool.stops_and_wakes()), (Some(1), (1, 0)));
        pool.release(1);
        let served: Vec<_> = waiters.iter_mut().map_while(poll).collect();
        // The first three took all credits, so the fourth waits until the wake point is reached once more.
        assert_eq!((served.len(), pool.shortfall(), pool.stops_and_wakes()), (3, Some(3), (2, 1)));
        drop(served);
        assert!(poll(&mut waiters[3]).is_some());
        assert_eq!((pool.shortfall(), pool.stops_and_wakes()), (None, (2, 2)));
    }

    #[test]
    fn without_waiters_the_wake_point_delays_no_taker() {
        let pool = Credits::with_wake_point(4, 4);
        pool.try_acquire(4).unwrap().spend();
        assert!(pool.try_acquire(1).is_none());
        pool.release(1);
        assert!(pool.try_acquire(1).is_some());
        // With the last waiter cancelled, the wake point no longer applies.
        let mut waiter = pool.acquire(2);
        assert!(poll(&mut waiter).is_none());
        drop(waiter);
        assert!(pool.try_acquire(1).is_some());
    }

    #[test]
    fn several_failures_in_a_row_count_as_one_stop() {
        let pool = Credits::new(1);
        pool.try_acquire(1).unwrap().spend();
        assert!(pool.try_acquire(1).is_none() && pool.try_acquire(1).is_none());
        pool.release(1);
        assert_eq!(pool.stops_and_wakes(), (1, 1));
    }

    proptest! {
        /// Any interleaving of takers, cancellations and releases: credits are conserved, and grants
        /// come in the order in which the queue was joined.
        #[test]
        fn conserved_and_fifo(
            total in 1u64..5,
            wake_point in 0u64..5,
            moves in proptest::collection::vec((0u8..4, 1u64..4), 0..200),
        ) {
            let wake_point = wake_point.min(total);
            let pool = Credits::with_wake_point(total, wake_point);
            let mut queue: VecDeque<Acquire<&Credits>> = VecDeque::new();
            let mut spent: Vec<u64> = Vec::new();
            for (what, amount) in moves {
                let amount = amount.min(total);
                match what {
                    0 => if let Some(grant) = pool.try_acquire(amount) {
                        prop_assert!(queue.is_empty());
                        grant.spend();
                        spent.push(amount);
                    },
                    1 => {
                        let mut waiter = pool.acquire(amount);
                        match poll(&mut waiter) {
                            Some(grant) => { grant.spend(); spent.push(amount); }
                            None => queue.push_back(waiter),
                        }
                    }
                    2 => if let Some(amount) = spent.pop() { pool.release(amount) },
                    _ => { queue.pop_back(); }
                }
                let mut granted_all_so_far = true;
                let mut still = VecDeque::new();
                for mut waiter in std::mem::take(&mut queue) {
                    let need = waiter.asks.need;
                    match poll(&mut waiter) {
                        Some(grant) => {
                            prop_assert!(granted_all_so_far, "a later waiter was served first");
                            grant.spend();
                            spent.push(need);
                        }
                        None => { granted_all_so_far = false; still.push_back(waiter); }
                    }
                }
                queue = still;
                prop_assert_eq!(pool.available() + spent.iter().sum::<u64>(), total);
                prop_assert_eq!(pool.shortfall().is_some(), !queue.is_empty());
                if let (Some(head), Some(short)) = (queue.front(), pool.shortfall()) {
                    prop_assert!(short > 0 && pool.available() + short == head.asks.need.max(wake_point));
                }
            }
        }

        /// Takers that always want more, polled in the order of their wakes, at any time, in any sequence of releases:
        /// credits are conserved, and none is ever granted more than a share beyond another. One of them asks for less.
        #[test]
        fn shares_are_equal_however_few_credits_are_released_at_once(
            total in 1u64..40,
            takers in 1usize..9,
            most in 1u32..20,
            least in 1u32..20,
            steps in proptest::collection::vec((1u64..40, 0usize..9), 1..200),
        ) {
            let pool = Credits::new(total);
            pool.try_acquire(total).unwrap().spend();
            let woken = Woken::default();
            let wakers: Vec<_> = (0..takers).map(|taker| woken.waker(taker)).collect();
            let least = if least < most { 1 } else { most };
            let ask = |taker: usize| {
                let mut waiting = pool.acquire_share_owned(if taker == 0 { least } else { most }, taker as u32);
                assert!(waiting.poll_unpin(&mut Context::from_waker(&wakers[taker])).is_pending());
                waiting
            };
            let mut waiting: Vec<_> = (0..takers).map(ask).collect();
            let (mut taken, mut held) = (vec![0; takers], total);
            let share = if least == 1 { 1 } else { u64::from(most).min((total / takers as u64).max(1)) };
            for (amount, polls) in steps {
                // Not more than those in the queue want, of whom the first may want the rest of a turn only: what no
                // waiter wants goes to the next that asks.
                let wanted = pool.waiting().checked_sub(1).map_or(0, |behind| 1 + share * behind as u64);
                let amount = amount.min(held).min(wanted);
                held -= amount;
                pool.release(amount);
                prop_assert_eq!(pool.available(), 0, "no credit is left over while a taker waits");
                for taker in woken.take(polls) {
                    let polled = waiting[taker].poll_unpin(&mut Context::from_waker(&wakers[taker]));
                    let Poll::Ready(grant) = polled else { panic!("a wake without a grant") };
                    prop_assert!((1..=share).contains(&grant.amount()));
                    taken[taker] += grant.amount();
                    held += grant.amount();
                    grant.spend();
                    waiting[taker] = ask(taker);
                }
                let granted: Vec<u64> = (0..takers).map(|taker| taken[taker] + untaken(&waiting[taker])).collect();
                prop_assert_eq!(held + granted.iter().sum::<u64>(), total + taken.iter().sum::<u64>());
                prop_assert!(granted.iter().max().unwrap() - granted.iter().min().unwrap() <= share, "{granted:?}");
            }
        }

        /// Credits that were granted and not used return, in parts.
        #[test]
        fn a_spent_grant_is_resumed_in_parts(total in 1u64..20, used in 0u64..25) {
            let (pool, used) = (Credits::new(total), used.min(total));
            pool.try_acquire(total).unwrap().spend();
            let mut waiter = pool.acquire_share_owned(total as u32, 1);
            let mut context = Context::from_waker(noop_waker_ref());
            prop_assert!(waiter.poll_unpin(&mut context).is_pending());
            pool.release(total);
            let Poll::Ready(grant) = waiter.poll_unpin(&mut context) else { panic!("all credits are free") };
            prop_assert_eq!(grant.amount(), total);
            pool.adopt(grant).spend();
            drop(pool.resume(total - used));
            prop_assert_eq!(pool.available(), total - used);
            drop(pool.resume(used));
            prop_assert_eq!(pool.available(), total);
        }
    }
}
