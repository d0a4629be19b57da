//! Where frames go that the hardware has sent.

mod pcap;

pub use pcap::{Capture, CaptureError};

use shared::report::Warning;
use shared::units::Nanos;

/// Takes what the hardware sent.
pub trait Backend {
    /// A frame whose last bit was on the wire at `at`. It is empty if the driver copied none.
    fn sent(&mut self, frame: &[u8], at: Nanos);

    /// The session is over: nothing may be left in a buffer.
    fn flush(&mut self);

    /// What a user must know about it, if anything.
    fn warning(&self) -> Option<Warning> {
        None
    }
}

/// Where a driver's frames go.
#[derive(Debug)]
pub enum Output {
    /// Nowhere: the model is all there is.
    Model,
    /// Into a capture file.
    Capture(Box<Capture>),
}

impl Backend for Output {
    fn sent(&mut self, frame: &[u8], at: Nanos) {
        if let Self::Capture(capture) = self {
            capture.sent(frame, at);
        }
    }

    fn flush(&mut self) {
        if let Self::Capture(capture) = self {
            capture.flush();
        }
    }

    fn warning(&self) -> Option<Warning> {
        match self {
            Self::Model => None,
            Self::Capture(capture) => capture.warning(),
        }
    }
}
