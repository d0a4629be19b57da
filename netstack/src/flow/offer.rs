//! An offered packet, until it is accepted or refused.

use shared::ledger::RefuseReason;

use super::Flow;
use crate::stack::SendError;

/// A packet that was offered, and is neither accepted nor refused yet. Dropping it counts as cancelled by the app.
#[derive(Debug)]
#[must_use = "an offer that is dropped counts as cancelled by the app"]
pub struct Offer<'a> {
    flow: &'a Flow,
    open: bool,
}

impl<'a> Offer<'a> {
    pub(super) fn open(flow: &'a Flow) -> Self {
        Self { flow, open: true }
    }
}

impl Offer<'_> {
    /// Closes the offer with the result of the send, and returns that. The device has counted an accepted packet; a
    /// failed send is counted here as refused.
    #[inline(always)]
    pub fn close(mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        match sent {
            Ok(()) => self.open = false,
            Err(error) => self.refused(error.reason()),
        }
        sent
    }

    /// Closes the offer as refused for `reason`.
    pub fn refused(mut self, reason: RefuseReason) {
        self.open = false;
        self.flow.refuse(reason, 1, self.flow.timeline.now());
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        if self.open {
            self.flow.refuse(RefuseReason::GaveUp, 1, self.flow.timeline.now());
        }
    }
}
