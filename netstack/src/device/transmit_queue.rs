//! The transmit queue in front of the ring, for head drop ([`super::Policy::DropOldest`]).

use shared::ring::MAX_FRAME;

use super::in_flight::PacketRecord;
use crate::packet::{Packet, WaitTimes};

/// A circular queue of whole frames. All of its places are allocated beforehand.
#[derive(Debug)]
pub(super) struct TransmitQueue {
    frames: Vec<QueuedFrame>,
    head: usize,
    len: usize,
}

#[derive(Debug, Clone)]
struct QueuedFrame {
    record: PacketRecord,
    waits: Option<WaitTimes>,
    len: usize,
    bytes: Box<[u8]>,
}

impl TransmitQueue {
    pub(super) fn new(places: usize) -> Self {
        let (record, waits) = (PacketRecord::default(), None);
        let empty = QueuedFrame { record, waits, len: 0, bytes: vec![0; MAX_FRAME].into() };
        Self { frames: vec![empty; places], head: 0, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a frame. If the queue is full, it first removes its oldest frame, and returns the record of that one.
    pub(super) fn push(&mut self, packet: &Packet<'_>, record: PacketRecord) -> Option<PacketRecord> {
        let oldest = if self.len == self.frames.len() { self.pop_with(|record, _, _| record) } else { None };
        let end = (self.head + self.len) % self.frames.len();
        let queued = &mut self.frames[end];
        let (headers, payload) = (packet.headers(), packet.payload());
        queued.bytes[..headers.len()].copy_from_slice(headers);
        queued.bytes[headers.len()..packet.len()].copy_from_slice(payload);
        queued.len = packet.len();
        queued.record = record;
        queued.waits = packet.take_waits();
        self.len += 1;
        oldest
    }

    /// Removes the oldest frame, and returns what `use_frame` makes of it; `None` if the queue is empty.
    pub(super) fn pop_with<T>(
        &mut self,
        use_frame: impl FnOnce(PacketRecord, Option<WaitTimes>, &[u8]) -> T,
    ) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let queued = &self.frames[self.head];
        let result = use_frame(queued.record, queued.waits, &queued.bytes[..queued.len]);
        self.head = (self.head + 1) % self.frames.len();
        self.len -= 1;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Stamp;
    use shared::ring::HEADROOM;
    use shared::units::Nanos;

    fn push(queue: &mut TransmitQueue, sequence: u64) -> Option<u64> {
        let bytes = sequence.to_be_bytes();
        let mut headroom = [0; HEADROOM];
        let packet = Packet::new(&mut headroom, &bytes, Stamp { sequence, ..Stamp::default() });
        queue.push(&packet, PacketRecord::of(&packet, Nanos(sequence))).map(|oldest| oldest.accepted.0)
    }

    #[test]
    fn a_full_queue_removes_its_oldest_frame_for_the_newest() {
        let mut queue = TransmitQueue::new(2);
        assert_eq!([push(&mut queue, 1), push(&mut queue, 2), push(&mut queue, 3)], [None, None, Some(1)]);
        let mut pop = || queue.pop_with(|record, _, bytes| (record.accepted.0, bytes.to_vec()));
        assert_eq!(pop(), Some((2, 2u64.to_be_bytes().to_vec())));
        assert_eq!(pop().map(|(sequence, _)| sequence), Some(3));
        assert_eq!(pop(), None);
    }
}
