//! What the executor does when no task can make progress.

use std::fmt;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::rc::Rc;
use std::sync::Arc;

use rustix::event::PollFlags;

use super::{Interrupt, StopHandle};
use crate::units::Nanos;

/// The executor's source of time, and its way of waiting.
pub trait Park {
    /// The time now.
    fn now(&mut self) -> Nanos;

    /// Lets a peer in this process act, after the tasks and before any timer fires. Returns whether it has woken tasks.
    /// By default the peer is elsewhere.
    fn step(&mut self) -> bool {
        false
    }

    /// When the next turn begins: at `timer`, the next one of the tasks, or earlier if that peer must act before it.
    fn next_turn(&mut self, timer: Option<Nanos>) -> Option<Nanos> {
        timer
    }

    /// Sends and receives what it can without waiting, and wakes the tasks concerned. Returns whether
    /// anything arrived.
    fn exchange(&mut self) -> bool;

    /// Waits until `deadline`, or until something may have arrived. `deadline` is `None` if no timer is pending.
    /// Returns `false` if the wait would never end: nothing else can happen, and `deadline` is `None` or beyond the end
    /// of time.
    fn park(&mut self, deadline: Option<Nanos>) -> bool;

    /// The request to stop that tasks can wait for; by default one that is never made.
    fn interrupt(&self) -> Rc<Interrupt> {
        Rc::default()
    }
}

/// How a side waits for its sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It polls its sources again and again. A source announces a spin only while senders wait for room: the announcement
    /// lets the peer batch completions up to the wake point. Without it the peer would publish each completion, and
    /// neither side would ever sleep.
    Spin,
    /// It sleeps until a descriptor is ready, or until a timer.
    Sleep,
}

/// Something outside the executor that tasks wait for: a connection, or a network interface.
///
/// The methods that take an [`Announcer`] can be called only through [`Announced`], which keeps their order.
pub trait Source {
    /// Sends and receives what it can without waiting, and wakes the tasks concerned. Returns whether
    /// anything arrived.
    fn exchange(&self) -> bool;

    /// Announces to the peer what this side waits for, in place of an earlier announcement. Returns `false` if
    /// something arrived already: it was taken in, nothing is announced, and the peer would not wake this side.
    fn announce(&self, wait: Wait, _: Announcer) -> bool;

    /// Whether the event that this side announced has happened, so that the peer has rung or is about to.
    fn doorbell_due(&self, _: Announcer) -> bool {
        false
    }

    /// Records a lost wake-up: the event has happened, and the peer did not ring.
    fn doorbell_missed(&self, _: Announcer) {}

    /// Withdraws the announcement, if there is one.
    fn withdraw(&self, _: Announcer);

    /// What to sleep on: a descriptor, and what it shall be ready for.
    fn descriptor(&self) -> Option<(Watched<'_>, Interest)>;
}

/// What a descriptor shall be ready for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Interest {
    /// Something can be read from it.
    pub readable: bool,
    /// It takes what is written to it.
    pub writable: bool,
}

impl Interest {
    /// Ready for reading only.
    pub const READABLE: Self = Self { readable: true, writable: false };

    /// Whether it is for nothing: then there is no reason to wait.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }

    /// The same for `poll`, which reports errors and the end of the peer in any case.
    pub(super) fn flags(self) -> PollFlags {
        let flag = |wanted, flag| if wanted { flag } else { PollFlags::empty() };
        flag(self.readable, PollFlags::IN) | flag(self.writable, PollFlags::OUT)
    }
}

/// A descriptor to sleep on.
#[derive(Debug, Clone)]
pub enum Watched<'a> {
    /// Of the source, which lives longer than the sleep.
    Borrowed(BorrowedFd<'a>),
    /// Of a source that may exchange it for another one.
    Shared(Arc<OwnedFd>),
}

impl AsFd for Watched<'_> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Borrowed(descriptor) => *descriptor,
            Self::Shared(descriptor) => descriptor.as_fd(),
        }
    }
}

/// Proof that [`Announced`] calls: nothing else can make one.
#[derive(Debug)]
pub struct Announcer(());

/// The announcement that this side waits for `sources`. It holds until this value is dropped.
///
/// Creating this value announces the wait and dropping it withdraws the announcement, so neither can be forgotten. Only
/// a side that waits has one, so no other side can ask whether a doorbell is due.
pub struct Announced<'a> {
    sources: &'a [Rc<dyn Source>],
}

impl<'a> Announced<'a> {
    /// Announces to the peers of all `sources`. `None` if something arrived already: do not wait.
    pub fn new(sources: &'a [Rc<dyn Source>], wait: Wait) -> Option<Self> {
        // Dropped, and thereby withdrawn, if one of them has something.
        let announced = Self { sources };
        sources.iter().all(|source| source.announce(wait, Announcer(()))).then_some(announced)
    }

    /// Announces another kind of wait, which replaces this one: the peer sees no gap between them. `None` as in
    /// [`Announced::new`].
    pub fn and_then(self, wait: Wait) -> Option<Self> {
        self.sources.iter().all(|source| source.announce(wait, Announcer(()))).then_some(self)
    }

    /// The sources whose peers have a doorbell due.
    pub fn doorbells_due(&self) -> impl Iterator<Item = &'a Rc<dyn Source>> {
        self.sources.iter().filter(|source| source.doorbell_due(Announcer(())))
    }

    /// Records a lost wake-up of `source`, if its doorbell is still due. Returns whether it is.
    pub fn note_missed(&self, source: &dyn Source) -> bool {
        let missed = source.doorbell_due(Announcer(()));
        if missed {
            source.doorbell_missed(Announcer(()));
        }
        missed
    }
}

impl Drop for Announced<'_> {
    fn drop(&mut self) {
        self.sources.iter().for_each(|source| source.withdraw(Announcer(())));
    }
}

impl fmt::Debug for Announced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Announced").field("sources", &self.sources.len()).finish()
    }
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

    #[inline]
    fn exchange(&mut self) -> bool {
        self.interrupt.notice()
    }

    fn interrupt(&self) -> Rc<Interrupt> {
        Rc::clone(&self.interrupt)
    }

    #[inline]
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
