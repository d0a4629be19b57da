//! Who holds the slots of the ring while an app waits for room.
//!
//! For each app there is the integral over time of the slots that it holds. While an app waits, each app is charged what
//! its integral grows by: the waiter's row subtracts all integrals when the wait begins and adds them when it ends. So
//! neither a submission nor a completion touches the rows, and time in which no wait begins or ends costs nothing.
//!
//! A slot is free from the time at which the hardware completed its frame, which the stack notices later. Waits that
//! began or ended in between were charged as if the slot had still been held; they are corrected then.

use std::collections::VecDeque;

use shared::report::BlameRow;
use shared::stalls::{StallSchedule, Stalls};
use shared::units::Nanos;

use super::{MOST_WITH_HISTOGRAMS, STACK};

/// The slots that each app holds, and for each waiter who held them. All sums are of slot-nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Blame {
    /// The stack itself, which never waits here but holds slots, and then the apps by number of their account: see
    /// [`place`]. Empty before the first app has joined, and once there are too many.
    all: Vec<Blamed>,
    /// Whether there were more apps than [`MOST_WITH_HISTOGRAMS`]: a wait would then cost too much.
    too_many: bool,
    /// When the hardware stalls, if that is known.
    stalls: Option<Stalls>,
    /// How many sends wait for room.
    waiting: u64,
    /// When waits began and ended since the last slot became free, oldest first; at most [`MOST_EDGES`].
    edges: VecDeque<Edge>,
    /// No slot becomes free before this time any more.
    freed: Nanos,
}

/// The beginning or the end of a wait.
#[derive(Debug, Clone, Copy)]
struct Edge {
    at: Nanos,
    app: u32,
    begins: bool,
}

/// How many waits may begin and end until the stack notices a completion. Beyond that, slots count as held until the oldest
/// of these times.
const MOST_EDGES: usize = 4096;

#[derive(Debug, Default)]
struct Blamed {
    holds: Integral,
    waits: Integral,
    /// What each of them held while this one waited; shorter than `all` if it has not waited since an app joined.
    row: Vec<u64>,
    /// For how long the hardware was stalled while it waited. Wraps like the row.
    stalled: u64,
}

/// A count integrated over time. Both numbers wrap: a difference of two values is exact as long as it fits into 64 bits,
/// which is a day of 200 000 slots.
#[derive(Debug, Clone, Copy, Default)]
struct Integral {
    count: u64,
    /// The integral up to any time t is this plus `count` times t. So a change of the count needs no earlier time.
    offset: u64,
}

impl Integral {
    #[inline(always)]
    fn add(&mut self, more: u64, now: Nanos) {
        self.count = self.count.wrapping_add(more);
        self.offset = self.offset.wrapping_sub(more.wrapping_mul(now.0));
    }

    #[inline(always)]
    fn up_to(&self, now: Nanos) -> u64 {
        self.offset.wrapping_add(self.count.wrapping_mul(now.0))
    }
}

/// The place of `account`: the number of the stack's own account wraps to 0.
#[inline(always)]
fn place(account: u32) -> usize {
    const { assert!(STACK.wrapping_add(1) == 0) };
    account.wrapping_add(1) as usize
}

impl Blame {
    /// The hardware stalls according to `schedule`.
    pub(super) fn expect_stalls(&mut self, schedule: StallSchedule) {
        let StallSchedule { stall, seed, origin } = schedule;
        self.stalls = Some(Stalls::new(Some(stall), seed, origin));
    }

    /// An app joins; its number is how many have joined before.
    pub(super) fn join(&mut self) {
        self.too_many |= self.all.len() > MOST_WITH_HISTOGRAMS;
        match self.too_many {
            true => self.all = Vec::new(),
            false if self.all.is_empty() => self.all = vec![Blamed::default(), Blamed::default()],
            false => self.all.push(Blamed::default()),
        }
    }

    /// `app` took `slots` at `now`.
    #[inline(always)]
    pub(super) fn take(&mut self, app: u32, slots: u64, now: Nanos) {
        if let Some(app) = self.all.get_mut(place(app)) {
            app.holds.add(slots, now);
        }
    }

    /// The hardware completed the frames in `slots` slots of `app` at `at`, which may have passed. If an earlier call had a
    /// later time, that one counts: slots become free in order.
    #[inline(always)]
    pub(super) fn free(&mut self, app: u32, slots: u64, at: Nanos) {
        if self.all.is_empty() {
            return;
        }
        let at = at.max(self.freed);
        self.freed = at;
        self.take(app, slots.wrapping_neg(), at);
        if !self.edges.is_empty() {
            self.correct(app, slots, at);
        }
    }

