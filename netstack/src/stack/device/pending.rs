//! The stack's private record of one packet.

use shared::ring::Descriptor;
use shared::units::Nanos;

use crate::stack::{Packet, Stamp};

/// The private record of a packet, for settling it later. It is never read back from the ring, which the driver can
/// write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pending {
    pub(super) flow: u32,
    /// Bytes of payload. A `u32` is enough for any frame.
    bytes: u32,
    sequence: u64,
    pub(super) intended: Nanos,
    pub(super) accepted: Nanos,
    /// When it was submitted to the ring and so occupies a slot; equal to `accepted` until then.
    pub(super) submitted: Nanos,
}

impl Pending {
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

    /// Merge key: whether `other` differs in the sequence number only, so both may be kept in one run.
    #[inline(always)]
    pub(super) fn is_like(&self, other: &Self) -> bool {
        Self { sequence: other.sequence, ..*self } == *other
    }

    /// The descriptor that the driver receives with a frame of `len` bytes (at most [`shared::ring::MAX_FRAME`]).
    #[inline(always)]
    pub(super) fn descriptor(&self, len: usize) -> Descriptor {
        Descriptor { len: len as u32, flow: self.flow, sequence: self.sequence, submitted: self.submitted }
    }
}
