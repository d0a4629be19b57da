//! Why a packet was not sent. The payload is still the app's, so none of these is a drop.

use std::net::IpAddr;

use shared::ledger::RefuseReason;

/// Why a packet was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The send would have to wait, and the caller does not allow that.
    #[error("sending would block")]
    WouldBlock,
    /// No route to the destination.
    #[error("no route to {0}; add one, or send to a configured network")]
    NoRoute(IpAddr),
    /// The Ethernet address of the next hop did not become known in time.
    #[error("no neighbour {0} answers; name its Ethernet address with --neighbour")]
    NoNeighbour(IpAddr),
    /// The next hop was asked for its Ethernet address, and did not answer.
    #[error("neighbour {0} was asked for its Ethernet address and does not answer; is it on this network, and up?")]
    NeighbourUnreachable(IpAddr),
    /// The IP packet exceeds the route's MTU.
    #[error("{len} B do not fit into the route's MTU of {mtu} B; send at most {mtu} B, headers included")]
    TooLarge {
        /// Length of the IP packet.
        len: usize,
        /// The longest IP packet that fits.
        mtu: usize,
    },
    /// The payload exceeds the whole send budget, so it could never be sent.
    #[error("{len} B of payload exceed the send budget of {budget} B; send less at a time, or raise the budget")]
    OverBudget {
        /// Length of the payload.
        len: usize,
        /// The socket's send budget, in bytes.
        budget: u64,
    },
    /// The socket was closed, or the session with the driver has ended.
    #[error("the socket is closed, or the session with the driver has ended")]
    Closed,
}

impl SendError {
    /// The reason under which the ledger counts it.
    pub fn reason(self) -> RefuseReason {
        match self {
            Self::WouldBlock => RefuseReason::WouldBlock,
            Self::NoRoute(_) => RefuseReason::NoRoute,
            Self::NoNeighbour(_) => RefuseReason::NoNeighbour,
            Self::NeighbourUnreachable(_) => RefuseReason::NeighbourUnreachable,
            Self::TooLarge { .. } | Self::OverBudget { .. } => RefuseReason::TooLarge,
            Self::Closed => RefuseReason::Closed,
        }
    }
}
