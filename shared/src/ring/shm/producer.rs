//! The end that submits frames.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use super::end::{Core, port};
use super::intake::Intake;
use super::slot::{pack, unpack};
use super::staging::Staging;
use super::{AWAKE, SharedMemory, ShmStats, planned_beyond};
use crate::control::Control;
use crate::exec::{Signal, Source};
use crate::ledger::Doorbells;
use crate::ring::{CloseReason, Completion, Frame, Frames, Need, Port, ProducerPort};

/// The producer's end of a ring in shared memory.
pub struct ShmProducer {
    core: Core,
    staging: RefCell<Staging>,
    /// Returns the completion that this side must be woken for. Called before each sleep.
    need: RefCell<Box<dyn Fn() -> Need>>,
}

impl ShmProducer {
    /// A producer on `memory`; the greeting on `stream` is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        Ok(Self {
            core: Core::producer(stream, memory)?,
            staging: RefCell::new(Staging::new()),
            need: RefCell::new(Box::new(|| Need::Completion)),
        })
    }

    /// The counters so far.
    pub fn stats(&self) -> ShmStats {
        self.core.stats()
    }

    fn intake(&self) -> Intake<'_> {
        Intake::new(&self.core, self.staging.borrow_mut())
    }

    /// Writes the staged frames into the ring.
    fn unload(&self) {
        self.intake().unload();
    }

    /// The count of completions at which this side must be woken; [`AWAKE`] if none is outstanding, or none is needed.
    fn wake_at(&self) -> u64 {
        let (put, completed) = self.core.counts();
        let outstanding = put - completed;
        match (self.need.borrow())() {
            _ if outstanding == 0 => AWAKE,
            Need::Nothing => AWAKE,
            Need::Completion => completed + 1,
            // Clamped, because a count at or below `completed`, or above the last outstanding frame, would never be
            // reached, and this side would not be woken.
            Need::Room(frames) => completed + frames.clamp(1, outstanding),
        }
    }

    /// Announces the completion that this side waits for. Returns whether it has to wait, because none arrived yet.
    fn announce(&self) -> bool {
        self.unload();
        let wake_at = self.wake_at();
        let must_wait = self.core.announce(wake_at);
        // Wake a consumer that plans to sleep past `wake_at`. The plan is read after the fence in `Core::announce`,
        // which pairs with the fence between plan and event word in `ShmConsumer::before_sleep`.
        if must_wait && planned_beyond(&self.core.memory, wake_at) {
            self.core.ring();
        }
        must_wait
    }
}

impl fmt::Debug for ShmProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShmProducer").field("core", &self.core).finish_non_exhaustive()
    }
}

impl Source for ShmProducer {
    fn exchange(&self) -> bool {
        self.unload();
        self.core.exchange()
    }

    fn before_spin(&self) -> bool {
        !matches!((self.need.borrow())(), Need::Room(_)) || self.announce()
    }

    fn after_spin(&self) {
        self.core.awake();
    }

    fn before_sleep(&self) -> bool {
        self.announce()
    }

    fn is_owed(&self) -> bool {
        self.core.is_owed()
    }

    fn missed(&self) {
        self.core.missed();
    }

    fn after_sleep(&self) {
        self.core.awake();
    }

    fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.core.descriptor()
    }
}

port!(ShmProducer);

impl ProducerPort for ShmProducer {
    #[inline(always)]
    fn submit(&self, frame: Frame<'_>) {
        self.intake().submit(frame);
    }

    #[inline(always)]
    fn submit_burst(&self, most: u32, frames: &mut impl Frames) -> u32 {
        self.intake().submit_burst(most, frames)
    }

    fn next_completion(&self) -> Option<Completion> {
        self.core.next(|memory, item| unpack(memory.completion(item.slot).load(Relaxed), item.position))
    }

    #[inline]
    fn take_run(&self, first: &Completion) -> u32 {
        let word = pack(first);
        self.core.skip_while(|memory, slot| memory.completion(slot).load(Relaxed) == word)
    }

    fn before_sleep_ask(&self, need: Box<dyn Fn() -> Need>) {
        *self.need.borrow_mut() = need;
    }
}
