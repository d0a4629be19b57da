//! The stages at which a send can wait.

/// A stage at which a send can wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// For the socket's send budget.
    Budget,
    /// For the Ethernet address of the next hop.
    Neighbour,
    /// For room in the ring.
    Room,
}

impl Stage {
    /// Every stage, in the order in which a packet passes them.
    pub const ALL: [Self; 3] = [Self::Budget, Self::Neighbour, Self::Room];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::Neighbour => "neighbour",
            Self::Room => "room",
        }
    }
}
