//! Waiting until a descriptor outside the connection is ready: a network interface, or the wire to another driver.

use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::Context;

use rustix::event::{PollFd, Timespec, poll};

use super::{Announcer, Interest, Signal, Source, Wait, Watched};

/// Turns between two looks at the descriptor while this side does not sleep. Measured on an AMD EPYC: a look is a system
/// call of 220 ns, and a turn of a spin over two rings in shared memory takes 37 ns. With a look in each turn, a spin
/// would notice seven times later what arrives in the rings. With this number a turn takes 50 ns, and a frame is noticed
/// within 1 us.
const TURNS: u32 = 16;

/// A [`Source`] that tells one task when a descriptor is ready.
///
/// The task says what it waits for with [`Readiness::watch`], and asks with [`Readiness::take`] whether that has
/// happened. Then nothing is watched until the task watches again, so a descriptor that stays ready wakes it once.
/// No wake-up is lost: readiness is a state of the descriptor and not an event, and it is looked at after each `watch`.
///
/// Without a descriptor, as in virtual time, the code that makes something ready calls [`Readiness::notify`].
///
/// ```
/// use shared::exec::Readiness;
///
/// let readiness = Readiness::default();
/// assert!(!readiness.take());
/// readiness.notify();
/// assert!(readiness.take() && !readiness.take());
/// ```
#[derive(Debug, Default)]
pub struct Readiness {
    watched: RefCell<Option<(Arc<OwnedFd>, Interest)>>,
    /// Whether `watched` holds a descriptor: a copy that is cheap to read in each turn.
    watches: Cell<bool>,
    /// Whether it is ready, and the task has not asked since.
    ready: Cell<bool>,
    signal: Signal,
    /// Turns left until the next look.
    turns: Cell<u32>,
    /// Whether this side has announced a sleep.
    sleeps: Cell<bool>,
}

impl Readiness {
    /// Watches this descriptor, in place of the one before. `None` watches nothing.
    pub fn watch(&self, what: Option<(Arc<OwnedFd>, Interest)>) {
        self.watches.set(what.as_ref().is_some_and(|(_, interest)| !interest.is_none()));
        self.watched.replace(what);
    }

    /// Watches nothing. Keeps the descriptor open.
    #[inline(always)]
    pub fn ignore(&self) {
        // Mostly nothing is watched, and then nothing is written.
        if self.watches.get() {
            self.watches.set(false);
        }
    }

    /// Records that it is ready, and wakes the task.
    pub fn notify(&self) {
        self.watches.set(false);
        self.ready.set(true);
        self.signal.notify();
    }

    /// Whether it is ready, and the task has not asked since.
    #[inline(always)]
    pub fn is_ready(&self) -> bool {
        self.ready.get()
    }

    /// Whether it has become ready since the last call.
    #[inline(always)]
    pub fn take(&self) -> bool {
        // Mostly false, and then nothing is written.
        self.ready.get() && self.ready.replace(false)
    }

    /// Registers the task to be woken when it is ready: for a task that asks whenever it is polled.
    pub fn register(&self, cx: &Context<'_>) {
        self.signal.register(cx);
    }

    /// Looks at the descriptor, without waiting.
    fn look(&self) -> bool {
        let ready = self.watched.borrow().as_ref().is_some_and(|(descriptor, interest)| {
            let mut watched = [PollFd::new(descriptor, interest.flags())];
            let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
            // If the call fails, the next look may not; the task would find the same error if it used the descriptor.
            poll(&mut watched, Some(&at_once)).is_ok_and(|ready| ready > 0)
        });
        if ready {
            self.notify();
        }
        ready
    }
}

impl Source for Readiness {
    #[inline]
    fn exchange(&self) -> bool {
        if !self.watches.get() {
            return false;
        }
        let left = self.turns.get();
        self.turns.set(left.checked_sub(1).unwrap_or(TURNS));
        left == 0 && self.look()
    }

    /// The sleep itself looks at the descriptor: it ends at once if that is ready.
    fn announce(&self, wait: Wait, _: Announcer) -> bool {
        self.sleeps.set(wait == Wait::Sleep);
        true
    }

    /// The turn after a sleep looks, because the descriptor may have ended it.
    fn withdraw(&self, _: Announcer) {
        if self.sleeps.take() {
            self.turns.set(0);
        }
    }

    fn descriptor(&self) -> Option<(Watched<'_>, Interest)> {
        let watched = self.watched.borrow();
        let (descriptor, interest) = watched.as_ref().filter(|_| self.watches.get())?;
        Some((Watched::Shared(Arc::clone(descriptor)), *interest))
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use rustix::pipe::pipe;

    use super::*;
    use crate::exec::{IdleMode, Interrupt, Park, RealPark};

    /// Turns until `readiness` notices that it is ready; at most 100.
    fn turns(readiness: &Readiness) -> usize {
        (0..100).take_while(|_| !readiness.exchange()).count()
    }

    #[test]
    fn a_ready_descriptor_is_noticed_within_a_few_turns_and_reported_once() {
        let (reader, writer) = pipe().unwrap();
        let readiness = Readiness::default();
        let reader = Arc::new(reader);
        readiness.watch(Some((Arc::clone(&reader), Interest::READABLE)));
        assert_eq!(turns(&readiness), 100);
        rustix::io::write(&writer, b"x").unwrap();
        assert!(turns(&readiness) <= TURNS as usize && readiness.take() && !readiness.take());
        assert!(readiness.descriptor().is_none(), "a sleep on it would end at once");
        assert_eq!(turns(&readiness), 100, "nothing is watched until the task watches again");
        readiness.watch(Some((reader, Interest::READABLE)));
        assert!(turns(&readiness) <= TURNS as usize, "it is still ready");
        let writable = Interest { writable: true, ..Interest::default() };
        readiness.watch(Some((Arc::new(writer), writable)));
        assert!(turns(&readiness) <= TURNS as usize);
        readiness.watch(None);
        assert_eq!(turns(&readiness), 100);
    }

    #[test]
    fn a_sleep_ends_when_the_descriptor_is_ready_and_the_turn_after_it_notices_that() {
        let (reader, writer) = pipe().unwrap();
        let readiness = Rc::new(Readiness::default());
        let mut park = RealPark::new(vec![Rc::clone(&readiness) as _], Rc::new(Interrupt::never()), IdleMode::Sleep);
        readiness.watch(Some((Arc::new(reader), Interest::READABLE)));
        let writes = std::thread::spawn(move || rustix::io::write(&writer, b"x").map(|_| writer).unwrap());
        while !readiness.is_ready() {
            assert!(park.park(None), "there is something to wait for");
        }
        drop(writes.join().unwrap());
    }
}
