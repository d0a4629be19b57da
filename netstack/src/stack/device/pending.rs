//! The private table of what is under way, by slot.

use shared::ring::Descriptor;
use shared::units::Nanos;

use crate::stack::{Packet, Stamp};

/// What the stack must know of a packet later. Nothing of it is ever read back from the ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pending {
    pub(super) flow: u32,
    /// Bytes of payload; no frame holds more than fit.
    bytes: u32,
    sequence: u64,
    pub(super) intended: Nanos,
    pub(super) accepted: Nanos,
    /// When it got its slot.
    pub(super) submitted: Nanos,
}

/// No app has this number: each has a place in a list of them.
const NOBODY: u32 = u32::MAX;

impl Pending {
    /// Nothing.
    pub(super) const VACANT: Self = Self {
        flow: NOBODY,
        bytes: 0,
        sequence: 0,
        intended: Nanos::ZERO,
        accepted: Nanos::ZERO,
        submitted: Nanos::ZERO,
    };

    #[inline(always)]
    pub(super) fn of(packet: &Packet<'_>, accepted: Nanos) -> Self {
        let Stamp { flow, sequence, intended } = packet.stamp();
        Self { flow, bytes: packet.payload().len() as u32, sequence, intended, accepted, submitted: accepted }
    }

    /// Bytes of payload.
    #[inline(always)]
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.into()
    }

    /// What the driver is told of a frame of `len` bytes, submitted when it got its slot.
    #[inline(always)]
    pub(super) fn descriptor(&self, len: usize) -> Descriptor {
        Descriptor { len: len as u32, flow: self.flow, sequence: self.sequence, submitted: self.submitted }
    }
}

/// A [`Pending`] for each slot.
#[derive(Debug)]
pub(super) struct Table(Vec<Pending>);

impl Table {
    pub(super) fn new(slots: usize) -> Self {
        Self(vec![Pending::VACANT; slots])
    }

    #[inline(always)]
    pub(super) fn put(&mut self, slot: u32, pending: Pending) {
        self.0[slot as usize] = pending;
    }

    /// What occupied `slot`; the slot is vacant afterwards.
    #[inline(always)]
    pub(super) fn take(&mut self, slot: u32) -> Option<Pending> {
        let place = self.0.get_mut(slot as usize)?;
        let taken = *place;
        place.flow = NOBODY;
        (taken.flow != NOBODY).then_some(taken)
    }

    /// Everything that is under way; the table is empty afterwards.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Pending> + '_ {
        let taken = self.0.iter_mut().map(|place| std::mem::replace(place, Pending::VACANT));
        taken.filter(|pending| pending.flow != NOBODY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_is_taken_once() {
        let packet = Packet::new(&mut Headroom::default(), b"four", Stamp { flow: 3, ..Stamp::default() });
        let mut table = Table::new(2);
        table.put(1, Pending::of(&packet, Nanos(5)));
        let taken = table.take(1).map(|pending| (pending.flow, pending.bytes(), pending.accepted));
        assert_eq!(taken, Some((3, 4, Nanos(5))));
        assert!(table.take(1).is_none() && table.take(0).is_none() && table.take(2).is_none());
        table.put(0, Pending::of(&packet, Nanos(6)));
        assert_eq!((table.take_all().count(), table.take_all().count()), (1, 0));
    }
}
