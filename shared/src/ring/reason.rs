//! Names of the reasons why a session ends, for reports to count.

use super::{CloseReason, IndexError};
use crate::wire::WireError;

impl CloseReason {
    /// One word for all reasons of a kind.
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

    /// Whether the peer did what no honest peer does; otherwise it is only gone.
    pub fn is_violation(&self) -> bool {
        !matches!(self, Self::PeerGone | Self::Io(_))
    }
}

impl IndexError {
    fn name(self) -> &'static str {
        match self {
            Self::Overrun { .. } => "RING_OVERRUN",
            Self::OutOfOrder { .. } => "COMPLETION_OUT_OF_ORDER",
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
