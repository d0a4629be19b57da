//! Why a connection closed, and the names of the reasons, as reports count them.

use crate::control::WireError;
use crate::units::Nanos;

/// Why a connection closed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CloseReason {
    /// The peer closed its end, or died.
    #[error("the peer closed the connection")]
    PeerGone,
    /// The connection failed.
    #[error("the connection failed: {0}")]
    Io(String),
    /// The peer sent a record that is malformed, or that it may not send.
    #[error("the peer broke the protocol: {0}")]
    Wire(#[from] WireError),
    /// The peer submitted or completed slots that it does not hold.
    #[error("the peer broke the protocol: {0}")]
    Index(#[from] IndexError),
    /// The peer submitted a slot whose frame length is 0 or above the largest frame.
    #[error("the peer broke the protocol: a slot that holds {0} bytes")]
    SlotLength(u32),
    /// No bytes arrived from the peer for this long.
    #[error("the peer was silent for {0}, and sent no sign of life")]
    PeerSilent(Nanos),
    /// The peer rang this many doorbells in a row without publishing anything.
    #[error("the peer broke the protocol: {0} doorbells in a row without new frames or completions")]
    DoorbellStorm(u32),
}

/// A count or position from the peer that is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum IndexError {
    /// More frames were submitted than slots are free.
    #[error("the peer submitted more frames than the ring of {depth} has slots")]
    Overrun {
        /// Slots of the ring.
        depth: u32,
    },
    /// A completion for a frame that is not the oldest one outstanding.
    #[error("the peer completed position {got}, but {expected} is next of {submitted} submitted")]
    OutOfOrder {
        /// The position in the completion.
        got: u64,
        /// The position of the oldest outstanding frame.
        expected: u64,
        /// How many frames were submitted so far.
        submitted: u64,
    },
    /// A group in shared memory without items, or with more than were published.
    #[error("the peer put a group of {items} where {arrived} are published")]
    GroupSize {
        /// Items of the group.
        items: u32,
        /// Items that were published and not taken, which include those of the group.
        arrived: u64,
    },
    /// The peer's count in shared memory went back, or above its bound.
    #[error("the peer moved its index from {from} to {to}; it never goes back, and {most} is the most it can be")]
    Jumped {
        /// The count seen last.
        from: u64,
        /// The count now.
        to: u64,
        /// The highest valid count.
        most: u64,
    },
}

impl CloseReason {
    /// The name under which reports count this reason.
    pub fn name(&self) -> &'static str {
        match self {
            Self::PeerGone => "PEER_GONE",
            Self::Io(_) => "CONNECTION_FAILED",
            Self::Wire(error) => error.name(),
            Self::Index(error) => error.name(),
            Self::SlotLength(_) => "SLOT_LENGTH",
            Self::PeerSilent(_) => "PEER_SILENT",
            Self::DoorbellStorm(_) => "DOORBELL_STORM",
        }
    }

    /// Whether the peer violated the protocol; otherwise the connection ended or failed.
    pub fn is_violation(&self) -> bool {
        !self.peer_is_gone()
    }

    /// Whether nothing can be sent to the peer any more.
    pub(super) fn peer_is_gone(&self) -> bool {
        matches!(self, Self::PeerGone | Self::Io(_))
    }
}

impl IndexError {
    fn name(self) -> &'static str {
        match self {
            Self::Overrun { .. } => "RING_OVERRUN",
            Self::OutOfOrder { .. } => "COMPLETION_OUT_OF_ORDER",
            Self::GroupSize { .. } => "GROUP_SIZE",
            Self::Jumped { from, to, .. } if to < from => "INDEX_WENT_BACK",
            Self::Jumped { .. } => "INDEX_TOO_FAR",
        }
    }
}

impl WireError {
    fn name(&self) -> &'static str {
        match self {
            Self::UnknownKind(_) => "UNKNOWN_RECORD",
            Self::ControlTooLong(_) | Self::BadControl(_) => "BAD_CONTROL",
            Self::FrameTooLong(_) => "FRAME_TOO_LONG",
            Self::UnknownStatus(_) => "UNKNOWN_STATUS",
            Self::Unexpected(_) => "UNEXPECTED_RECORD",
        }
    }
}
