//! Credits, and the line of those who wait for them.

use std::borrow;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

/// A pool of credits with a FIFO line: ring slots by the one, send budgets by the byte.
///
/// A released credit goes to the head of the line before anybody else can see it, so nobody
/// overtakes, and as many waiters are woken as the credits suffice for. Clones share the pool.
///
/// A pool may have a *wake point*: once a taker has joined the line, the line is served only when at
/// least that many credits are free, and takers that arrive meanwhile queue behind it. The rule depends
/// on credits alone, so it is the same in real and in virtual time, awake or asleep.
#[derive(Debug, Clone)]
pub struct Credits {
    state: Rc<RefCell<State>>,
}

#[derive(Debug)]
struct State {
    available: u64,
    /// Credits that must be free before the line is served; 0 if any number will do.
    wake_point: u64,
    /// Waiters in order of arrival, as indices of `waiters`.
    line: VecDeque<usize>,
    waiters: Vec<Waiter>,
    vacant: Vec<usize>,
    /// Whether the last thing that a taker was told is "no room".
    stopped: bool,
    stops: u64,
    wakes: u64,
}

#[derive(Debug)]
enum Waiter {
    Vacant,
    Waiting { need: u64, waker: Waker },
    Granted,
}

impl Credits {
    /// A pool with all of its credits free, which serves its line with whatever is released.
    pub fn new(total: u64) -> Self {
        Self::with_wake_point(total, 0)
    }

    /// A pool with all of its credits free, which serves its line only when `wake_point` of them are free. A wake
    /// point above `total` would never be reached.
    pub fn with_wake_point(total: u64, wake_point: u64) -> Self {
        debug_assert!(wake_point <= total, "a line that waits for {wake_point} of {total} credits is never served");
        Self {
            state: Rc::new(RefCell::new(State {
                available: total,
                wake_point,
                line: VecDeque::new(),
                waiters: Vec::new(),
                vacant: Vec::new(),
                stopped: false,
                stops: 0,
                wakes: 0,
            })),
        }
    }

    /// Takes `need` credits now, or none: also none while others wait in line.
    pub fn try_acquire(&self, need: u64) -> Option<Grant<&Self>> {
        self.state.borrow_mut().take(need).then(|| Grant { pool: self, amount: need })
    }

    /// Takes `need` credits now and keeps them out of the pool, like a grant that is spent at once;
    /// or none.
    #[inline(always)]
    pub(super) fn try_spend(&self, need: u64) -> bool {
        self.state.borrow_mut().take(need)
    }

    /// Like [`Credits::try_spend`] for as many credits as there are, and `most` at most. Returns how many. Who
    /// wants more hears of it by asking for one more.
    pub(super) fn try_spend_up_to(&self, most: u64) -> u64 {
        let mut state = self.state.borrow_mut();
        let amount = if state.line.is_empty() { most.min(state.available) } else { 0 };
        state.available -= amount;
        amount
    }

    /// Waits in line for `need` credits. More than the pool ever has is never granted.
    pub fn acquire(&self, need: u64) -> Acquire<&Self> {
        Acquire { pool: self, need, place: None }
    }

    /// Like [`Credits::acquire`], for who keeps the place in line beyond this call.
    pub fn acquire_owned(&self, need: u64) -> Acquire<Self> {
        Acquire { pool: self.clone(), need, place: None }
    }

    /// Holds here what `grant`, of the same pool, held.
    pub(super) fn adopt(&self, grant: Grant) -> Grant<&Self> {
        assert!(Rc::ptr_eq(&self.state, &grant.pool.state), "a credit is good for its own pool");
        let amount = grant.amount;
        grant.spend();
        Grant { pool: self, amount }
    }

    /// Puts `amount` credits back and grants them to the head of the line.
    pub fn release(&self, amount: u64) {
        self.state.borrow_mut().release(amount);
    }

    /// Credits that nobody holds.
    pub fn available(&self) -> u64 {
        self.state.borrow().available
    }

    /// How many credits must be released before the head of the line is served; `None` if the line is empty.
    pub fn shortfall(&self) -> Option<u64> {
        let state = self.state.borrow();
        let &place = state.line.front()?;
        let Waiter::Waiting { need, .. } = state.waiters[place] else { return None };
        Some(state.wake_point.max(need).saturating_sub(state.available))
    }

    /// How many wait in line.
    pub fn waiting(&self) -> usize {
        self.state.borrow().line.len()
    }

