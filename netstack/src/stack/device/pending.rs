//! What the stack must know of a packet that is under way.

use shared::ring::Descriptor;
use shared::units::Nanos;

use crate::stack::{Packet, Stamp};

/// What the stack must know of a packet later. Nothing of it is ever read back from the ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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

impl Pending {
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

    /// Whether it says the same of another packet, but for its number.
    #[inline(always)]
    pub(super) fn is_like(&self, other: &Self) -> bool {
        Self { sequence: other.sequence, ..*self } == *other
    }

    /// What the driver is told of a frame of `len` bytes, submitted when it got its slot.
    #[inline(always)]
    pub(super) fn descriptor(&self, len: usize) -> Descriptor {
        Descriptor { len: len as u32, flow: self.flow, sequence: self.sequence, submitted: self.submitted }
    }
}
