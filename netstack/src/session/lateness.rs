//! How late the wake-ups of a run were.

use std::cell::{Cell, RefCell};

use shared::ledger::Histogram;
use shared::units::Nanos;

/// The lateness of each wake-up. Equal ones in a row are recorded together: in a simulation all are equal.
#[derive(Debug, Default)]
pub(super) struct Lateness {
    recorded: RefCell<Histogram>,
    /// The lateness of the last wake-ups, and how many of them in a row had it, which are not recorded yet.
    last: Cell<Nanos>,
    in_a_row: Cell<u64>,
}

impl Lateness {
    /// A wake-up was late by `span`.
    #[inline(always)]
    pub(super) fn note(&self, span: Nanos) {
        if span != self.last.get() {
            self.record();
            self.last.set(span);
        }
        self.in_a_row.set(self.in_a_row.get() + 1);
    }

    #[inline(never)]
    fn record(&self) {
        self.recorded.borrow_mut().record(self.last.get().0, self.in_a_row.take());
    }

    /// All of them so far.
    pub(super) fn histogram(&self) -> Histogram {
        self.record();
        self.recorded.borrow().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wake_up_counts_once_however_often_it_is_read() {
        let late = Lateness::default();
        assert_eq!(late.histogram().count(), 0);
        for span in [0, 0, 7, 7, 0, 9] {
            late.note(Nanos(span));
        }
        for _ in 0..2 {
            let all = late.histogram();
            assert_eq!((all.count(), all.sum(), all.min(), all.max()), (6, 23, 0, 9));
        }
        late.note(Nanos(9));
        assert_eq!((late.histogram().count(), late.histogram().sum()), (7, 32));
    }
}
