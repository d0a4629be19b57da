//! How many slots are held over time.

use crate::ledger::Histogram;
use crate::units::Nanos;

/// The history of a count: its maximum, and how long it had each value.
#[derive(Debug)]
pub struct Occupancy {
    held: u64,
    most: u64,
    since: Nanos,
    /// Nanoseconds spent at each count, by count: a change costs one addition.
    time_at: Vec<u64>,
}

impl Occupancy {
    /// A count of 0 from `now` on.
    pub fn new(now: Nanos) -> Self {
        Self { held: 0, most: 0, since: now, time_at: Vec::new() }
    }

    /// Sets the count to `held` at `now`.
    #[inline(always)]
    pub fn set(&mut self, now: Nanos, held: u64) {
        // Within a turn the clock stands still, so most changes of a batch have the time of the one before.
        if now > self.since {
            let span = now.since(self.since).0;
            self.since = now;
            // The cast cannot truncate: a count that is in memory fits.
            let held = self.held as usize;
            match self.time_at.get_mut(held) {
                Some(time) => *time += span,
                None => self.first_time_at(held, span),
            }
        }
        self.held = held;
        self.most = self.most.max(held);
    }

    /// Nanoseconds were spent at a count that is higher than all before.
    #[cold]
    fn first_time_at(&mut self, held: usize, span: u64) {
        self.time_at.resize(held, 0);
        self.time_at.push(span);
    }

    /// The count now.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// The highest count so far.
    pub fn most(&self) -> u64 {
        self.most
    }

    /// Nanoseconds spent at each count, up to the last change: the sum is in slot-nanoseconds, the mean is the
    /// mean count. Both are exact, so that a test can check Little's law with them.
    pub fn time_at(&self) -> Histogram {
        let mut time_at = Histogram::default();
        (0..).zip(&self.time_at).for_each(|(held, time)| time_at.record(held, *time));
        time_at
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
