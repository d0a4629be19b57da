//! Records on their way into the socket.

use std::collections::{TryReserveError, VecDeque};

use crate::wire::MAX_CONTROL;

/// Bytes of control messages that may wait together with a full ring: a farewell, at most.
const CONTROL_ROOM: usize = 2 * MAX_CONTROL;

/// Encoded records that the kernel did not take yet.
#[derive(Debug, Default)]
pub(in crate::ring) struct Outbox {
    /// Records, one behind the other; those before `sent` are gone already.
    sending: Vec<u8>,
    sent: usize,
    /// Records behind those. The two change places once `sending` is gone, so that no byte moves
    /// twice, and appending stays as cheap as it can be.
    filling: Vec<u8>,
    /// Bytes that ever left.
    left: u64,
    /// Where each unsent record ends that occupies a slot, in bytes since the session began.
    ends: VecDeque<u64>,
}

impl Outbox {
    /// Room for `slots` records of `len` bytes each that occupy a slot, and for control messages beside them. So
    /// nothing grows later, in the middle of a session.
    ///
    /// # Errors
    /// If there is no memory for it.
    pub(in crate::ring) fn obtain(slots: usize, len: usize) -> Result<Self, TryReserveError> {
        let mut outbox = Self::default();
        let bytes = slots * len + CONTROL_ROOM;
        // The two change places, so each of them may hold everything.
        outbox.sending.try_reserve_exact(bytes)?;
        outbox.filling.try_reserve_exact(bytes)?;
        outbox.ends.try_reserve_exact(slots)?;
        Ok(outbox)
    }

    /// Appends part of a record.
    pub(in crate::ring) fn push(&mut self, part: &[u8]) {
        self.filling.extend_from_slice(part);
    }

    /// Says that a frame or a completion ends here: something that is counted once it left.
    pub(super) fn end_slot(&mut self) {
        self.ends.push_back(self.left + self.len() as u64);
    }

    /// Bytes that have not left.
    pub(super) fn len(&self) -> usize {
        self.sending.len() - self.sent + self.filling.len()
    }

    /// What the kernel shall get next, in two parts.
    pub(super) fn unsent(&self) -> (&[u8], &[u8]) {
        (&self.sending[self.sent..], &self.filling)
    }

    /// Frames or completions that have not left, or not all of them.
    pub(in crate::ring) fn unsent_slots(&self) -> usize {
        self.ends.len()
    }

    /// The kernel took `len` bytes. Returns how many frames or completions have left with them.
    pub(super) fn took(&mut self, len: usize) -> usize {
        self.left += len as u64;
        self.sent += len;
        if self.sent >= self.sending.len() {
            self.sent -= self.sending.len();
            self.sending.clear();
            std::mem::swap(&mut self.sending, &mut self.filling);
        }
        let before = self.ends.len();
        while self.ends.front().is_some_and(|end| *end <= self.left) {
            self.ends.pop_front();
        }
        before - self.ends.len()
    }

    /// Forgets what nobody will read any more.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(outbox: &Outbox) -> impl Iterator<Item = u8> {
        let (front, back) = outbox.unsent();
        front.iter().chain(back).copied()
    }

    #[test]
    fn a_record_counts_once_its_last_byte_left() {
        let mut outbox = Outbox::default();
        outbox.push(b"abc");
        outbox.end_slot();
        outbox.push(b"control");
        outbox.push(b"de");
        outbox.end_slot();
        assert_eq!((outbox.took(2), outbox.unsent_slots()), (0, 2));
        assert_eq!((outbox.took(1), outbox.unsent_slots()), (1, 1));
        assert!(both(&outbox).eq(*b"controlde"));
        assert_eq!((outbox.took(8), outbox.took(1)), (0, 1));
        assert_eq!(outbox.len(), 0);
    }

    proptest! {
        /// However the kernel takes them, the bytes come out as they went in, and every record is
        /// counted exactly once.
        #[test]
        fn bytes_keep_their_order(moves in proptest::collection::vec((0usize..20, 0usize..30), 0..200)) {
            let (mut outbox, mut written, mut read) = (Outbox::default(), Vec::new(), Vec::new());
            let (mut pushed, mut counted) = (0, 0);
            for (push, take) in moves {
                let part = vec![pushed as u8; push + 1];
                outbox.push(&part);
                outbox.end_slot();
                written.extend_from_slice(&part);
                pushed += 1;
                let take = take.min(outbox.len());
                read.extend(both(&outbox).take(take));
                counted += outbox.took(take);
                prop_assert_eq!(counted + outbox.unsent_slots(), pushed);
            }
            read.extend(both(&outbox));
            prop_assert_eq!(read, written);
        }
    }
}
