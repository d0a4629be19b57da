//! The send buffer: records that wait to be written to the socket.

use std::collections::{TryReserveError, VecDeque};

use crate::control::MAX_CONTROL;

/// Bytes reserved for control messages that are queued behind the records of a full ring: at most the farewell is.
const CONTROL_ROOM: usize = 2 * MAX_CONTROL;

/// Encoded records that the kernel has not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// The records to write first; the first `sent` bytes are written already.
    sending: Vec<u8>,
    sent: usize,
    /// Records to write after those; new ones are appended here. The two are swapped once all of `sending` is
    /// written, so that no byte is moved within a buffer.
    filling: Vec<u8>,
    /// Bytes written since the session began.
    left: u64,
    /// Where each unsent frame or completion ends, in bytes since the session began, and which end of a ring sent it.
    ends: VecDeque<(u64, Role)>,
}

impl Outbox {
    /// An outbox with memory for `slots` frames or completions of `len` bytes each and for control messages, so that
    /// it never has to grow during a session.
    ///
    /// # Errors
    /// If that memory cannot be allocated.
    pub(crate) fn obtain(slots: usize, len: usize) -> Result<Self, TryReserveError> {
        let mut outbox = Self::default();
        outbox.reserve(slots, slots * len + CONTROL_ROOM)?;
        Ok(outbox)
    }

    fn reserve(&mut self, slots: usize, bytes: usize) -> Result<(), TryReserveError> {
        // The two are swapped, so each must be able to hold everything.
        self.sending.try_reserve_exact(bytes)?;
        self.filling.try_reserve_exact(bytes)?;
        self.ends.try_reserve_exact(slots)
    }

    /// Takes over the memory of `other`, which is empty: another ring of the same connection.
    ///
    /// # Errors
    /// If there was memory before, and it cannot grow by that much.
    pub(super) fn add(&mut self, other: Self) -> Result<(), TryReserveError> {
        if self.ends.capacity() == 0 && self.len() == 0 {
            *self = other;
            return Ok(());
        }
        self.reserve(self.ends.len() + other.ends.capacity(), self.len() + other.sending.capacity())
    }

    /// Appends part of a record.
    pub(crate) fn push(&mut self, part: &[u8]) {
        self.filling.extend_from_slice(part);
    }

    /// Marks the end of a frame or completion of `from`, which [`Outbox::took`] reports once it is written.
    pub(super) fn end_slot(&mut self, from: Role) {
        self.ends.push_back((self.left + self.len() as u64, from));
    }

    /// Unsent bytes.
    pub(super) fn len(&self) -> usize {
        self.sending.len() - self.sent + self.filling.len()
    }

    /// The unsent bytes, in two parts.
    pub(super) fn unsent(&self) -> (&[u8], &[u8]) {
        (&self.sending[self.sent..], &self.filling)
    }

    /// Records that the kernel took `len` bytes. Calls `left` for each frame or completion that is now fully written.
    pub(super) fn took(&mut self, len: usize, mut left: impl FnMut(Role)) {
        self.left += len as u64;
        self.sent += len;
        if self.sent >= self.sending.len() {
            self.sent -= self.sending.len();
            self.sending.clear();
            std::mem::swap(&mut self.sending, &mut self.filling);
        }
        while let Some((_, from)) = self.ends.pop_front_if(|(end, _)| *end <= self.left) {
            left(from);
        }
    }

    /// Discards everything unsent: the peer is gone.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

/// Which end of a ring a record belongs to. A frame record or a completion record names no ring, so the records of a
/// connection belong to one producer's end and one consumer's end at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// The end that submits frames.
    Producer,
    /// The end that takes frames.
    Consumer,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn both(outbox: &Outbox) -> impl Iterator<Item = u8> {
        let (front, back) = outbox.unsent();
        front.iter().chain(back).copied()
    }

    /// The ends whose records left when the kernel took `len` bytes.
    fn took(outbox: &mut Outbox, len: usize) -> Vec<Role> {
        let mut left = Vec::new();
        outbox.took(len, |from| left.push(from));
        left
    }

    #[test]
    fn a_record_counts_once_its_last_byte_is_written() {
        let mut outbox = Outbox::default();
        outbox.push(b"abc");
        outbox.end_slot(Role::Producer);
        outbox.push(b"control");
        outbox.push(b"de");
        outbox.end_slot(Role::Consumer);
        assert_eq!((took(&mut outbox, 2), outbox.ends.len()), (vec![], 2));
        assert_eq!((took(&mut outbox, 1), outbox.ends.len()), (vec![Role::Producer], 1));
        assert!(both(&outbox).eq(*b"controlde"));
        assert_eq!((took(&mut outbox, 8), took(&mut outbox, 1)), (vec![], vec![Role::Consumer]));
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
                outbox.end_slot(Role::Producer);
                written.extend_from_slice(&part);
                pushed += 1;
                let take = take.min(outbox.len());
                read.extend(both(&outbox).take(take));
                counted += took(&mut outbox, take).len();
                prop_assert_eq!(counted + outbox.ends.len(), pushed);
            }
            read.extend(both(&outbox));
            prop_assert_eq!(read, written);
        }
    }
}