    /// Corrects the waits that began or ended after `at`, when `slots` of `app` became free.
    #[inline(never)]
    fn correct(&mut self, app: u32, slots: u64, at: Nanos) {
        while self.edges.front().is_some_and(|edge| edge.at <= at) {
            self.edges.pop_front();
        }
        for edge in &self.edges {
            let charged = self.all.get_mut(place(edge.app)).and_then(|waiter| waiter.row.get_mut(place(app)));
            let excess = slots.wrapping_mul(edge.at.since(at).0);
            // Of a wait that began, too much was subtracted; of one that ended, too much was added.
            let change = if edge.begins { excess } else { excess.wrapping_neg() };
            charged.into_iter().for_each(|charged| *charged = charged.wrapping_add(change));
        }
    }

    fn note(&mut self, edge: Edge) {
        if self.edges.len() >= MOST_EDGES
            && let Some(oldest) = self.edges.pop_front()
        {
            self.freed = self.freed.max(oldest.at);
        }
        self.edges.push_back(edge);
    }

    /// A send of `app` begins to wait for room at `now`.
    #[inline]
    pub(super) fn begin(&mut self, app: u32, now: Nanos) {
        if self.all.is_empty() {
            return;
        }
        if self.waiting == 0 {
            self.stalls.iter_mut().for_each(|stalls| stalls.skip_to(now));
        }
        self.waiting += 1;
        self.charge(app, now, 1, u64::wrapping_sub);
        self.note(Edge { at: now, app, begins: true });
    }

    /// A send of `app` stops waiting for room at `now`.
    #[inline]
    pub(super) fn end(&mut self, app: u32, now: Nanos) {
        if self.all.is_empty() {
            return;
        }
        self.waiting -= 1;
        self.charge(app, now, 1u64.wrapping_neg(), u64::wrapping_add);
        self.note(Edge { at: now, app, begins: false });
    }

    #[inline(always)]
    fn charge(&mut self, app: u32, now: Nanos, sends: u64, change: impl Fn(u64, u64) -> u64) {
        let Some(waiter) = self.all.get_mut(place(app)) else { return };
        waiter.waits.add(sends, now);
        if let Some(stalls) = &mut self.stalls {
            waiter.stalled = change(waiter.stalled, stalls.stopped_by(now).0);
        }
        let mut row = std::mem::take(&mut waiter.row);
        row.resize(self.all.len(), 0);
        row.iter_mut().zip(&self.all).for_each(|(charged, app)| *charged = change(*charged, app.holds.up_to(now)));
        self.all[place(app)].row = row;
    }

