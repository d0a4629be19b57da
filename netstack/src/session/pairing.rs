//! Two runs that end together: of two hosts on one wire, in one simulation.
//!
//! A host whose apps have sent everything still receives what the other one sends. So each of them goes on until both have
//! sent, and some time longer, for what is on the wire.

use std::cell::Cell;
use std::rc::Rc;

use shared::exec::Signal;
use shared::units::Nanos;

/// Time for which both go on after both have sent. At 1 Gbit/s it is enough for 8000 full-size frames, more than a wire and a
/// receive ring of the default depth hold.
pub(super) const GRACE: Nanos = Nanos::from_millis(100);

/// One side of two runs that end together.
#[derive(Debug, Clone)]
pub struct Pairing {
    both: Rc<Both>,
    side: usize,
}

#[derive(Debug, Default)]
struct Both {
    /// Whether each side has sent everything.
    sent: [Cell<bool>; 2],
    changed: Signal,
}

impl Pairing {
    /// Both sides.
    pub fn sides() -> [Self; 2] {
        let both = Rc::<Both>::default();
        [0, 1].map(|side| Self { both: Rc::clone(&both), side })
    }

    /// This side has sent everything.
    pub(super) fn note_sent(&self) {
        self.both.sent[self.side].set(true);
        self.both.changed.notify();
    }

    /// Ready once both sides have sent everything.
    pub(super) async fn both_sent(&self) {
        let all = || self.both.sent.iter().all(Cell::get).then_some(());
        self.both.changed.wait_for(all).await;
    }
}
