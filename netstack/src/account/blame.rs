//! Who holds the slots of the ring while an app waits for room.
//!
//! For each app there is the integral over time of the slots that it holds. While an app waits, each app is charged what
//! its integral grows by: the waiter's row subtracts all integrals when the wait begins and adds them when it ends. So
//! neither a submission nor a completion touches the rows, and time in which no wait begins or ends costs nothing.

use shared::report::BlameRow;
use shared::stalls::{StallSchedule, Stalls};
use shared::units::Nanos;

use super::MOST_WITH_HISTOGRAMS;

/// The slots that each app holds, and for each waiter who held them. All sums are of slot-nanoseconds.
#[derive(Debug, Default)]
pub(super) struct Blame {
    /// By number of the account; empty once there are too many apps.
    apps: Vec<Blamed>,
    /// Whether there were more apps than [`MOST_WITH_HISTOGRAMS`]: a wait would then cost too much.
    too_many: bool,
    /// When the hardware stalls, if that is known.
    stalls: Option<Stalls>,
    /// How many sends wait for room.
    waiting: u64,
}

#[derive(Debug, Default)]
struct Blamed {
    holds: Integral,
    waits: Integral,
    /// What each app held while this one waited; shorter than `apps` if it has not waited since an app joined.
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

impl Blame {
    /// The hardware stalls according to `schedule`.
    pub(super) fn expect_stalls(&mut self, schedule: StallSchedule) {
        let StallSchedule { stall, seed, origin } = schedule;
        self.stalls = Some(Stalls::new(Some(stall), seed, origin));
    }

    /// An app joins; its number is how many have joined before.
    pub(super) fn join(&mut self) {
        self.too_many |= self.apps.len() == MOST_WITH_HISTOGRAMS;
        match self.too_many {
            true => self.apps = Vec::new(),
            false => self.apps.push(Blamed::default()),
        }
    }

    /// `app` took `slots` at `now`.
    #[inline(always)]
    pub(super) fn take(&mut self, app: u32, slots: u64, now: Nanos) {
        if let Some(app) = self.apps.get_mut(app as usize) {
            app.holds.add(slots, now);
        }
    }

    /// `slots` of `app` are free from `now` on.
    #[inline(always)]
    pub(super) fn free(&mut self, app: u32, slots: u64, now: Nanos) {
        self.take(app, slots.wrapping_neg(), now);
    }

    /// A send of `app` begins to wait for room at `now`.
    #[inline]
    pub(super) fn begin(&mut self, app: u32, now: Nanos) {
        if self.waiting == 0 {
            self.stalls.iter_mut().for_each(|stalls| stalls.skip_to(now));
        }
        self.waiting += 1;
        self.charge(app, now, 1, u64::wrapping_sub);
    }

    /// A send of `app` stops waiting for room at `now`.
    #[inline]
    pub(super) fn end(&mut self, app: u32, now: Nanos) {
        self.waiting -= 1;
        self.charge(app, now, 1u64.wrapping_neg(), u64::wrapping_add);
    }

    #[inline(always)]
    fn charge(&mut self, app: u32, now: Nanos, sends: u64, change: impl Fn(u64, u64) -> u64) {
        let Some(waiter) = self.apps.get_mut(app as usize) else { return };
        waiter.waits.add(sends, now);
        if let Some(stalls) = &mut self.stalls {
            waiter.stalled = change(waiter.stalled, stalls.stopped_by(now).0);
        }
        let mut row = std::mem::take(&mut waiter.row);
        row.resize(self.apps.len(), 0);
        row.iter_mut().zip(&self.apps).for_each(|(charged, app)| *charged = change(*charged, app.holds.up_to(now)));
        self.apps[app as usize].row = row;
    }

    /// A row for each app, on a ring of `depth` slots, once no send waits; `None` if there were too many apps.
    pub(super) fn rows(&self, depth: u32, now: Nanos) -> Option<Vec<BlameRow>> {
        let row = |app: &Blamed| {
            let blocked_ns = u128::from(app.waits.up_to(now));
            let mut held_ns: Vec<u128> = app.row.iter().map(|held| u128::from(*held)).collect();
            held_ns.resize(self.apps.len(), 0);
            let held: u128 = held_ns.iter().sum();
            let stalled_ns = self.stalls.map(|_| app.stalled.into());
            BlameRow { blocked_ns, held_ns, free_ns: blocked_ns * u128::from(depth) - held, stalled_ns }
        };
        (!self.too_many).then(|| self.apps.iter().map(row).collect())
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
        Take(usize, u64),
        Free(usize),
        Begin(usize),
        End(usize),
    }

    fn event() -> impl Strategy<Value = (u64, Event)> {
        let app = 0usize..4;
        let event = prop_oneof![
            (app.clone(), 1u64..5).prop_map(|(app, slots)| Event::Take(app, slots)),
            app.clone().prop_map(Event::Free),
            app.clone().prop_map(Event::Begin),
            app.prop_map(Event::End),
        ];
        (0u64..50, event)
    }

    proptest! {
        /// Against the definition: at each step of time, each waiting app is charged the slots that each app holds.
        #[test]
        fn the_rows_are_those_of_integration_step_by_step(events in prop::collection::vec(event(), 1..200)) {
            let (mut blame, mut now) = (with_apps(4), 1_000_000_007);
            let (mut held, mut waits, mut rows) = ([0u64; 4], [false; 4], [[0u64; 4]; 4]);
            for (step, event) in events.into_iter().chain((0..4).map(|app| (7, Event::End(app)))) {
                now += step;
                for (row, _) in rows.iter_mut().zip(waits).filter(|(_, waits)| *waits) {
                    row.iter_mut().zip(held).for_each(|(charged, held)| *charged += held * step);
                }
                match event {
                    Event::Take(app, slots) => {
                        held[app] += slots;
                        blame.take(app as u32, slots, Nanos(now));
                    }
                    Event::Free(app) => blame.free(app as u32, std::mem::take(&mut held[app]), Nanos(now)),
                    Event::Begin(app) if !std::mem::replace(&mut waits[app], true) => blame.begin(app as u32, Nanos(now)),
                    Event::End(app) if std::mem::take(&mut waits[app]) => blame.end(app as u32, Nanos(now)),
                    Event::Begin(_) | Event::End(_) => {}
                }
            }
            let found = blame.rows(10_000, Nanos(now)).unwrap();
            let found = found.iter().map(|row| row.held_ns.iter().map(|held| *held as u64).collect::<Vec<_>>());
            prop_assert_eq!(found.collect::<Vec<_>>(), rows.map(|row| row.to_vec()));
        }
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