    /// How often a taker found no room after the last wake, and how often room came back after that.
    pub fn stops_and_wakes(&self) -> (u64, u64) {
        let state = self.state.borrow();
        (state.stops, state.wakes)
    }
}

impl State {
    #[inline(always)]
    fn take(&mut self, need: u64) -> bool {
        let room = self.line.is_empty() && self.available >= need;
        if room {
            self.available -= need;
        } else {
            self.stop();
        }
        room
    }

    fn stop(&mut self) {
        if !self.stopped {
            self.stopped = true;
            self.stops += 1;
        }
    }

    fn release(&mut self, amount: u64) {
        self.available += amount;
        let served = self.serve_line();
        // Below the wake point the room is there, but the waiters in line do not get it yet.
        if self.stopped && amount > 0 && (served || self.line.is_empty()) {
            self.stopped = false;
            self.wakes += 1;
        }
        // The waiters that are left found no room in this release: the pool is stopped again for them.
        if served && !self.line.is_empty() {
            self.stop();
        }
    }

    /// Grants free credits to the head of the line, if the wake point is reached. Returns whether any waiter got some.
    fn serve_line(&mut self) -> bool {
        let before = self.line.len();
        // Checked once: below it, the credits that are left when the first waiters have theirs serve the next ones.
        if self.available < self.wake_point {
            return false;
        }
        while let Some(&place) = self.line.front() {
            let Waiter::Waiting { need, waker } = &self.waiters[place] else { break };
            if *need > self.available {
                break;
            }
            self.available -= need;
            waker.wake_by_ref();
            self.waiters[place] = Waiter::Granted;
            self.line.pop_front();
        }
        self.line.len() < before
    }

    fn join(&mut self, need: u64, waker: &Waker) -> usize {
        let waiter = Waiter::Waiting { need, waker: waker.clone() };
        let place = match self.vacant.pop() {
            Some(place) => {
                self.waiters[place] = waiter;
                place
            }
            None => {
                self.waiters.push(waiter);
                self.waiters.len() - 1
            }
        };
        self.line.push_back(place);
        place
    }

