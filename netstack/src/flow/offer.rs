//! What an app wants to send, until it is known whether it may.

use shared::ledger::RefuseReason;

use super::Flow;
use crate::stack::SendError;

/// A packet that was offered and whose admission is not decided yet.
#[derive(Debug)]
#[must_use = "an offer that is dropped counts as given up"]
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
    /// What the stack said: accepted, which the device has counted, or refused.
    #[inline(always)]
    pub fn settle(mut self, sent: Result<(), SendError>) -> Result<(), SendError> {
        match sent {
            Ok(()) => self.open = false,
            Err(error) => self.refused(error.reason()),
        }
        sent
    }

    /// The app was told no.
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
