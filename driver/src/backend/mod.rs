//! Where frames go that the hardware has sent, and where frames come from that arrive.
//!
//! A session calls its [`Backend`] for each sent frame, and to read frames if there is a ring for them. A backend of
//! your own is passed to a session in its [`Setup`](crate::session::Setup):
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
//!     fn sent(&mut self, _frame: &[u8], at: Nanos) -> bool {
//!         self.frames += 1;
//!         self.last_sent = at;
//!         true
//!     }
//! }
//!
//! let mut counter = Counter::default();
//! assert!(counter.sent(&[0; 60], Nanos(672)));
//! assert_eq!((counter.frames, counter.last_sent), (1, Nanos(672)));
//! ```
//!
//! | backend | what it is |
//! | --- | --- |
//! | [`Output::Model`] | none: sent frames are dropped, and nothing arrives |
//! | [`Capture`] | a capture file |
//! | [`Tap`] | a TAP interface of the kernel |
//! | [`Wire`] | a wire to another driver |
//! | [`Joined`] | one end of a wire within this process, for virtual time |
//! | [`Captured`] | another backend, of whose frames a capture is made |

mod captured;
mod choice;
mod joined;
mod pcap;
mod tap;
mod wire;

pub use captured::Captured;
pub use choice::{BackendChoice, BackendChoiceError, InterfaceName};
pub use joined::{Joined, WIRE_FRAMES};
pub use pcap::{Capture, CaptureError};
pub use tap::{Tap, TapError, drop_capabilities};
pub use wire::{Wire, WireError};

use std::fmt::{self, Debug};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use shared::exec::Interest;
use shared::report::Warning;
use shared::units::Nanos;

/// Bytes of the buffer into which a session reads a frame: more than the largest frame has, so that a longer one is
/// recognized.
pub const RECEIVE_BUFFER: usize = 2_048;

/// Takes the frames that the hardware has sent, and has those that arrive. It runs on the data path: only `flush` may
/// wait, for a bounded time.
pub trait Backend {
    /// Takes a frame whose last bit was on the wire at time `at`. `frame` is empty under `--dma none`. Returns whether
    /// it did. If it did not, the frame stays in the hardware, and is offered again once the backend is ready for it:
    /// see [`Backend::wait_on`].
    fn sent(&mut self, frame: &[u8], at: Nanos) -> bool;

    /// Whether it takes every frame and looks at none of them. Then [`Backend::sent`] is not called at all.
    fn discards(&self) -> bool {
        false
    }

    /// Whether frames can arrive. If not, the stack gets no ring for them.
    fn receives(&self) -> bool {
        false
    }

    /// Copies the oldest frame that has arrived by `now` to the beginning of `into`, which has [`RECEIVE_BUFFER`] bytes.
    /// Returns its length, which is larger if the frame does not fit; `None` if there is none.
    fn receive(&mut self, _into: &mut [u8], _now: Nanos) -> Option<usize> {
        None
    }

    /// The descriptor to sleep on, and what it shall be ready for, until this backend may be ready for `wanted`: until
    /// a frame may have arrived (readable), or until it may take one (writable). Called after it was not ready.
    ///
    /// Without a descriptor, the backend calls [`notify`](shared::exec::Readiness::notify) of the session's readiness
    /// when it is ready.
    fn wait_on(&self, _wanted: Interest) -> Option<(Arc<OwnedFd>, Interest)> {
        None
    }

    /// Why it can no longer be used, if so: the interface is gone, for example. The session then ends.
    fn failed(&self) -> Option<String> {
        None
    }

    /// Its name in reports.
    fn kind(&self) -> &'static str {
        "custom"
    }

    /// Writes what is still in a buffer. Called at the end of a session.
    fn flush(&mut self) {}

    /// A warning for the report of the session, if frames could not be kept.
    fn warning(&self) -> Option<Warning> {
        None
    }
}

impl<B: Backend + ?Sized> Backend for Box<B> {
    fn sent(&mut self, frame: &[u8], at: Nanos) -> bool {
        (**self).sent(frame, at)
    }

    fn discards(&self) -> bool {
        (**self).discards()
    }

    fn receives(&self) -> bool {
        (**self).receives()
    }

    fn receive(&mut self, into: &mut [u8], now: Nanos) -> Option<usize> {
        (**self).receive(into, now)
    }

    fn wait_on(&self, wanted: Interest) -> Option<(Arc<OwnedFd>, Interest)> {
        (**self).wait_on(wanted)
    }

    fn failed(&self) -> Option<String> {
        (**self).failed()
    }

    fn kind(&self) -> &'static str {
        (**self).kind()
    }

    fn flush(&mut self) {
        (**self).flush();
    }

    fn warning(&self) -> Option<Warning> {
        (**self).warning()
    }
}

/// A backend that can be moved to the thread of a session: an interface, or one of your own.
pub trait AnyBackend: Backend + Debug + Send {}

impl<B: Backend + Debug + Send> AnyBackend for B {}

/// The backends of the driver process.
pub enum Output {
    /// The hardware model alone: sent frames are dropped.
    Model,
    /// A capture file.
    Capture(Box<Capture>),
    /// Any other.
    Other(Box<dyn AnyBackend>),
}

impl Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("Model"),
            Self::Capture(capture) => capture.fmt(f),
            Self::Other(other) => other.fmt(f),
        }
    }
}

impl Backend for Output {
    #[inline(always)]
    fn sent(&mut self, frame: &[u8], at: Nanos) -> bool {
        match self {
            Self::Model => true,
            Self::Capture(capture) => capture.sent(frame, at),
            Self::Other(other) => other.sent(frame, at),
        }
    }

    #[inline(always)]
    fn discards(&self) -> bool {
        matches!(self, Self::Model)
    }

    fn receives(&self) -> bool {
        matches!(self, Self::Other(other) if other.receives())
    }

    fn receive(&mut self, into: &mut [u8], now: Nanos) -> Option<usize> {
        match self {
            Self::Model | Self::Capture(_) => None,
            Self::Other(other) => other.receive(into, now),
        }
    }

    fn wait_on(&self, wanted: Interest) -> Option<(Arc<OwnedFd>, Interest)> {
        match self {
            Self::Model | Self::Capture(_) => None,
            Self::Other(other) => other.wait_on(wanted),
        }
    }

    #[inline(always)]
    fn failed(&self) -> Option<String> {
        match self {
            Self::Model | Self::Capture(_) => None,
            Self::Other(other) => other.failed(),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Model | Self::Capture(_) => "model",
            Self::Other(other) => other.kind(),
        }
    }

    fn flush(&mut self) {
        match self {
            Self::Model => {}
            Self::Capture(capture) => capture.flush(),
            Self::Other(other) => other.flush(),
        }
    }

    fn warning(&self) -> Option<Warning> {
        match self {
            Self::Model => None,
            Self::Capture(capture) => capture.warning(),
            Self::Other(other) => other.warning(),
        }
    }
}
