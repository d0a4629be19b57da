//! What the executor does when no task can move.

use std::os::fd::BorrowedFd;
use std::rc::Rc;

use super::{Interrupt, StopHandle};
use crate::units::Nanos;

/// The executor's source of time, and its way of waiting.
pub trait Park {
    /// The time now.
    fn now(&mut self) -> Nanos;

    /// Moves what can be moved without waiting, and wakes the tasks concerned. Returns whether
    /// anything moved.
    fn exchange(&mut self) -> bool;

    /// Waits until `deadline`, or until something may have moved. `None` means that no timer is
    /// pending. Returns `false` if nothing can ever happen again, or not before `deadline`, which never comes.
    fn park(&mut self, deadline: Option<Nanos>) -> bool;

    /// What asks the tasks to stop; nothing, unless the park has it from outside.
    fn interrupt(&self) -> Rc<Interrupt> {
        Rc::default()
    }
}

/// Something outside the executor that tasks wait for: one end of a transport.
pub trait Source {
    /// Moves what can be moved without waiting, and wakes the tasks concerned. Returns whether
    /// anything moved.
    fn exchange(&self) -> bool;

    /// Tells the peer what this side waits for, if it can wait long, before it spins: a peer that took
    /// it for busy would serve each spin just in time, and neither would ever sleep. Returns `false` if
    /// something is there already: it was taken in, so a spin would never find it.
    fn before_spin(&self) -> bool {
        true
    }

    /// Takes that back, because the spin has found something.
    fn after_spin(&self) {}

    /// Announces that this side is about to sleep. Returns `false` if something is there already,
    /// and sleeping would lose it.
    fn before_sleep(&self) -> bool;

    /// Whether what this side announced that it sleeps for is there, so that the peer must have rung,
    /// or be about to. Asked when a sleep ended by its time, before the announcement is taken back.
    fn is_owed(&self) -> bool {
        false
    }

    /// Nobody rang for it: a wake-up was lost.
    fn missed(&self) {}

    /// Takes the announcement back.
    fn after_sleep(&self);

    /// What to sleep on: a descriptor to read, and whether there is also something to write to it.
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
    /// Virtual time in which each sleep lasts `wake_latency` longer than it was meant to, as on a machine that
    /// takes that long to wake a CPU. What becomes due meanwhile is served at the same time.
    pub fn waking_late(wake_latency: Nanos) -> Self {
        Self { wake_latency, ..Self::default() }
    }

    /// The same, until `stop` is asked to.
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
            // Where sums of times end that are too large: a moment that is not there. Everything behind it would
            // happen at once, and again and again.
            None | Some(Nanos::MAX) => false,
            Some(at) => {
                self.now = at + self.wake_latency;
                true
            }
        }
    }
}
