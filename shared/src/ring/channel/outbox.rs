//! The send buffer: records that wait to be written to the socket.

use std::collections::{TryReserveError, VecDeque};

use crate::control::MAX_CONTROL;

/// Bytes reserved for control messages that wait together with a full ring. At most the farewell does.
const CONTROL_ROOM: usize = 2 * MAX_CONTROL;

/// Encoded records that the kernel has not taken yet.
#[derive(Debug, Default)]
pub(in crate::ring) struct Outbox {
    /// The records to write first; the first `sent` bytes are written already.
    sending: Vec<u8>,
    sent: usize,
    /// Records to write after those; new ones are appended here. The two are swapped once all of `sending` is
    /// written, so that no byte is moved within a buffer.
    filling: Vec<u8>,
    /// Bytes written since the session began.
    left: u64,
    /// Where each unsent frame or completion ends, in bytes since the session began.
    ends: VecDeque<u64>,
}

impl Outbox {
    /// An outbox with memory for `slots` frames or completions of `len` bytes each and for control messages, so that
    /// it never has to grow during a session.
    ///
    /// # Errors
    /// If that memory cannot be allocated.
    pub(in crate::ring) fn obtain(slots: usize, len: usize) -> Result<Self, TryReserveError> {
        let mut outbox = Self::default();
        let bytes = slots * len + CONTROL_ROOM;
        // The two are swapped, so each must be able to hold everything.
        outbox.sending.try_reserve_exact(bytes)?;
        outbox.filling.try_reserve_exact(bytes)?;
        outbox.ends.try_reserve_exact(slots)?;
        Ok(outbox)
    }

    /// Appends part of a record.
    pub(in crate::ring) fn push(&mut self, part: &[u8]) {
        self.filling.extend_from_slice(part);
    }

    /// Marks the end of a frame or completion, which [`Outbox::took`] counts once it is written.
    pub(super) fn end_slot(&mut self) {
        self.ends.push_back(self.left + self.len() as u64);
    }

    /// Unsent bytes.
    pub(super) fn len(&self) -> usize {
        self.sending.len() - self.sent + self.filling.len()
    }

    /// The unsent bytes, in two parts.
    pub(super) fn unsent(&self) -> (&[u8], &[u8]) {
        (&self.sending[self.sent..], &self.filling)
    }

    /// Frames or completions that are not fully written.
    pub(in crate::ring) fn unsent_slots(&self) -> usize {
        self.ends.len()
    }

    /// Records that the kernel took `len` bytes. Returns how many frames or completions are now fully written.
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

    /// Discards everything unsent: the peer is gone.
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
    fn a_record_counts_once_its_last_byte_is_written() {
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
        /// However many bytes the kernel takes at a time, their order is kept, and every record is counted exactly
        /// once.
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