    /// A row for each app, on a ring of `depth` slots, once no send waits; `None` if there were too many apps, or if one
    /// has waited for so long that its row does not fit into 64 bits.
    pub(super) fn rows(&self, depth: u32, now: Nanos) -> Option<Vec<BlameRow>> {
        if self.too_many {
            return None;
        }
        let row = |app: &Blamed| {
            let blocked_ns = u128::from(app.waits.up_to(now));
            let slots_ns = blocked_ns * u128::from(depth);
            if slots_ns > u64::MAX.into() {
                return None;
            }
            let mut held = app.row.iter().map(|held| u128::from(*held));
            let stack_ns = held.next().unwrap_or(0);
            let mut held_ns: Vec<u128> = held.collect();
            held_ns.resize(self.all.len() - 1, 0);
            let free_ns = slots_ns - held_ns.iter().sum::<u128>() - stack_ns;
            let stalled_ns = self.stalls.map(|_| app.stalled.into());
            Some(BlameRow { blocked_ns, held_ns, stack_ns, free_ns, stalled_ns })
        };
        self.all.iter().skip(1).map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_apps(apps: usize) -> Blame {
        let mut blame = Blame::default();
        (0..apps).for_each(|_| blame.join());
        blame
    }

    #[test]
    fn each_slot_is_charged_to_its_holder_while_the_app_waits_and_not_before_or_after() {
        let mut blame = with_apps(2);
        blame.take(0, 3, Nanos(100));
        blame.take(1, 1, Nanos(150));
        blame.begin(1, Nanos(200));
        blame.free(0, 2, Nanos(230));
        blame.end(1, Nanos(240));
        blame.free(0, 1, Nanos(1000));
        let rows = blame.rows(4, Nanos(2000)).unwrap();
        // 3 slots for 30 ns and 1 for 10 ns are the first app's, 1 for 40 ns its own, and 2 are free for 10 ns.
        assert_eq!((rows[1].blocked_ns, &rows[1].held_ns[..], rows[1].free_ns), (40, &[100, 40][..], 20));
        assert_eq!((rows[0].blocked_ns, rows[0].free_ns), (0, 0));
    }

    #[derive(Debug, Clone, Copy)]
    enum Event {
        /// An app takes slots.
        Take(usize, u64),
        /// The oldest slots become free, so many nanoseconds before this is noticed.
        Free(u64),
        /// A wait of an app begins, or ends if it is under way.
        Turn(usize),
    }

    fn event() -> impl Strategy<Value = (u64, Event)> {
        let event = prop_oneof![
            (0usize..4, 1u64..5).prop_map(|(app, slots)| Event::Take(app, slots)),
            (0u64..200).prop_map(Event::Free),
            (0usize..4).prop_map(Event::Turn),
        ];
        (0u64..50, event)
    }

    proptest! {
        /// Against the definition: each wait is charged the time that it shares with each slot that is held.
        #[test]
        fn each_row_is_the_time_that_waits_and_held_slots_share(events in prop::collection::vec(event(), 1..200)) {
            let (mut blame, mut now, mut freed) = (with_apps(4), 1_000_000_007, 0);
            // Of slots: the app, how many, and from when; then until when.
            let (mut held, mut holds) = (VecDeque::new(), Vec::new());
            let mut waits = [None::<u64>; 4];
            let mut waited: Vec<(usize, u64, u64)> = Vec::new();
            let ends = (0..4).map(|app| (7, Event::Turn(app)));
            for (step, event) in events.into_iter().chain(ends.clone()).chain(ends) {
                now += step;
                match event {
                    Event::Take(app, slots) => {
                        held.push_back((app, slots, now));
                        blame.take(app as u32, slots, Nanos(now));
                    }
                    Event::Free(late) => {
                        let Some((app, slots, taken)) = held.pop_front() else { continue };
                        freed = freed.max(taken).max(now - late);
                        blame.free(app as u32, slots, Nanos(freed));
                        holds.push((app, slots, taken, freed));
                    }
                    Event::Turn(app) => match waits[app].take() {
                        Some(since) => {
                            blame.end(app as u32, Nanos(now));
                            waited.push((app, since, now));
                        }
                        None => {
                            blame.begin(app as u32, Nanos(now));
                            waits[app] = Some(now);
                        }
                    },
                }
            }
            let still = waits.iter().enumerate().filter_map(|(app, since)| Some((app, (*since)?)));
            for (app, since) in still.collect::<Vec<_>>() {
                blame.end(app as u32, Nanos(now));
                waited.push((app, since, now));
            }
            holds.extend(held.into_iter().map(|(app, slots, taken)| (app, slots, taken, now)));
            let mut rows = [[0u64; 4]; 4];
            for (waiter, from, to) in waited {
                for (holder, slots, taken, freed) in &holds {
                    rows[waiter][*holder] += slots * to.min(*freed).saturating_sub(from.max(*taken));
                }
            }
            let found = blame.rows(10_000, Nanos(now)).unwrap();
            let found = found.iter().map(|row| row.held_ns.iter().map(|held| *held as u64).collect::<Vec<_>>());
            prop_assert_eq!(found.collect::<Vec<_>>(), rows.map(|row| row.to_vec()));
        }
    }

    #[test]
    fn however_late_a_completion_is_noticed_little_is_kept_and_rows_fill_the_ring() {
        let mut blame = with_apps(1);
        blame.take(0, 2, Nanos(1));
        for at in 0..10_000 {
            blame.begin(0, Nanos(2 * at + 2));
            blame.end(0, Nanos(2 * at + 3));
        }
        blame.free(0, 2, Nanos(5));
        assert!(blame.edges.len() <= MOST_EDGES);
        let row = &blame.rows(2, Nanos(30_000)).unwrap()[0];
        assert_eq!(row.held_ns[0] + row.free_ns, 2 * row.blocked_ns);
    }

    #[test]
    fn an_app_that_joins_during_a_wait_is_charged_too() {
        let mut blame = with_apps(1);
        blame.begin(0, Nanos(10));
        blame.join();
        blame.take(1, 2, Nanos(15));
        blame.end(0, Nanos(20));
        let rows = blame.rows(2, Nanos(20)).unwrap();
        assert_eq!((&rows[0].held_ns[..], rows[0].free_ns), (&[0, 10][..], 10));
    }

    #[test]
    fn beyond_the_limit_nothing_is_kept() {
        let mut blame = with_apps(MOST_WITH_HISTOGRAMS + 1);
        blame.take(0, 1, Nanos(1));
        blame.begin(0, Nanos(2));
        blame.end(0, Nanos(3));
        assert_eq!(blame.rows(1, Nanos(3)), None);
    }
}
