//! How long one packet has waited on its way down.

use shared::units::Nanos;

/// The waits of one packet, by what it waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct WaitTimes {
    /// Bytes of the send budget.
    pub(crate) budget: Nanos,
    /// The Ethernet address of the next hop.
    pub(crate) neighbour: Nanos,
    /// The modelled CPU of the stack.
    pub(crate) stack: Nanos,
    /// Room in the ring.
    pub(crate) room: Nanos,
}
