//! Whether the backend takes frames, and for how long it did not.

use shared::units::Nanos;

/// The state of the backend's sending side. Frames leave in order, so it is that of the oldest frame.
#[derive(Debug, Default)]
pub(super) struct Blocked {
    /// Since when the oldest frame waits for the backend.
    since: Option<Nanos>,
    /// Whether the backend has not become ready since it refused that frame last.
    waits: bool,
    /// When it last took a frame that had waited.
    last_until: Nanos,
    /// The time for which frames waited before.
    total: Nanos,
}

impl Blocked {
    /// Whether there is no point in offering the frame now.
    #[inline(always)]
    pub(super) fn waits(&self) -> bool {
        self.waits
    }

    /// The backend may be ready again.
    pub(super) fn retry(&mut self) {
        self.waits = false;
    }

    /// When a frame that is offered at `now`, and that could have been sent before, is sent if the backend takes it.
    #[inline(always)]
    pub(super) fn sends_at(&self, now: Nanos) -> Nanos {
        if self.since.is_some() { now } else { self.last_until }
    }

    /// Records an offer of `frames` frames at `now`, of which the backend took the first `taken`.
    #[inline(always)]
    pub(super) fn note(&mut self, taken: u64, frames: u64, now: Nanos) {
        if taken < frames || self.since.is_some() {
            self.changed(taken, frames, now);
        }
    }

    #[cold]
    fn changed(&mut self, taken: u64, frames: u64, now: Nanos) {
        self.waits = taken < frames;
        if taken > 0 && self.since.is_some() {
            self.last_until = now;
        }
        if self.waits {
            self.since.get_or_insert(now);
        } else {
            self.total = self.total(now);
            self.since = None;
        }
    }

    /// When the backend last took a frame that had waited for it: no frame behind that one was sent earlier.
    #[inline(always)]
    pub(super) fn last_until(&self) -> Nanos {
        self.last_until
    }

    /// The time for which frames waited until `now`.
    pub(super) fn total(&self, now: Nanos) -> Nanos {
        self.total + self.since.map_or(Nanos::ZERO, |since| now.since(since))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_lasts_until_all_frames_are_taken_and_those_that_waited_are_sent_then() {
        let mut blocked = Blocked::default();
        blocked.note(3, 3, Nanos(10));
        assert_eq!(
            (blocked.waits(), blocked.sends_at(Nanos(20)), blocked.total(Nanos(20))),
            (false, Nanos(0), Nanos(0))
        );
        blocked.note(1, 3, Nanos(20));
        assert!(blocked.waits());
        assert_eq!(blocked.last_until(), Nanos(0), "the first frame did not wait");
        blocked.retry();
        assert_eq!((blocked.waits(), blocked.sends_at(Nanos(50))), (false, Nanos(50)));
        blocked.note(1, 2, Nanos(50));
        assert_eq!((blocked.waits(), blocked.last_until(), blocked.total(Nanos(60))), (true, Nanos(50), Nanos(40)));
        blocked.retry();
        blocked.note(1, 1, Nanos(70));
        assert_eq!((blocked.waits(), blocked.last_until(), blocked.total(Nanos(99))), (false, Nanos(70), Nanos(50)));
        blocked.note(1, 1, Nanos(80));
        assert_eq!((blocked.sends_at(Nanos(90)), blocked.total(Nanos(99))), (Nanos(70), Nanos(50)));
    }
}
