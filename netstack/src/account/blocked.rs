//! Blocked time: a wait of a send, from its begin to its end.

use std::rc::Rc;

use shared::units::Nanos;

use super::timeline::Awaiting;
use super::{Account, Stage, Timed};

/// A wait that has begun. Dropping it adds the time since then to the account, whether the wait became ready or was
/// cancelled.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub struct Blocked {
    account: Rc<Account>,
    stage: Stage,
    since: Nanos,
    /// A wait for the budget ends when a packet settles.
    _awaiting: Option<Awaiting>,
}

impl Blocked {
    pub(super) fn begin(account: Rc<Account>, stage: Stage) -> Self {
        account.timeline.wait_begins();
        let awaiting = (stage == Stage::Budget).then(|| account.timeline.await_settling());
        Self { since: account.timeline.now(), account, stage, _awaiting: awaiting }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        self.account.timeline.wait_ends();
        let span = self.account.timeline.now().since(self.since);
        // A send that is polled once and dropped at the same time has not waited.
        if span > Nanos::ZERO {
            self.account.times.record(Timed::Wait(self.stage), span.0, 1);
        }
    }
}
