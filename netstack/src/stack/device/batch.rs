//! Completions that are alike, settled as one.
//!
//! Packets that an app sent in one turn, and that the driver completed in one of its turns, share all
//! of their times. So an account and its histograms are told once for all of them: what they say is
//! the same, and a packet costs a comparison.

use shared::ring::Status;
use shared::units::Nanos;

use super::pending::Pending;

/// What completions have in common that are settled together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Alike {
    pub(super) flow: u32,
    pub(super) status: Status,
    pub(super) intended: Nanos,
    pub(super) accepted: Nanos,
    pub(super) submitted: Nanos,
    pub(super) completed: Nanos,
}

/// Completed packets in a row that are alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Batch {
    pub(super) alike: Alike,
    pub(super) packets: u64,
    /// Bytes of payload.
    pub(super) bytes: u64,
}

impl Batch {
    /// None at all, and like nothing.
    pub(super) fn none() -> Self {
        Self { packets: 0, ..Self::of(&Pending::VACANT, Status::Sent, Nanos::ZERO) }
    }

    /// One packet.
    #[inline(always)]
    pub(super) fn of(pending: &Pending, status: Status, completed: Nanos) -> Self {
        let &Pending { flow, intended, accepted, submitted, .. } = pending;
        let alike = Alike { flow, status, intended, accepted, submitted, completed };
        Self { alike, packets: 1, bytes: pending.bytes() }
    }

    /// Takes `next` in, if it is alike. Returns whether it was.
    #[inline(always)]
    pub(super) fn takes_in(&mut self, next: &Self) -> bool {
        let alike = next.alike == self.alike;
        if alike {
            self.packets += next.packets;
            self.bytes += next.bytes;
        }
        alike
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Packet, Stamp};

    fn one(flow: u32, bytes: usize, completed: u64) -> Batch {
        let payload = vec![0; bytes];
        let packet = Packet::new(&mut Headroom::default(), &payload, Stamp { flow, ..Stamp::default() });
        Batch::of(&Pending::of(&packet, Nanos::ZERO), Status::Sent, Nanos(completed))
    }

    #[test]
    fn what_is_alike_adds_up_and_what_is_not_stays_out() {
        let mut batch = one(1, 10, 5);
        assert!(batch.takes_in(&one(1, 20, 5)));
        assert!(!batch.takes_in(&one(1, 1, 6)) && !batch.takes_in(&one(2, 1, 5)));
        assert_eq!((batch.packets, batch.bytes, batch.alike.completed), (2, 30, Nanos(5)));
    }
}
