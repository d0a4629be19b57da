//! The in-flight table: the stack's private record of the frames in the ring, in ring order.
//!
//! Packets of one batch share their times, and often their size: they are recorded as one group, and those that
//! complete together are settled together. The packets of an app that is behind its schedule differ in their intended
//! times: they are groups of one. Frames complete in the order in which they were submitted, so a FIFO is
//! enough to find the packet of a slot.

use std::collections::VecDeque;

use shared::ring::{Descriptor, Frame};
use shared::units::Nanos;

use crate::packet::{Packet, Stamp};

/// The private record of a packet, for settling it later. It is never read back from the ring, which the driver can
/// write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct PacketRecord {
    pub(super) flow: u32,
    /// Bytes of payload. A `u32` is enough for any frame.
    bytes: u32,
    sequence: u64,
    pub(super) intended: Nanos,
    pub(super) accepted: Nanos,
    /// When it was submitted to the ring and so occupies a slot; equal to `accepted` until then.
    pub(super) submitted: Nanos,
}

impl PacketRecord {
    #[inline(always)]
    pub(super) fn of(packet: &Packet<'_>, accepted: Nanos) -> Self {
        let Stamp { flow, sequence, intended } = packet.stamp();
        // The cast cannot truncate: the IP layer limits a packet to the MTU.
        Self { flow, bytes: packet.payload().len() as u32, sequence, intended, accepted, submitted: accepted }
    }

    /// Bytes of payload.
    #[inline(always)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.into()
    }

    /// The record of a packet that differs from this one in its intended time.
    #[inline(always)]
    pub(super) fn intended_for(self, intended: Nanos) -> Self {
        Self { intended, ..self }
    }

    /// Merge key: whether `other` differs in the sequence number only, so both may be kept in one group.
    #[inline(always)]
    pub(super) fn differs_only_in_sequence_from(&self, other: &Self) -> bool {
        Self { sequence: other.sequence, ..*self } == *other
    }

    /// The descriptor that the driver receives with a frame of `len` bytes (at most [`shared::ring::MAX_FRAME`]).
    #[inline(always)]
    pub(super) fn descriptor(&self, len: usize) -> Descriptor {
        Descriptor { len: len as u32, flow: self.flow, sequence: self.sequence, submitted: self.submitted }
    }
}

/// Groups of packets that occupy slots, oldest first.
#[derive(Debug)]
pub(super) struct InFlight(VecDeque<FrameGroup>);

/// Consecutive packets whose records differ in the sequence number only; may be empty.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameGroup {
    /// The record of the first packet.
    pub(super) each: PacketRecord,
    /// How many packets there are.
    pub(super) packets: u64,
}

impl FrameGroup {
    /// A group of one packet.
    #[inline(always)]
    pub(super) fn of(each: PacketRecord) -> Self {
        Self { each, packets: 1 }
    }

    /// The frame of `packet`, which belongs to this group.
    #[inline(always)]
    pub(super) fn frame<'a>(&self, packet: Packet<'a>) -> Frame<'a> {
        let sequence = packet.stamp().sequence;
        let descriptor = Descriptor { sequence, ..self.each.descriptor(packet.len()) };
        let (headers, payload) = packet.into_parts();
        Frame { descriptor, headers, payload }
    }

    /// Bytes of payload of all packets together.
    pub(super) fn bytes(&self) -> u64 {
        self.each.bytes() * self.packets
    }
}

impl InFlight {
    /// An empty table. `most` is the depth of the ring; with that capacity the table never reallocates.
    pub(super) fn new(most: usize) -> Self {
        Self(VecDeque::with_capacity(most))
    }

    /// Appends `group`: its packets occupy the next slots. Packets like the last ones extend the last group.
    #[inline(always)]
    pub(super) fn push(&mut self, group: FrameGroup) {
        match self.0.back_mut() {
            Some(last) if last.each.differs_only_in_sequence_from(&group.each) => last.packets += group.packets,
            _ if group.packets > 0 => self.0.push_back(group),
            _ => {}
        }
    }

