//! What a program of your own adds to the stack.

use std::future::{Future, ready};

use shared::exec::Clock;

use super::apps::Apps;
use crate::layer::Egress;

/// Layers and apps of a program of your own, for a run with the stack's ledger and report. `()` adds nothing.
pub trait Extension: Sized + 'static {
    /// Puts layers of its own on `device`, below Ethernet. By default none.
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

impl Extension for () {}
