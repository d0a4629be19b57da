//! Room in the ring: who holds it while others wait for it, and how fast a full ring stops the senders.

use shared::ledger::Histogram;
use shared::report::BlameRow;
use shared::units::Nanos;

use super::blame::Blame;

/// What happens to the slots of the ring, and to the sends that find none.
#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) blame: Blame,
    /// When the last free slot was taken, if no send has found the ring full since then.
    full_since: Option<Nanos>,
    full_to_stop: Histogram,
}

impl Room {
    /// The last free slot was taken at `now`.
    #[inline(always)]
    pub(super) fn fill(&mut self, now: Nanos) {
        self.full_since = Some(now);
    }

    /// A send found no room at `now`: it waits, is refused or dropped, or goes to the transmit queue.
    #[inline]
    pub(super) fn stop(&mut self, now: Nanos) {
        if let Some(since) = self.full_since.take() {
            self.full_to_stop.record(now.since(since).0, 1);
        }
    }

    /// A send of `app` begins to wait for room at `now`.
    #[inline]
    pub(super) fn begin_wait(&mut self, app: u32, now: Nanos) {
        self.stop(now);
        self.blame.begin(app, now);
    }

    /// The figures at the end, at `now`, on a ring of `depth` slots.
    pub(super) fn figures(&self, depth: u32, now: Nanos) -> RoomFigures {
        RoomFigures { blame: self.blame.rows(depth, now), full_to_stop: self.full_to_stop.clone() }
    }
}

/// The figures of a run about room in the ring.
#[derive(Debug, Clone, Default)]
pub struct RoomFigures {
    /// For each app who held the slots while it waited for room; `None` if there were too many apps.
    pub blame: Option<Vec<BlameRow>>,
    /// Nanoseconds from the acceptance that took the last free slot to the next send that found none.
    pub full_to_stop: Histogram,
}
