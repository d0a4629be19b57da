//! Where frames go that the hardware has sent.

mod pcap;

pub use pcap::{Capture, CaptureError};

use shared::units::Nanos;

/// Takes what the hardware sent.
pub trait Backend {
    /// A frame whose last bit was on the wire at `at`. It is empty if the driver copied none.
    fn sent(&mut self, frame: &[u8], at: Nanos);

    /// The session is over: nothing may be left in a buffer.
    fn flush(&mut self);
}

/// Nowhere: the model is all there is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Model;

impl Backend for Model {
    fn sent(&mut self, _frame: &[u8], _at: Nanos) {}

    fn flush(&mut self) {}
}
