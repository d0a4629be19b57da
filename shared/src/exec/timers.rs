//! The heap of pending timers.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::task::Waker;

use crate::units::Nanos;

/// The order of timers that have the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// First: the hardware's timers, so that completions come before arrivals.
    Completion,
    /// Everything else: apps, deadlines, samples.
    Arrival,
}

/// A timer in the heap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    /// From the highest bits down: time (64 bits), order (1), number of creation (63). One comparison, not three.
    key: u128,
    /// Its index in `Timers::states`.
    index: usize,
}

/// Bits for the number of creation: at one timer a nanosecond they last 292 years.
const OWNER_BITS: u32 = 63;

impl TimerState {
    /// Whether this value still belongs to the timer of `entry`, and it is pending.
    fn is_of(&self, entry: &Entry) -> bool {
        self.owner == entry.owner() && self.pending
    }
}

impl Entry {
    fn new(at: Nanos, order: Order, owner: u64, index: usize) -> Self {
        let tie = (order as u64) << OWNER_BITS | owner;
        Self { key: u128::from(at.0) << 64 | u128::from(tie), index }
    }

    fn at(self) -> Nanos {
        Nanos((self.key >> 64) as u64)
    }

    fn owner(self) -> u64 {
        self.key as u64 & !(1 << OWNER_BITS)
    }

    fn order(self) -> Order {
        // The bit above the owner's: set for the later of both orders.
        if self.key >> OWNER_BITS & 1 == 0 { Order::Completion } else { Order::Arrival }
    }

    /// Time and order: equal for timers that fire together.
    fn group(self) -> u128 {
        self.key >> OWNER_BITS
    }
}

/// How many cancelled timers may stay in the heap in any case: removing fewer is not worth a pass over it.
const SPARE: usize = 64;

/// Pending timers, earliest first.
///
/// Cancelled timers stay in the heap until they reach its top or outnumber the pending ones, so that cancelling
/// is cheap and the number of pending timers bounds the heap.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Reverse<Entry>>,
    /// One for each pending timer, and vacant ones.
    states: Vec<TimerState>,
    /// Indices of vacant states.
    free: Vec<usize>,
    /// Timers created so far.
    created: u64,
}

#[derive(Debug)]
struct TimerState {
    /// The number of the timer to which this state belongs: a heap entry with another number is stale.
    owner: u64,
    /// Whether it has neither fired nor been cancelled.
    pending: bool,
    /// Kept after the timer has fired: the next timer with this state is mostly of the same task, and then `clone_from`
    /// copies nothing.
    waker: Waker,
}

/// Identifies a timer.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimerId {
    index: usize,
    owner: u64,
}

impl Timers {
    pub(super) fn insert(&mut self, at: Nanos, order: Order, waker: &Waker) -> TimerId {
        let owner = self.created;
        self.created += 1;
        let index = match self.free.pop() {
            Some(index) => {
                let state = &mut self.states[index];
                state.waker.clone_from(waker);
                (state.owner, state.pending) = (owner, true);
                index
            }
            None => {
                self.states.push(TimerState { owner, pending: true, waker: waker.clone() });
                self.states.len() - 1
            }
        };
        self.heap.push(Reverse(Entry::new(at, order, owner, index)));
        TimerId { index, owner }
    }

    /// Stores the newest waker of a timer that is polled again.
    pub(super) fn update(&mut self, id: TimerId, waker: &Waker) {
        if let Some(state) = self.owned(id) {
            state.waker.clone_from(waker);
        }
    }

    pub(super) fn cancel(&mut self, id: TimerId) {
        if let Some(state) = self.owned(id)
            && std::mem::take(&mut state.pending)
        {
            self.free.push(id.index);
        }
        self.drop_stale();
        self.compact();
    }

    fn owned(&mut self, id: TimerId) -> Option<&mut TimerState> {
        self.states.get_mut(id.index).filter(|state| state.owner == id.owner)
    }

