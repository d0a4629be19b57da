//! How many slots are held, weighted by time.

use crate::ledger::Histogram;
use crate::units::Nanos;

/// Follows a count through time: its maximum, and how long it stood where.
#[derive(Debug)]
pub struct Occupancy {
    held: u64,
    most: u64,
    since: Nanos,
    /// Nanoseconds spent at each count. The sum is exact, so that Little's law can be held against it.
    time_at: Histogram,
}

impl Occupancy {
    /// Nothing held, from `now` on.
    pub fn new(now: Nanos) -> Self {
        Self { held: 0, most: 0, since: now, time_at: Histogram::default() }
    }

    /// The count changes to `held` at `now`.
    #[inline(always)]
    pub fn set(&mut self, now: Nanos, held: u64) {
        if now > self.since {
            self.advance(now);
        }
        self.held = held;
        self.most = self.most.max(held);
    }

    /// Most changes share their time with the one before.
    #[cold]
    fn advance(&mut self, now: Nanos) {
        self.time_at.record(self.held, now.since(self.since).0);
        self.since = now;
    }

    /// How many are held.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The most that were held at once.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Nanoseconds spent at each count, up to the last change: the sum is in slot-nanoseconds, the mean is the
    /// mean count.
    pub fn time_at(&self) -> &Histogram {
        &self.time_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_weighted_by_time() {
        let mut ring = Occupancy::new(Nanos(100));
        ring.set(Nanos(100), 1);
        ring.set(Nanos(110), 3);
        ring.set(Nanos(120), 0);
        ring.set(Nanos(140), 0);
        assert_eq!(ring.time_at().sum(), 10 + 30);
        assert!((ring.time_at().mean() - 1.0).abs() < 1e-9);
        assert_eq!((ring.most(), ring.held()), (3, 0));
        assert_eq!(ring.time_at().count(), 40);
    }
}
