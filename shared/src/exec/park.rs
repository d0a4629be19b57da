//! What the executor does when no task can make progress.

use std::os::fd::BorrowedFd;
use std::rc::Rc;

use super::{Interrupt, StopHandle};
use crate::units::Nanos;

/// The executor's source of time, and its way of waiting.
pub trait Park {
    /// The time now.
    fn now(&mut self) -> Nanos;

    /// Sends and receives what it can without waiting, and wakes the tasks concerned. Returns whether
    /// anything arrived.
    fn exchange(&mut self) -> bool;

    /// Waits until `deadline`, or until something may have arrived. `deadline` is `None` if no timer is
    /// pending. Returns `false` if it could only wait for ever: nothing else can happen, and `deadline` is none or
    /// beyond the end of time.
    fn park(&mut self, deadline: Option<Nanos>) -> bool;

    /// The request to stop that tasks can wait for; by default one that is never made.
    fn interrupt(&self) -> Rc<Interrupt> {
        Rc::default()
    }
}

/// Something outside the executor that tasks wait for: one end of a transport.
pub trait Source {
    /// Sends and receives what it can without waiting, and wakes the tasks concerned. Returns whether
    /// anything arrived.
    fn exchange(&self) -> bool;

    /// Announces to the peer, before this side spins, what it waits for, if its wake-ups may be batched. Otherwise the
    /// peer would take this side for busy and publish each completion while it spins, and neither side would ever
    /// sleep. Returns `false` if something arrived already: it was taken in, so a spin would not find it.
    fn before_spin(&self) -> bool {
        true
    }

    /// Withdraws the announcement of [`Source::before_spin`], because the spin found something.
    fn after_spin(&self) {}

    /// Announces that this side is about to sleep. Returns `false` if something arrived already, for which the peer
    /// would not wake it.
    fn before_sleep(&self) -> bool;

    /// Whether the event that this side announced has happened, so that the peer has rung or is about to. Called when
    /// a sleep ended by its timeout, before the announcement is withdrawn.
    fn is_owed(&self) -> bool {
        false
    }

    /// Records a lost wake-up: the event has happened, and the peer did not ring.
    fn missed(&self) {}

    /// Withdraws the announcement of [`Source::before_sleep`].
    fn after_sleep(&self);

    /// What to sleep on: a descriptor to read, and whether to wait until it is writable as well.
    fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)>;
}

/// Virtual time: jumps to the next timer.
#[derive(Debug, Default)]
pub struct Virtual {
    now: Nanos,
    wake_latency: Nanos,
    interrupt: Rc<Interrupt>,
}

impl Virtual {
    /// Virtual time in which each sleep ends `wake_latency` after its deadline, as on a machine that
    /// takes that long to wake a CPU. Timers that become due meanwhile fire in the same turn.
    pub fn waking_late(wake_latency: Nanos) -> Self {
        Self { wake_latency, ..Self::default() }
    }

    /// The same park, with `stop` as its request to stop.
    pub fn until(self, stop: &StopHandle) -> Self {
        Self { interrupt: Rc::new(Interrupt::by(stop.clone())), ..self }
    }
}

impl Park for Virtual {
    fn now(&mut self) -> Nanos {
        self.now
    }

    fn exchange(&mut self) -> bool {
        self.interrupt.notice()
    }

    fn interrupt(&self) -> Rc<Interrupt> {
        Rc::clone(&self.interrupt)
    }

    fn park(&mut self, deadline: Option<Nanos>) -> bool {
        match deadline {
            // Additions of times saturate at `MAX`, so this deadline stands for a time beyond the end of the clock.
            // Jumping to it would fire all such timers at once, without end.
            None | Some(Nanos::MAX) => false,
            Some(at) => {
                self.now = at + self.wake_latency;
                true
            }
        }
    }
}
