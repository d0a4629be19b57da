//! A histogram of values that often repeat: packets of a batch share their times, and in a simulation every wake-up is
//! equally late.

use std::cell::{Cell, Ref, RefCell};

use super::Histogram;

/// A [`Histogram`] in which equal values in a row are recorded together, at the cost of once.
///
/// ```
/// use shared::ledger::Repeats;
///
/// let times = Repeats::default();
/// [1_500, 1_500, 9].into_iter().for_each(|time| times.note(time, 1));
/// assert_eq!((times.histogram().count(), times.histogram().sum()), (3, 3_009));
/// ```
#[derive(Debug, Default)]
pub struct Repeats {
    recorded: RefCell<Histogram>,
    /// The value noted last, and how often it was noted since it was recorded last.
    last: Cell<u64>,
    unrecorded: Cell<u64>,
}

impl Repeats {
    /// Counts `value` `times` times.
    #[inline(always)]
    pub fn note(&self, value: u64, times: u64) {
        if value != self.last.get() {
            self.record();
            self.last.set(value);
        }
        self.unrecorded.set(self.unrecorded.get() + times);
    }

    #[inline(never)]
    fn record(&self) {
        let times = self.unrecorded.take();
        // Not borrowed for nothing: an earlier reader may still have its histogram.
        if times > 0 {
            self.recorded.borrow_mut().record(self.last.get(), times);
        }
    }

    /// All values so far.
    pub fn histogram(&self) -> Ref<'_, Histogram> {
        self.record();
        self.recorded.borrow()
    }

    /// Adds the values of `other` to these.
    pub fn add(&self, other: &Self) {
        self.recorded.borrow_mut().add(&other.histogram());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_value_counts_once_however_often_they_are_read() {
        let values = Repeats::default();
        assert_eq!(values.histogram().count(), 0);
        for value in [0, 0, 7, 7, 0, 9] {
            values.note(value, 1);
        }
        let first_reader = values.histogram();
        for all in [&first_reader, &values.histogram()] {
            assert_eq!((all.count(), all.sum(), all.min(), all.max()), (6, 23, 0, 9));
        }
        drop(first_reader);
        values.note(9, 3);
        assert_eq!((values.histogram().count(), values.histogram().sum()), (9, 50));
    }

    #[test]
    fn a_sum_has_the_values_of_both() {
        let (one, other) = (Repeats::default(), Repeats::default());
        one.note(4, 2);
        other.note(6, 1);
        one.add(&other);
        assert_eq!((one.histogram().count(), one.histogram().sum(), other.histogram().count()), (3, 14, 1));
    }
}
