//! The in-flight table: the stack's private record of the frames in the ring, in ring order.
//!
//! Packets of one batch share their times, and often their size: they are recorded as one group, and those that
//! complete together are settled together. The packets of an app that is behind its schedule differ in their intended
//! times: those are kept beside the group. Frames complete in the order in which they were submitted, so a FIFO is
//! enough to find the packet of a slot.

use std::collections::VecDeque;
use std::collections::vec_deque::Drain;
use std::iter::Take;

use shared::fifo::Fifo;
use shared::ring::{Descriptor, Frame};
use shared::units::Nanos;

use crate::packet::{Packet, Stamp, WaitPlace};

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
        Self::new(packet.stamp(), packet.payload().len(), accepted)
    }

    /// That of a packet with `bytes` of payload.
    #[inline(always)]
    pub(super) fn new(Stamp { flow, sequence, intended }: Stamp, bytes: usize, accepted: Nanos) -> Self {
        // The cast cannot truncate: the IP layer limits a packet to the MTU.
        Self { flow, bytes: bytes as u32, sequence, intended, accepted, submitted: accepted }
    }

    /// Bytes of payload.
    #[inline(always)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.into()
    }

    /// Whether `packet`, accepted at `accepted`, differs from this one in sequence number and intended time only.
    pub(super) fn is_like(&self, packet: &Packet<'_>, accepted: Nanos) -> bool {
        let other = Self::of(packet, accepted);
        Self { intended: other.intended, ..*self }.differs_only_in_sequence_from(&other)
    }

    /// Merge key: whether `other` differs in the sequence number only, so both may be kept in one group.
    #[inline(always)]
    fn differs_only_in_sequence_from(&self, other: &Self) -> bool {
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
pub(super) struct InFlight {
    groups: Fifo<FrameGroup>,
    /// For each group whose packets have intended times of their own, in order: all but that of its first packet.
    own_times: VecDeque<Nanos>,
    /// The depth of the ring.
    most: u64,
    /// Packets that were pushed so far.
    pushed: u64,
    /// Packets that were popped so far.
    popped: u64,
    /// The waits of the packets in the table: how many packets were pushed before each, where it waited and for how long.
    waits: Fifo<(u64, WaitPlace, Nanos)>,
}

/// Consecutive packets whose records differ in the sequence number, and in the intended time if `own_times` is set; may
/// be empty.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameGroup {
    /// The record of the first packet.
    pub(super) each: PacketRecord,
    /// How many packets there are.
    pub(super) packets: u64,
    /// Whether each packet has an intended time of its own.
    own_times: bool,
}

impl FrameGroup {
    /// A group of one packet.
    #[inline(always)]
    pub(super) fn of(each: PacketRecord) -> Self {
        Self { each, packets: 1, own_times: false }
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
        Self {
            groups: Fifo::with_capacity(most),
            own_times: VecDeque::with_capacity(most),
            most: most as u64,
            pushed: 0,
            popped: 0,
            waits: Fifo::default(),
        }
    }

    /// Packets that were pushed so far.
    #[inline(always)]
    pub(super) fn pushed(&self) -> u64 {
        self.pushed
    }

    /// Packets that were popped so far.
    #[inline(always)]
    pub(super) fn popped(&self) -> u64 {
        self.popped
    }

    /// Whether the packets in the table hold every slot.
    #[inline(always)]
    pub(super) fn is_full(&self) -> bool {
        self.pushed - self.popped >= self.most
    }

    /// The packet that is pushed next has waited at `place` for `span`.
    #[inline(always)]
    pub(super) fn note_wait(&mut self, place: WaitPlace, span: Nanos) {
        self.waits.push((self.pushed, place, span));
    }

    /// The oldest wait of a packet that was popped; each is returned once.
    #[inline(always)]
    pub(super) fn popped_wait(&mut self) -> Option<(WaitPlace, Nanos)> {
        self.waits.front().filter(|(before, ..)| *before < self.popped)?;
        self.waits.pop().map(|(_, place, span)| (place, span))
    }

    /// Appends `group`: its packets occupy the next slots. Packets like the last ones extend the last group.
    #[inline(always)]
    pub(super) fn push(&mut self, group: FrameGroup) {
        self.pushed += group.packets;
        match self.groups.back_mut() {
            Some(last)
                if !last.own_times && !group.own_times && last.each.differs_only_in_sequence_from(&group.each) =>
            {
                last.packets += group.packets;
            }
            _ if group.packets > 0 => self.groups.push(group),
            _ => {}
        }
    }

    /// Adds a packet to `group`, which is not empty and is the next one to be pushed. The packet may differ from the
    /// others in its sequence number and in its intended time. Those of one intended time may have to be pushed first;
    /// then `group` continues with this packet.
    #[inline(always)]
    pub(super) fn extend(&mut self, group: &mut FrameGroup, intended: Nanos) {
        if !group.own_times {
            if intended == group.each.intended {
                group.packets += 1;
                return;
            }
            if group.packets > 1 {
                let next = FrameGroup::of(PacketRecord { intended, ..group.each });
                self.push(std::mem::replace(group, next));
                return;
            }
            group.own_times = true;
        }
        self.own_times.push_back(intended);
        group.packets += 1;
    }

