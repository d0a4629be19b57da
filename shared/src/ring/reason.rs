//! Names of the reasons why a session closes, as reports count them.

use super::{CloseReason, IndexError};
use crate::control::WireError;

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
