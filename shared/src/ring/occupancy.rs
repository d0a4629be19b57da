//! How many slots are held, weighted by time.

use hdrhistogram::Histogram;

use crate::units::Nanos;

/// Follows a count through time: its integral, its maximum and how long it stood where.
#[derive(Debug)]
pub struct Occupancy {
    held: u64,
    most: u64,
    since: Nanos,
    began: Nanos,
    /// Slot-nanoseconds: exact, so that Little's law can be held against it.
    integral: u128,
    /// Nanoseconds spent at each count.
    time_at: Histogram<u64>,
}

impl Occupancy {
    /// Nothing held, from `now` on; `most` is the largest count that can be.
    pub fn new(now: Nanos, most: u64) -> Self {
        // Bounds of at least 1 and 2 with three digits are always valid; should they ever not be,
        // the default histogram grows by itself.
        let time_at = Histogram::new_with_bounds(1, most.max(2), 3).unwrap_or_else(|_| growing());
        Self { held: 0, most: 0, since: now, began: now, integral: 0, time_at }
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
        let span = now.since(self.since).0;
        self.integral += u128::from(self.held) * u128::from(span);
        self.time_at.saturating_record_n(self.held, span);
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

    /// Slot-nanoseconds up to the last change.
    pub fn integral(&self) -> u128 {
        self.integral
    }

    /// Mean count from the beginning to the last change, 0 before time has passed.
    pub fn mean(&self) -> f64 {
        let span = self.since.since(self.began).0;
        if span == 0 { 0.0 } else { self.integral as f64 / span as f64 }
    }

    /// Nanoseconds spent at each count.
    pub fn time_at(&self) -> &Histogram<u64> {
        &self.time_at
    }
}

fn growing() -> Histogram<u64> {
    #[allow(clippy::unwrap_used, reason = "three digits are within the library's documented 0 to 5")]
    Histogram::new(3).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_weighted_by_time() {
        let mut ring = Occupancy::new(Nanos(100), 4);
        ring.set(Nanos(100), 1);
        ring.set(Nanos(110), 3);
        ring.set(Nanos(120), 0);
        ring.set(Nanos(140), 0);
        assert_eq!(ring.integral(), 10 + 30);
        assert!((ring.mean() - 1.0).abs() < 1e-9);
        assert_eq!((ring.most(), ring.held()), (3, 0));
        assert_eq!(ring.time_at().len(), 40);
    }
}
