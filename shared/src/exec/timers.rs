//! The heap of pending timers.

use std::cmp::Ordering;
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

/// A timer in the heap. The earliest is the greatest, because a `BinaryHeap` has its greatest entry at the top.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// From the highest bits down: time (64 bits), order (1), serial number (63). One comparison, not three.
    key: u128,
    /// Its index in `Timers::states`.
    index: usize,
}

/// Bits of a timer's serial number: enough for 292 years at one timer a nanosecond.
const OWNER_BITS: u32 = 63;

/// The owner of a vacant state: it has more bits than any serial number.
const VACANT: u64 = u64::MAX;

impl Ord for Entry {
    #[inline(always)]
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl PartialOrd for Entry {
    #[inline(always)]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
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
/// is cheap and the number of pending timers bounds the heap. A timer that has fired stays at the top: mostly its task
/// sets the next one at once, and to replace the top takes one pass through the heap, where to remove it and to add
/// another one takes two.
#[derive(Debug, Default)]
pub(super) struct Timers {
    heap: BinaryHeap<Entry>,
    /// One for each pending timer, and vacant ones.
    states: Vec<TimerState>,
    /// Indices of vacant states.
    free: Vec<usize>,
    /// Timers created so far.
    created: u64,
}

#[derive(Debug)]
struct TimerState {
    /// The number of the pending timer to which this state belongs, or [`VACANT`]: a heap entry with another number is
    /// stale.
    owner: u64,
    /// Kept after the timer has fired: the next timer with this state is mostly of the same task, and then `clone_from`
    /// copies nothing.
    waker: Waker,
}

/// What [`Timers::fire_due`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// A group of timers, which it has fired. There may be more.
    Fired,
    /// None; the earliest pending deadline, if there is one.
    At(Option<Nanos>),
}

/// Identifies a timer.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimerId {
    index: usize,
    owner: u64,
}

impl Timers {
    #[inline]
    pub(super) fn insert(&mut self, at: Nanos, order: Order, waker: &Waker) -> TimerId {
        let owner = self.created;
        self.created += 1;
        let index = match self.free.pop() {
            Some(index) => {
                let state = &mut self.states[index];
                state.waker.clone_from(waker);
                state.owner = owner;
                index
            }
            None => {
                self.states.push(TimerState { owner, waker: waker.clone() });
                self.states.len() - 1
            }
        };
        self.add(Entry::new(at, order, owner, index));
        TimerId { index, owner }
    }

    /// Adds an entry to the heap, in place of the one at the top if that is stale.
    #[inline(always)]
    fn add(&mut self, entry: Entry) {
        match self.heap.peek_mut() {
            Some(mut top) if self.states[top.index].owner != top.owner() => *top = entry,
            top => {
                drop(top);
                self.heap.push(entry);
            }
        }
    }

    /// Stores the newest waker of a timer that is polled again.
    #[inline]
    pub(super) fn update(&mut self, id: TimerId, waker: &Waker) {
        if let Some(state) = self.owned(id) {
            state.waker.clone_from(waker);
        }
    }

    /// Removes a timer; one that has fired was removed already.
    #[inline]
    pub(super) fn cancel(&mut self, id: TimerId) {
        if let Some(state) = self.owned(id) {
            state.owner = VACANT;
            self.free.push(id.index);
            self.compact();
        }
    }

    #[inline]
    fn owned(&mut self, id: TimerId) -> Option<&mut TimerState> {
        self.states.get_mut(id.index).filter(|state| state.owner == id.owner)
    }

    /// Fires the earliest group of timers that share one time and one order, if it is due by `now`: wakes
    /// their tasks in order of creation and calls `noted` with the deadline and the order of each.
    #[inline]
    pub(super) fn fire_due(&mut self, now: Nanos, noted: impl Fn(Nanos, Order)) -> Due {
        let mut group = None;
        while let Some(&entry) = self.heap.peek() {
            let state = &mut self.states[entry.index];
            // A stale entry is removed here, so it is no deadline either.
            if state.owner == entry.owner() {
                if entry.at() > now || group.is_some_and(|first| first != entry.group()) {
                    return if group.is_some() { Due::Fired } else { Due::At(Some(entry.at())) };
                }
                group = Some(entry.group());
                state.owner = VACANT;
                // Only queues the task, so these timers are not called again during the borrow.
                state.waker.wake_by_ref();
                self.free.push(entry.index);
                noted(entry.at(), entry.order());
                if !self.fires_with_top(entry.group()) {
                    return Due::Fired;
                }
            }
            self.heap.pop();
        }
        if group.is_some() { Due::Fired } else { Due::At(None) }
    }

    /// Whether another entry may belong to `group`, as the one at the top does: then one of the two below it does.
    #[inline(always)]
    fn fires_with_top(&self, group: u128) -> bool {
        self.heap.as_slice().iter().take(3).skip(1).any(|entry| entry.group() == group)
    }

    /// Removes cancelled timers once they are the larger part: otherwise a cancelled timer of an hour would stay in the
    /// heap for an hour.
    fn compact(&mut self) {
        let pending = self.states.len() - self.free.len();
        if self.heap.len() > 2 * pending + SPARE {
            let states = &self.states;
            self.heap.retain(|entry| states[entry.index].owner == entry.owner());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waker() -> &'static Waker {
        Waker::noop()
    }

    fn fire(timers: &mut Timers, now: u64) -> Due {
        timers.fire_due(Nanos(now), |_, _| ())
    }

    #[test]
    fn completions_come_before_arrivals_of_the_same_instant() {
        let mut timers = Timers::default();
        timers.insert(Nanos(5), Order::Arrival, waker());
        timers.insert(Nanos(5), Order::Completion, waker());
        let orders = std::cell::RefCell::new(Vec::new());
        let mut fire = || timers.fire_due(Nanos(5), |_, order| orders.borrow_mut().push(order));
        assert_eq!([fire(), fire(), fire()], [Due::Fired, Due::Fired, Due::At(None)], "one order at a time");
        assert_eq!(orders.take(), [Order::Completion, Order::Arrival]);
    }

    #[test]
    fn a_cancelled_timer_does_not_set_the_next_deadline() {
        let mut timers = Timers::default();
        let early = timers.insert(Nanos(1), Order::Arrival, waker());
        timers.insert(Nanos(9), Order::Arrival, waker());
        timers.cancel(early);
        assert_eq!(fire(&mut timers, 8), Due::At(Some(Nanos(9))));
        timers.cancel(early);
        assert_eq!(fire(&mut timers, 9), Due::Fired);
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
        assert_eq!(fire(&mut timers, 0), Due::At(Some(Nanos(1))));
    }

    #[test]
    fn a_reused_state_is_not_fired_by_its_former_owner() {
        let mut timers = Timers::default();
        timers.insert(Nanos(1), Order::Arrival, waker());
        let stale = timers.insert(Nanos(5), Order::Arrival, waker());
        timers.cancel(stale);
        timers.insert(Nanos(7), Order::Arrival, waker());
        assert_eq!(fire(&mut timers, 6), Due::Fired);
        assert_eq!(fire(&mut timers, 0), Due::At(Some(Nanos(7))));
    }
}