    /// The earliest pending deadline.
    pub(super) fn next(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse(entry)| entry.at())
    }

    /// Fires the earliest group of timers that share one time and one order, if it is due by `now`: wakes
    /// their tasks in order of creation and calls `noted` with the deadline and the order of each. Returns how many
    /// there were.
    pub(super) fn fire_due(&mut self, now: Nanos, noted: impl Fn(Nanos, Order)) -> usize {
        let mut group = None;
        let mut fired = 0;
        while let Some(Reverse(entry)) = self.heap.peek().copied() {
            if entry.at() > now || group.is_some_and(|first| first != entry.group()) {
                break;
            }
            group = Some(entry.group());
            self.heap.pop();
            let state = &mut self.states[entry.index];
            if state.owner == entry.owner() && std::mem::take(&mut state.pending) {
                // Only queues the task, so these timers are not called again during the borrow.
                state.waker.wake_by_ref();
                self.free.push(entry.index);
                noted(entry.at(), entry.order());
                fired += 1;
            }
            self.drop_stale();
        }
        fired
    }

    /// Removes cancelled timers once they are the larger part: otherwise a cancelled timer of an hour would stay in the
    /// heap for an hour.
    fn compact(&mut self) {
        let pending = self.states.len() - self.free.len();
        if self.heap.len() > 2 * pending + SPARE {
            let states = &self.states;
            self.heap.retain(|Reverse(entry)| states[entry.index].is_of(entry));
        }
    }

    /// Removes cancelled timers from the top of the heap, so that the executor does not sleep until one of them.
    fn drop_stale(&mut self) {
        while let Some(Reverse(entry)) = self.heap.peek() {
            if self.states[entry.index].is_of(entry) {
                break;
            }
            self.heap.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waker() -> &'static Waker {
        Waker::noop()
    }

    #[test]
    fn completions_come_before_arrivals_of_the_same_instant() {
        let mut timers = Timers::default();
        timers.insert(Nanos(5), Order::Arrival, waker());
        timers.insert(Nanos(5), Order::Completion, waker());
        assert_eq!(timers.fire_due(Nanos(5), |_, _| ()), 1, "one order at a time");
        assert_eq!(timers.fire_due(Nanos(5), |_, _| ()), 1);
        assert_eq!(timers.fire_due(Nanos(5), |_, _| ()), 0);
    }

    #[test]
    fn a_cancelled_timer_does_not_set_the_next_deadline() {
        let mut timers = Timers::default();
        let early = timers.insert(Nanos(1), Order::Arrival, waker());
        timers.insert(Nanos(9), Order::Arrival, waker());
        timers.cancel(early);
        assert_eq!(timers.next(), Some(Nanos(9)));
        timers.cancel(early);
        assert_eq!(timers.fire_due(Nanos(8), |_, _| ()), 0);
        assert_eq!(timers.fire_due(Nanos(9), |_, _| ()), 1);
    }

    #[test]
    fn timers_that_are_cancelled_do_not_pile_up() {
        let mut timers = Timers::default();
        timers.insert(Nanos(1), Order::Arrival, waker());
        for at in 0..10_000 {
            let id = timers.insert(Nanos(1_000_000 + at), Order::Arrival, waker());
            timers.cancel(id);
        }
        assert!(timers.heap.len() <= 2 + SPARE, "{}", timers.heap.len());
        assert_eq!(timers.next(), Some(Nanos(1)));
    }

    #[test]
    fn a_reused_state_is_not_fired_by_its_former_owner() {
        let mut timers = Timers::default();
        timers.insert(Nanos(1), Order::Arrival, waker());
        let stale = timers.insert(Nanos(5), Order::Arrival, waker());
        timers.cancel(stale);
        timers.insert(Nanos(7), Order::Arrival, waker());
        assert_eq!(timers.fire_due(Nanos(6), |_, _| ()), 1);
        assert_eq!(timers.next(), Some(Nanos(7)));
    }
}