    /// Removes up to `most` of the oldest packets, as many as differ in sequence and intended time only, and returns them
    /// as one group; their slots are free afterwards. Calls `each` for every part of it with one intended time.
    pub(super) fn pop(&mut self, most: u64, mut each: impl FnMut(&FrameGroup)) -> Option<FrameGroup> {
        let mut popped = self.pop_part(most)?;
        each(&popped);
        while popped.packets < most
            && let Some(next) = self.0.front()
            && popped.each.intended_for(next.each.intended).differs_only_in_sequence_from(&next.each)
            && let Some(part) = self.pop_part(most - popped.packets)
        {
            each(&part);
            popped.packets += part.packets;
        }
        Some(popped)
    }

    /// Removes and returns packets of the oldest group, `most` at most.
    #[inline(always)]
    fn pop_part(&mut self, most: u64) -> Option<FrameGroup> {
        let oldest = self.0.front_mut()?;
        let packets = oldest.packets.min(most);
        let part = FrameGroup { packets, ..*oldest };
        oldest.packets -= packets;
        if oldest.packets == 0 {
            self.0.pop_front();
        }
        Some(part)
    }

    /// When the oldest packet was submitted.
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.0.front().map(|group| group.each.submitted)
    }

    /// How many packets were submitted after `time`.
    pub(super) fn submitted_after(&self, time: Nanos) -> u64 {
        let later = self.0.iter().rev().take_while(|group| group.each.submitted > time);
        later.map(|group| group.packets).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use shared::ring::HEADROOM;

    fn record(flow: u32, bytes: usize, accepted: u64) -> PacketRecord {
        let payload = vec![0; bytes];
        PacketRecord::of(
            &Packet::new(&mut [0; HEADROOM], &payload, Stamp { flow, ..Stamp::default() }),
            Nanos(accepted),
        )
    }

    proptest! {
        /// Packet by packet the table is a FIFO, for any division of the packets into groups.
        #[test]
        fn groups_keep_every_packet_in_order(moves in proptest::collection::vec((0u32..2, 1usize..3, 0u64..2, 0u64..4), 0..100)) {
            let (mut groups, mut plain) = (InFlight::new(4), VecDeque::new());
            for (flow, bytes, accepted, most) in moves {
                groups.push(FrameGroup::of(record(flow, bytes, accepted)));
                plain.push_back((flow, bytes as u64, accepted));
                let mut left = most;
                while left > 0 && let Some(group) = groups.pop(left, |_| {}) {
                    prop_assert!((1..=left).contains(&group.packets));
                    left -= group.packets;
                    for _ in 0..group.packets {
                        let each = (group.each.flow, group.bytes() / group.packets, group.each.accepted.0);
                        prop_assert_eq!(plain.pop_front(), Some(each));
                    }
                }
                prop_assert!(left == 0 || plain.is_empty());
            }
        }
    }

    #[test]
    fn packets_that_differ_in_sequence_only_are_one_group() {
        let mut groups = InFlight::new(4);
        for (flow, bytes) in [(1, 10), (1, 10), (1, 20), (2, 20)] {
            groups.push(FrameGroup::of(record(flow, bytes, 5)));
        }
        let popped: Vec<_> =
            std::iter::from_fn(|| groups.pop(9, |_| {})).map(|group| (group.packets, group.bytes())).collect();
        assert_eq!(popped, [(2, 20), (1, 20), (1, 20)]);
    }

    #[test]
    fn packets_that_differ_in_intended_time_too_are_popped_together_and_their_times_are_reported() {
        let mut groups = InFlight::new(4);
        let each = record(1, 10, 5);
        for (each, packets) in [(each, 2), (each.intended_for(Nanos(7)), 3), (record(2, 10, 5), 1)] {
            groups.push(FrameGroup { each, packets });
        }
        let (mut times, mut popped) = (Vec::new(), Vec::new());
        while let Some(group) = groups.pop(4, |part| times.push((part.each.intended.0, part.packets))) {
            popped.push((group.each.flow, group.packets));
        }
        assert_eq!((popped, times), (vec![(1, 4), (1, 1), (2, 1)], vec![(0, 2), (7, 2), (7, 1), (0, 1)]));
    }
}
