//! Blocked time: a wait of a send, from its begin to its end.

use std::borrow::Borrow;
use std::rc::Rc;

use shared::units::Nanos;

use super::timeline::Awaiting;
use super::{Account, Stage, Timed};

/// A wait that has begun. Dropping it adds the time since then to the account, whether the wait became ready or was
/// cancelled.
#[derive(Debug)]
#[must_use = "the wait ends when this is dropped"]
pub struct Blocked<A: Borrow<Account> = Rc<Account>> {
    account: A,
    stage: Stage,
    since: Nanos,
    /// Whether it has been ended.
    over: bool,
    /// A wait for the budget ends when a packet settles.
    _awaiting: Option<Awaiting>,
}

impl<A: Borrow<Account>> Blocked<A> {
    pub(super) fn begin(account: A, stage: Stage) -> Self {
        let Account { timeline, id, .. } = account.borrow();
        let since = timeline.wait_begins(*id, stage);
        let awaiting = (stage == Stage::Budget).then(|| timeline.await_settling());
        Self { since, account, stage, over: false, _awaiting: awaiting }
    }

    /// Ends the wait, as dropping it does. Returns how long it lasted.
    #[inline(always)]
    pub fn end(mut self) -> Nanos {
        self.finish()
    }

    /// Ends the wait, unless it has been ended.
    // Inlined, so that `end` is one call: what it then drops is known to be over.
    #[inline(always)]
    fn finish(&mut self) -> Nanos {
        if std::mem::replace(&mut self.over, true) {
            return Nanos::ZERO;
        }
        let account = self.account.borrow();
        let span = account.timeline.wait_ends(account.id, self.stage).since(self.since);
        // A send that is polled once and dropped at the same time has not waited.
        if span > Nanos::ZERO {
            account.times.record(Timed::Wait(self.stage), span.0, 1);
        }
        span
    }
}

impl<A: Borrow<Account>> Drop for Blocked<A> {
    #[inline]
    fn drop(&mut self) {
        self.finish();
    }
}