    /// Gives a place up; returns whether its credits had been granted.
    fn leave(&mut self, place: usize) -> bool {
        let waiter = std::mem::replace(&mut self.waiters[place], Waiter::Vacant);
        self.vacant.push(place);
        let granted = matches!(waiter, Waiter::Granted);
        if !granted {
            self.line.retain(|&other| other != place);
        }
        granted
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
    /// Keeps the credits out of the pool until somebody calls [`Credits::release`] for them.
    #[inline(always)]
    pub fn spend(mut self) {
        self.amount = 0;
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

/// Future of [`Credits::acquire`]. Dropped, it leaves the line; a grant it had not seen yet goes to
/// the next in line.
#[derive(Debug)]
#[must_use = "nobody waits in a line that is not awaited"]
pub struct Acquire<C: borrow::Borrow<Credits> = Credits> {
    pool: C,
    need: u64,
    place: Option<usize>,
}

impl<C: borrow::Borrow<Credits> + Clone + Unpin> Future for Acquire<C> {
    type Output = Grant<C>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Grant<C>> {
        let Self { pool, need, place } = &mut *self;
        let mut state = (*pool).borrow().state.borrow_mut();
        let Some(taken) = *place else {
            if state.take(*need) {
                return Poll::Ready(Grant { pool: pool.clone(), amount: *need });
            }
            *place = Some(state.join(*need, cx.waker()));
            return Poll::Pending;
        };
        if let Waiter::Waiting { waker, .. } = &mut state.waiters[taken] {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        state.leave(taken);
        *place = None;
        Poll::Ready(Grant { pool: pool.clone(), amount: *need })
    }
}

impl<C: borrow::Borrow<Credits>> Drop for Acquire<C> {
    fn drop(&mut self) {
        let Some(place) = self.place else { return };
        let mut state = self.pool.borrow().state.borrow_mut();
        if state.leave(place) {
            state.release(self.need);
        } else {
            // The head of the line may have been what kept smaller needs behind it waiting.
            state.serve_line();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use futures_util::task::noop_waker_ref;
    use proptest::prelude::*;

    fn poll<'a>(future: &mut Acquire<&'a Credits>) -> Option<Grant<&'a Credits>> {
        match future.poll_unpin(&mut Context::from_waker(noop_waker_ref())) {
            Poll::Ready(grant) => Some(grant),
            Poll::Pending => None,
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
    fn nobody_overtakes_a_waiter_that_was_granted_but_not_polled() {
        let pool = Credits::new(1);
        pool.try_acquire(1).unwrap().spend();
        let mut first = pool.acquire(1);
        assert!(poll(&mut first).is_none());
        pool.release(1);
        assert!(pool.try_acquire(1).is_none(), "the credit belongs to the waiter");
        poll(&mut first).unwrap().spend();
    }

    #[test]
    fn a_granted_waiter_that_gives_up_wakes_the_next() {
        let pool = Credits::new(1);
        pool.try_acquire(1).unwrap().spend();
        let (mut first, mut second) = (pool.acquire(1), pool.acquire(1));
        assert!(poll(&mut first).is_none() && poll(&mut second).is_none());
        pool.release(1);
        drop(first);
        assert!(poll(&mut second).is_some());
    }

    #[test]
    fn a_large_need_that_gives_up_lets_smaller_ones_through() {
        let pool = Credits::new(2);
        pool.try_acquire(1).unwrap().spend();
        let (mut large, mut small) = (pool.acquire(2), pool.acquire(1));
        assert!(poll(&mut large).is_none() && poll(&mut small).is_none());
        drop(large);
        assert!(poll(&mut small).is_some());
    }

    #[test]
    fn the_line_is_served_at_the_wake_point_and_takers_queue_behind_it() {
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
        // The fourth found no room when the first three had theirs, so it waits for the wake point once more.
        assert_eq!((served.len(), pool.shortfall(), pool.stops_and_wakes()), (3, Some(3), (2, 1)));
        drop(served);
        assert!(poll(&mut waiters[3]).is_some());
        assert_eq!((pool.shortfall(), pool.stops_and_wakes()), (None, (2, 2)));
    }

    #[test]
    fn without_a_line_the_wake_point_delays_no_taker() {
        let pool = Credits::with_wake_point(4, 4);
        pool.try_acquire(4).unwrap().spend();
        assert!(pool.try_acquire(1).is_none());
        pool.release(1);
        assert!(pool.try_acquire(1).is_some());
        // A waiter that gives up takes the rule with it.
        let mut waiter = pool.acquire(2);
        assert!(poll(&mut waiter).is_none());
        drop(waiter);
        assert!(pool.try_acquire(1).is_some());
    }

    #[test]
    fn stops_and_wakes_count_what_was_told() {
        let pool = Credits::new(1);
        pool.try_acquire(1).unwrap().spend();
        assert!(pool.try_acquire(1).is_none() && pool.try_acquire(1).is_none());
        pool.release(1);
        assert_eq!(pool.stops_and_wakes(), (1, 1));
    }

    proptest! {
        /// Any interleaving of takers, quitters and releases: credits are conserved, and grants
        /// come in the order in which the line was joined.
        #[test]
        fn conserved_and_fifo(
            total in 1u64..5,
            wake_point in 0u64..5,
            moves in proptest::collection::vec((0u8..4, 1u64..4), 0..200),
        ) {
            let wake_point = wake_point.min(total);
            let pool = Credits::with_wake_point(total, wake_point);
            let mut line: VecDeque<Acquire<&Credits>> = VecDeque::new();
            let mut spent: Vec<u64> = Vec::new();
            for (what, amount) in moves {
                let amount = amount.min(total);
                match what {
                    0 => if let Some(grant) = pool.try_acquire(amount) {
                        prop_assert!(line.is_empty());
                        grant.spend();
                        spent.push(amount);
                    },
                    1 => {
                        let mut waiter = pool.acquire(amount);
                        match poll(&mut waiter) {
                            Some(grant) => { grant.spend(); spent.push(amount); }
                            None => line.push_back(waiter),
                        }
                    }
                    2 => if let Some(amount) = spent.pop() { pool.release(amount) },
                    _ => { line.pop_back(); }
                }
                let mut granted_all_so_far = true;
                let mut still = VecDeque::new();
                for mut waiter in std::mem::take(&mut line) {
                    let need = waiter.need;
                    match poll(&mut waiter) {
                        Some(grant) => {
                            prop_assert!(granted_all_so_far, "a later waiter was served first");
                            grant.spend();
                            spent.push(need);
                        }
                        None => { granted_all_so_far = false; still.push_back(waiter); }
                    }
                }
                line = still;
                prop_assert_eq!(pool.available() + spent.iter().sum::<u64>(), total);
                prop_assert_eq!(pool.shortfall().is_some(), !line.is_empty());
                if let (Some(head), Some(short)) = (line.front(), pool.shortfall()) {
                    prop_assert!(short > 0 && pool.available() + short == head.need.max(wake_point));
                }
            }
        }
    }
}
