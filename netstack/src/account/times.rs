//! Times of an app's packets and waits: exact sums of its own, and histograms that many apps may share.
//!
//! A histogram takes up to 270 KB. With a thousand apps their histograms do not fit into the cache, and recording in
//! them takes most of the stack's time. So an app has histograms of its own only in a run of few apps
//! ([`MOST_WITH_HISTOGRAMS`]); otherwise all apps record in the same ones, and their own quantiles are not known.

use std::cell::{Cell, Ref};
use std::mem::offset_of;
use std::rc::Rc;

use shared::ledger::{Histogram, Repeats};

/// How many apps of a run may have histograms of their own.
pub const MOST_WITH_HISTOGRAMS: usize = 64;

/// A stage at which a send can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// For the socket's send budget.
    Budget,
    /// For the Ethernet address of the next hop.
    Neighbour,
    /// For room in the ring.
    Room,
}

impl Stage {
    /// Every stage, in the order in which a packet passes them.
    pub const ALL: [Self; 3] = [Self::Budget, Self::Neighbour, Self::Room];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Neighbour => "neighbour",
            Self::Room => "room",
        }
    }
}

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timed {
    /// A delivered packet, from accepted to completed.
    Sojourn,
    /// A delivered packet, from its intended time to completed.
    Latency,
    /// A wait of a send that took time.
    Wait(Stage),
}

impl Timed {
    const COUNT: usize = 2 + Stage::ALL.len();

    #[inline(always)]
    fn index(self) -> usize {
        match self {
            Self::Sojourn => 0,
            Self::Latency => 1,
            Self::Wait(Stage::Room) => 2,
            Self::Wait(Stage::Budget) => 3,
            Self::Wait(Stage::Neighbour) => 4,
        }
    }
}

/// A histogram of each of [`Timed`], in nanoseconds.
#[derive(Debug, Default)]
pub struct Histograms([Repeats; Timed::COUNT]);

impl Histograms {
    /// The histogram of `timed`.
    pub fn of(&self, timed: Timed) -> Ref<'_, Histogram> {
        self.0[timed.index()].histogram()
    }

    /// Adds the values of `other` to these.
    pub fn add(&self, other: &Self) {
        self.0.iter().zip(&other.0).for_each(|(mine, theirs)| mine.add(theirs));
    }
}

/// Exact figures of one app, in nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many values.
    pub count: u64,
    /// The largest.
    pub max: u64,
    /// Their sum.
    pub sum: u128,
}

/// The times of one app.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Times {
    histograms: Rc<Histograms>,
    /// Whether other apps record in `histograms` too.
    shared: bool,
    /// Those of an app that shares its histograms; otherwise zero, because its histograms contain them. Those of waits
    /// come last, and there that for room first: most packets need no more than these.
    tallies: [Cell<Tally>; Timed::COUNT],
}

impl Times {
    /// Bytes at the beginning that a delivery reads or writes.
    pub(super) const DELIVERY: usize = offset_of!(Self, tallies) + 2 * size_of::<Tally>();

    /// With histograms of its own.
    pub(super) fn own() -> Self {
        Self { histograms: Rc::default(), shared: false, tallies: Default::default() }
    }

    /// With `histograms`, in which other apps record too.
    pub(super) fn sharing(histograms: &Rc<Histograms>) -> Self {
        Self { histograms: Rc::clone(histograms), shared: true, tallies: Default::default() }
    }

    /// Counts `nanos` `times` times.
    #[inline(always)]
    pub(super) fn record(&self, timed: Timed, nanos: u64, times: u64) {
        if self.shared {
            let tally = &self.tallies[timed.index()];
            let Tally { count, max, sum } = tally.get();
            let sum = sum + u128::from(nanos) * u128::from(times);
            tally.set(Tally { count: count + times, max: max.max(nanos), sum });
        }
        self.histograms.0[timed.index()].note(nanos, times);
    }

    pub(super) fn tally(&self, timed: Timed) -> Tally {
        if self.shared {
            return self.tallies[timed.index()].get();
        }
        let own = self.histograms.of(timed);
        // The cast cannot truncate: an app counts its packets in 64 bits.
        Tally { count: own.count() as u64, max: own.max(), sum: own.sum() }
    }

    /// Histograms of this app alone, if it has any.
    pub(super) fn histograms(&self) -> Option<&Histograms> {
        (!self.shared).then_some(&*self.histograms)
    }
}
