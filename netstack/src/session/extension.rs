//! What a program of your own adds to the stack.

use std::future::{Future, ready};

use shared::exec::Clock;

use super::apps::Apps;
use crate::layer::Egress;

/// Layers and apps of a program of your own, for a run with the stack's ledger and report. `()` adds nothing.
pub trait Extension: Sized + 'static {
    /// Whether [`Extension::layers`] leaves the length of each frame as it is. Only then the bytes of payload show how
    /// many bytes an honest driver has sent, and its count is checked.
    const KEEPS_LENGTH: bool = false;

    /// Puts layers of its own on `device`, below Ethernet. By default none. A layer that adds bytes to frames refuses
    /// those that become longer than [`MAX_FRAME`](shared::ring::MAX_FRAME), as
    /// [`SendError::TooLarge`](crate::error::SendError::TooLarge).
    fn layers<D: Egress<()> + 'static>(&self, device: D, clock: &Clock) -> impl Egress<()> + 'static {
        let _ = clock;
        device
    }

    /// Runs beside the apps of the plan, from the start of the run. It may add and remove apps, and open sockets. The
    /// run goes on until this is ready too, or until its time is up; then this future is dropped.
    fn run(self, apps: Apps) -> impl Future<Output = ()> {
        let _ = apps;
        ready(())
    }
}

impl Extension for () {
    const KEEPS_LENGTH: bool = true;
}
