//! The transmit queue in front of the ring, for head drop ([`super::Policy::DropOldest`]).

use shared::ring::MAX_FRAME;

use super::pending::Pending;
use crate::stack::Packet;

/// A circular queue of whole frames. All of its places are allocated beforehand.
#[derive(Debug)]
pub(super) struct TxQueue {
    places: Vec<Place>,
    head: usize,
    len: usize,
}

#[derive(Debug, Clone)]
struct Place {
    pending: Pending,
    len: usize,
    bytes: Box<[u8]>,
}

impl TxQueue {
    pub(super) fn new(places: usize) -> Self {
        let empty = Place { pending: Pending::default(), len: 0, bytes: vec![0; MAX_FRAME].into() };
        Self { places: vec![empty; places], head: 0, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Appends a frame. If the queue is full, it first removes its oldest frame, and returns the record of that one.
    pub(super) fn push(&mut self, packet: &Packet<'_>, pending: Pending) -> Option<Pending> {
        let oldest = if self.len == self.places.len() { self.pop_with(|pending, _| pending) } else { None };
        let end = (self.head + self.len) % self.places.len();
        let place = &mut self.places[end];
        let (headers, payload) = (packet.headers(), packet.payload());
        place.bytes[..headers.len()].copy_from_slice(headers);
        place.bytes[headers.len()..packet.len()].copy_from_slice(payload);
        place.len = packet.len();
        place.pending = pending;
        self.len += 1;
        oldest
    }

    /// Removes the oldest frame, and returns what `use_frame` makes of it; `None` if the queue is empty.
    pub(super) fn pop_with<T>(&mut self, use_frame: impl FnOnce(Pending, &[u8]) -> T) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let place = &self.places[self.head];
        let result = use_frame(place.pending, &place.bytes[..place.len]);
        self.head = (self.head + 1) % self.places.len();
        self.len -= 1;
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stamp;
    use shared::ring::HEADROOM;
    use shared::units::Nanos;

    fn push(queue: &mut TxQueue, sequence: u64) -> Option<u64> {
        let bytes = sequence.to_be_bytes();
        let mut headroom = [0; HEADROOM];
        let packet = Packet::new(&mut headroom, &bytes, Stamp { sequence, ..Stamp::default() });
        queue.push(&packet, Pending::of(&packet, Nanos(sequence))).map(|oldest| oldest.accepted.0)
    }

    #[test]
    fn a_full_queue_removes_its_oldest_frame_for_the_newest() {
        let mut queue = TxQueue::new(2);
        assert_eq!([push(&mut queue, 1), push(&mut queue, 2), push(&mut queue, 3)], [None, None, Some(1)]);
        let mut pop = || queue.pop_with(|pending, bytes| (pending.accepted.0, bytes.to_vec()));
        assert_eq!(pop(), Some((2, 2u64.to_be_bytes().to_vec())));
        assert_eq!(pop().map(|(sequence, _)| sequence), Some(3));
        assert_eq!(pop(), None);
    }
}