    /// Removes and returns packets of the oldest group, `most` at most, with their intended times; their slots are free
    /// afterwards.
    #[inline]
    pub(super) fn pop(&mut self, most: u64) -> Option<(FrameGroup, IntendedTimes<'_>)> {
        let oldest = self.groups.front_mut()?;
        let packets = oldest.packets.min(most);
        self.popped += packets;
        if packets == oldest.packets && !oldest.own_times {
            let group = self.groups.pop()?;
            return Some((group, IntendedTimes { first: Some((group.each.intended, packets)), others: None }));
        }
        let popped = FrameGroup { packets, ..*oldest };
        oldest.packets -= packets;
        let (first, others) = if popped.own_times { (1, packets - 1) } else { (packets, 0) };
        // The cast cannot truncate: at most the depth of the ring, as this many times are in memory.
        let mut taken = others as usize;
        if oldest.packets == 0 {
            self.groups.pop();
        } else if popped.own_times {
            // The next packet becomes the first one of its group.
            oldest.each.intended = self.own_times[taken];
            taken += 1;
        }
        let others = (taken > 0).then(|| self.own_times.drain(..taken).take(others as usize));
        Some((popped, IntendedTimes { first: Some((popped.each.intended, first)), others }))
    }

    /// The account of the third oldest group, if it differs from that of the oldest one: its turn to settle comes soon.
    #[inline(always)]
    pub(super) fn upcoming(&self) -> Option<u32> {
        let (oldest, third) = (self.groups.front()?, self.groups.get(2)?);
        (third.each.flow != oldest.each.flow).then_some(third.each.flow)
    }

    /// When the oldest packet was submitted.
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.groups.front().map(|group| group.each.submitted)
    }

    /// How many packets were submitted after `time`.
    pub(super) fn submitted_after(&self, time: Nanos) -> u64 {
        let newest_first = (0..self.groups.len()).rev().filter_map(|before| self.groups.get(before));
        let later = newest_first.take_while(|group| group.each.submitted > time);
        later.map(|group| group.packets).sum()
    }
}

/// The intended times of packets that were popped: each with how many consecutive packets have it. Dropping it forgets
/// the rest.
#[derive(Debug)]
pub(super) struct IntendedTimes<'a> {
    first: Option<(Nanos, u64)>,
    others: Option<Take<Drain<'a, Nanos>>>,
}

impl Iterator for IntendedTimes<'_> {
    type Item = (Nanos, u64);

    #[inline(always)]
    fn next(&mut self) -> Option<(Nanos, u64)> {
        self.first.take().or_else(|| Some((self.others.as_mut()?.next()?, 1)))
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

    /// Pops until `most` packets are popped or the table is empty. Returns flow, size, and accepted and intended time of
    /// each.
    fn popped(table: &mut InFlight, most: u64) -> Vec<(u32, u64, u64, u64)> {
        let (mut all, mut left) = (Vec::new(), most);
        while left > 0
            && let Some((group, times)) = table.pop(left)
        {
            assert!((1..=left).contains(&group.packets));
            left -= group.packets;
            let times = times.flat_map(|(intended, packets)| (0..packets).map(move |_| intended.0));
            let FrameGroup { each, packets, .. } = group;
            let before = all.len();
            all.extend(times.map(|intended| (each.flow, each.bytes(), each.accepted.0, intended)));
            assert_eq!((all.len() - before) as u64, packets);
        }
        all
    }

    proptest! {
        /// Packet by packet the table is a FIFO, for any batches, and any division of them into groups.
        #[test]
        fn groups_keep_every_packet_in_order(
            moves in proptest::collection::vec(
                (0u32..2, 1usize..3, 0u64..2, proptest::collection::vec(0u64..3, 1..6), 0u64..9),
                0..100,
            ),
        ) {
            let (mut table, mut plain) = (InFlight::new(4), VecDeque::new());
            for (flow, bytes, accepted, intended, most) in moves {
                let each = record(flow, bytes, accepted);
                let mut group = FrameGroup::of(PacketRecord { intended: Nanos(intended[0]), ..each });
                intended[1..].iter().for_each(|intended| table.extend(&mut group, Nanos(*intended)));
                table.push(group);
                plain.extend(intended.iter().map(|intended| (flow, bytes as u64, accepted, *intended)));
                let expected: Vec<_> = plain.drain(..plain.len().min(most as usize)).collect();
                prop_assert_eq!(popped(&mut table, most), expected);
            }
            prop_assert_eq!(popped(&mut table, u64::MAX), Vec::from(plain));
            prop_assert!(table.own_times.is_empty());
        }
    }

    #[test]
    fn packets_that_differ_in_sequence_only_are_one_group() {
        let mut groups = InFlight::new(4);
        for (flow, bytes) in [(1, 10), (1, 10), (1, 20), (2, 20)] {
            groups.push(FrameGroup::of(record(flow, bytes, 5)));
        }
        let group = |table: &mut InFlight| table.pop(9).map(|(group, _)| (group.packets, group.bytes()));
        let popped: Vec<_> = std::iter::from_fn(|| group(&mut groups)).collect();
        assert_eq!(popped, [(2, 20), (1, 20), (1, 20)]);
    }

    #[test]
    fn the_packets_of_a_batch_are_one_group_although_their_intended_times_differ() {
        let mut table = InFlight::new(4);
        let mut group = FrameGroup::of(record(1, 10, 5));
        [3, 4, 4, 9].into_iter().for_each(|intended| table.extend(&mut group, Nanos(intended)));
        table.push(group);
        let times =
            |popped: Option<(FrameGroup, IntendedTimes<'_>)>| popped.map(|(_, times)| times.collect::<Vec<_>>());
        assert_eq!(times(table.pop(2)), Some(vec![(Nanos(0), 1), (Nanos(3), 1)]));
        // Times that are not asked for are forgotten with their packets.
        assert_eq!(table.pop(1).map(|(group, _)| group.packets), Some(1));
        assert_eq!(times(table.pop(9)), Some(vec![(Nanos(4), 1), (Nanos(9), 1)]));
    }
}
