//! The end that takes and completes frames.

use std::cell::Cell;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use super::end::{Core, Item, port};
use super::slot::{decode, pack};
use super::{AWAKE, Head, SharedMemory, ShmStats, plan};
use crate::exec::{Signal, Source};
use crate::report::Doorbells;
use crate::ring::{CloseReason, Completion, ConsumerPort, Descriptor, Port};
use crate::wire::Control;

/// The consumer's end of a ring in shared memory.
#[derive(Debug)]
pub struct ShmConsumer {
    core: Core,
    /// The count of completions by which this side will be awake without being woken; [`AWAKE`] if
    /// it waits for frames alone.
    plan: Cell<u64>,
}

impl ShmConsumer {
    /// A consumer on `memory`; `stream` is past the greeting.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        Ok(Self { core: Core::consumer(stream, memory)?, plan: Cell::new(AWAKE) })
    }

    /// The traffic so far.
    pub fn stats(&self) -> ShmStats {
        self.core.stats()
    }

    /// Nothing is staged here: what was put is in the ring.
    fn unload(&self) {}

    /// Whether the producer waits for an earlier completion than this side plans for.
    fn is_too_patient(&self) -> bool {
        self.core.peer_sleeps_until(Head::ProducerEvent).is_some_and(|at| at < self.plan.get())
    }
}

impl Source for ShmConsumer {
    /// A side that never sleeps has to find here what one that sleeps is told.
    fn exchange(&self) -> bool {
        let hurried = self.plan.get() != AWAKE && self.is_too_patient();
        if hurried {
            self.core.arrived().notify();
        }
        self.core.exchange() || hurried
    }

    /// Frames that wait already wait for the hardware, so further ones are no reason to wake up.
    fn before_sleep(&self) -> bool {
        let (_, produced) = self.core.counts();
        let wake_at = if self.core.waiting() == 0 { produced + 1 } else { AWAKE };
        plan(&self.core.memory, self.plan.get());
        if !self.core.announce(wake_at) {
            return false;
        }
        // Behind the fence of the announcement: a producer that did not see the plan is seen here.
        if self.is_too_patient() {
            self.core.arrived().notify();
            return false;
        }
        true
    }

    fn is_owed(&self) -> bool {
        // A producer that waits for less than this side plans for rings, too.
        self.core.is_owed() || (!self.is_closed() && self.plan.get() != AWAKE && self.is_too_patient())
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
            // The next one is as long more often than not.
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
        // A producer that is awake, or wakes by itself, looks for credits at any time: none may be late.
        let wanted = self.core.peer_sleeps_until(Head::ProducerEvent).map_or(1, |at| at - completed);
        let wait = wanted.min(u64::from(most));
        self.plan.set(if wait == 0 { AWAKE } else { completed + wait });
        // No more than `most`, which fits.
        wait as u32
    }
}
