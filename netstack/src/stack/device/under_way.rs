//! The private account of what is under way, in the order of the ring.
//!
//! Packets that an app sent in one turn share all of their times, and often their size: they are noted as one run,
//! and what completes together is settled together. Frames complete in the order in which they were submitted, so a
//! queue knows which packet occupies which slot.

use std::collections::VecDeque;

use shared::ring::{Descriptor, Frame};
use shared::units::Nanos;

use super::pending::Pending;
use crate::stack::Packet;

/// What occupies the slots, oldest first.
#[derive(Debug)]
pub(super) struct UnderWay(VecDeque<Run>);

/// Packets in a row that are alike, or none.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Run {
    /// What each of them is; its number is that of the first.
    pub(super) each: Pending,
    pub(super) packets: u64,
}

impl Run {
    /// One packet.
    #[inline(always)]
    pub(super) fn of(each: Pending) -> Self {
        Self { each, packets: 1 }
    }

    /// What the driver gets of `packet`, which is one of them.
    #[inline(always)]
    pub(super) fn frame<'a>(&self, packet: Packet<'a>) -> Frame<'a> {
        let sequence = packet.stamp().sequence;
        let descriptor = Descriptor { sequence, ..self.each.descriptor(packet.len()) };
        let (headers, payload) = packet.into_parts();
        Frame { descriptor, headers, payload }
    }

    /// Bytes of payload in all.
    pub(super) fn bytes(&self) -> u64 {
        self.each.bytes() * self.packets
    }
}

impl UnderWay {
    /// Nothing; `most` packets may be under way at once.
    pub(super) fn new(most: usize) -> Self {
        Self(VecDeque::with_capacity(most))
    }

    /// The next slots are occupied.
    #[inline(always)]
    pub(super) fn push(&mut self, run: Run) {
        match self.0.back_mut() {
            Some(last) if last.each.is_like(&run.each) => last.packets += run.packets,
            _ if run.packets > 0 => self.0.push_back(run),
            _ => {}
        }
    }

    /// What occupied the oldest slots, as far as it is alike and `most` at most; they are vacant afterwards.
    pub(super) fn pop(&mut self, most: u64) -> Option<Run> {
        let oldest = self.0.front_mut()?;
        let packets = oldest.packets.min(most);
        let run = Run { packets, ..*oldest };
        oldest.packets -= packets;
        if oldest.packets == 0 {
            self.0.pop_front();
        }
        Some(run)
    }

    /// When the oldest was submitted.
    pub(super) fn oldest(&self) -> Option<Nanos> {
        self.0.front().map(|run| run.each.submitted)
    }

    /// How many were submitted after `time`.
    pub(super) fn submitted_after(&self, time: Nanos) -> u64 {
        let later = self.0.iter().rev().take_while(|run| run.each.submitted > time);
        later.map(|run| run.packets).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::{Packet, Stamp};
    use proptest::prelude::*;
    use shared::ring::HEADROOM;

    fn pending(flow: u32, bytes: usize, accepted: u64) -> Pending {
        let payload = vec![0; bytes];
        Pending::of(&Packet::new(&mut [0; HEADROOM], &payload, Stamp { flow, ..Stamp::default() }), Nanos(accepted))
    }

    proptest! {
        /// Packet by packet it is a queue, however it is cut into runs.
        #[test]
        fn nothing_is_lost_or_confused(moves in proptest::collection::vec((0u32..2, 1usize..3, 0u64..2, 0u64..4), 0..100)) {
            let (mut runs, mut plain) = (UnderWay::new(4), VecDeque::new());
            for (flow, bytes, accepted, most) in moves {
                runs.push(Run::of(pending(flow, bytes, accepted)));
                plain.push_back((flow, bytes as u64, accepted));
                let mut left = most;
                while left > 0 && let Some(run) = runs.pop(left) {
                    prop_assert!((1..=left).contains(&run.packets));
                    left -= run.packets;
                    for _ in 0..run.packets {
                        let each = (run.each.flow, run.bytes() / run.packets, run.each.accepted.0);
                        prop_assert_eq!(plain.pop_front(), Some(each));
                    }
                }
                prop_assert!(left == 0 || plain.is_empty());
            }
        }
    }

    #[test]
    fn what_is_alike_is_one_run() {
        let mut runs = UnderWay::new(4);
        for (flow, bytes) in [(1, 10), (1, 10), (1, 20), (2, 20)] {
            runs.push(Run::of(pending(flow, bytes, 5)));
        }
        let popped: Vec<_> = std::iter::from_fn(|| runs.pop(9)).map(|run| (run.packets, run.bytes())).collect();
        assert_eq!(popped, [(2, 20), (1, 20), (1, 20)]);
    }
}
