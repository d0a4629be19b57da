//! Where frames go that the hardware has sent.
//!
//! A session calls its [`Backend`] for each sent frame. A backend of your own is passed to a session in its
//! [`Setup`](crate::session::Setup):
//!
//! ```
//! use driver::backend::Backend;
//! use shared::units::Nanos;
//!
//! #[derive(Default)]
//! struct Counter {
//!     frames: u64,
//!     last_sent: Nanos,
//! }
//!
//! impl Backend for Counter {
//!     fn sent(&mut self, _frame: &[u8], at: Nanos) {
//!         self.frames += 1;
//!         self.last_sent = at;
//!     }
//!
//!     fn flush(&mut self) {}
//! }
//!
//! let mut counter = Counter::default();
//! counter.sent(&[0; 60], Nanos(672));
//! assert_eq!((counter.frames, counter.last_sent), (1, Nanos(672)));
//! ```

mod pcap;

pub use pcap::{Capture, CaptureError};

use shared::report::Warning;
use shared::units::Nanos;

/// Takes the frames that the hardware has sent. It runs on the data path: only `flush` may wait, for a bounded time.
pub trait Backend {
    /// Takes a frame whose last bit was on the wire at time `at`. `frame` is empty under `--dma none`.
    fn sent(&mut self, frame: &[u8], at: Nanos);

    /// Writes what is still in a buffer. Called at the end of a session.
    fn flush(&mut self);

    /// A warning for the report of the session, if frames could not be kept.
    fn warning(&self) -> Option<Warning> {
        None
    }
}

/// The backends of the driver process.
#[derive(Debug)]
pub enum Output {
    /// The hardware model alone: sent frames are dropped.
    Model,
    /// A capture file.
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
