//! The private table of what is under way, by slot.

use shared::ring::Descriptor;
use shared::units::Nanos;

use crate::stack::{Packet, Stamp};

/// What the stack must know of a packet later. Nothing of it is ever read back from the ring.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pending {
    pub(super) stamp: Stamp,
    /// Bytes of payload.
    pub(super) bytes: u64,
    pub(super) accepted: Nanos,
    /// When it got its slot.
    pub(super) submitted: Nanos,
}

impl Pending {
    pub(super) fn of(packet: &Packet<'_>, accepted: Nanos) -> Self {
        Self { stamp: packet.stamp(), bytes: packet.payload().len() as u64, accepted, submitted: accepted }
    }

    /// What the driver is told of a frame of `len` bytes, submitted when it got its slot.
    #[inline(always)]
    pub(super) fn descriptor(&self, len: usize) -> Descriptor {
        let Stamp { flow, sequence, .. } = self.stamp;
        Descriptor { len: len as u32, flow, sequence, submitted: self.submitted }
    }
}

/// A [`Pending`] for each occupied slot.
#[derive(Debug)]
pub(super) struct Table(Vec<Option<Pending>>);

impl Table {
    pub(super) fn new(slots: usize) -> Self {
        Self(vec![None; slots])
    }

    pub(super) fn put(&mut self, slot: u32, pending: Pending) {
        self.0[slot as usize] = Some(pending);
    }

    /// What occupied `slot`; the slot is vacant afterwards.
    pub(super) fn take(&mut self, slot: u32) -> Option<Pending> {
        self.0.get_mut(slot as usize).and_then(Option::take)
    }

    /// Everything that is under way; the table is empty afterwards.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Pending> + '_ {
        self.0.iter_mut().filter_map(Option::take)
    }
}
