//! The end that takes and completes frames.

use std::cell::Cell;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use super::end::{Core, Item, port};
use super::slot::{decode, pack};
use super::{AWAKE, Head, SharedMemory, ShmStats, plan};
use crate::control::Control;
use crate::exec::{Signal, Source};
use crate::ledger::Doorbells;
use crate::ring::{CloseReason, Completion, ConsumerPort, Descriptor, Port};

/// The consumer's end of a ring in shared memory.
#[derive(Debug)]
pub struct ShmConsumer {
    core: Core,
    /// The count of completions at which this side wakes by its own timer; [`AWAKE`] if it waits only for frames.
    plan: Cell<u64>,
}

impl ShmConsumer {
    /// A consumer on `memory`; the greeting on `stream` is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        Ok(Self { core: Core::consumer(stream, memory)?, plan: Cell::new(AWAKE) })
    }

    /// The counters so far.
    pub fn stats(&self) -> ShmStats {
        self.core.stats()
    }

    /// Does nothing: completions go into the ring directly, without staging. Called by `port!`.
    fn unload(&self) {}

    /// Whether the producer must be woken for an earlier completion than this side's plan.
    fn plans_too_late(&self) -> bool {
        self.core.peer_sleeps_until(Head::ProducerEvent).is_some_and(|at| at < self.plan.get())
    }
}

impl Source for ShmConsumer {
    /// A consumer that spins is not rung, so it checks here whether the producer announced an earlier completion.
    fn exchange(&self) -> bool {
        let hurried = self.plan.get() != AWAKE && self.plans_too_late();
        if hurried {
            self.core.arrived().notify();
        }
        self.core.exchange() || hurried
    }

    /// Announces the next frame, unless frames wait already: those wait for the hardware, and so would further ones.
    fn before_sleep(&self) -> bool {
        let (_, produced) = self.core.counts();
        let wake_at = if self.core.waiting() == 0 { produced + 1 } else { AWAKE };
        plan(&self.core.memory, self.plan.get());
        if !self.core.announce(wake_at) {
            return false;
        }
        // This read comes after the fence in `announce`, and pairs with the one in `ShmProducer::announce`: a producer
        // that read the plan too early to see this one wrote its event word before, and is seen here.
        if self.plans_too_late() {
            self.core.arrived().notify();
            return false;
        }
        true
    }

    fn is_owed(&self) -> bool {
        // A producer that announced an earlier completion than this side's plan rings as well.
        self.core.is_owed() || (!self.is_closed() && self.plan.get() != AWAKE && self.plans_too_late())
    }

    fn missed(&self) {
        self.core.missed();
    }

    fn after_sleep(&self) {
        plan(&self.core.memory, AWAKE);
        self.core.awake();
    }

    fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.core.descriptor()
    }
}

port!(ShmConsumer);

impl ConsumerPort for ShmConsumer {
    fn waiting(&self) -> u32 {
        self.core.waiting()
    }

    #[inline]
    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        self.core.next(|memory, Item { slot, behind, .. }| {
            let descriptor = decode(&memory.read_header(slot))?;
            let Some(buffer) = into else { return Ok((descriptor, &[][..])) };
            // Most frames have the length of the one before, so this length is the best guess for the next.
            if let Some(next) = behind {
                memory.prefetch(next, descriptor.len as usize);
            }
            let len = (descriptor.len as usize).min(buffer.len());
            let copy = &mut buffer[..len];
            memory.read_frame(slot, copy);
            Ok((descriptor, &*copy))
        })
    }

    #[inline]
    fn complete_run(&self, first: Completion, frames: u32) {
        let word = pack(&first);
        self.core.answer(first.position, frames, |memory, slot| memory.completion(slot).store(word, Relaxed));
    }

    fn patience(&self, most: u32) -> u32 {
        let (completed, _) = self.core.counts();
        // A producer that is awake, or wakes by its own timer, may look for credits at any time: publish each one.
        let wanted = self.core.peer_sleeps_until(Head::ProducerEvent).map_or(1, |at| at - completed);
        let wait = wanted.min(u64::from(most));
        self.plan.set(if wait == 0 { AWAKE } else { completed + wait });
        // The cast cannot truncate: `wait` is at most `most`, which is a u32.
        wait as u32
    }
}
