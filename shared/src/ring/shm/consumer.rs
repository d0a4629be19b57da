//! The end that takes and completes frames.

use std::cell::Cell;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::end::{End, Taken, behind, refuse_item};
use super::{AWAKE, Head, SharedMemory, plan};
use crate::connection::{Connection, Doorbell, IndexError, Look, MemoryRing};
use crate::exec::Wait;
use crate::frame::{Completion, Descriptor};
use crate::ring::{Buffers, ConsumerPort};

/// The consumer's end of a ring in shared memory.
#[derive(Debug)]
pub struct ShmConsumer {
    connection: Rc<Connection>,
    end: Rc<ConsumerEnd>,
}

/// The part that the connection holds as well.
#[derive(Debug)]
struct ConsumerEnd {
    end: End<Descriptor>,
    /// The count of completions at which this side wakes by its own timer; [`AWAKE`] if it waits only for frames.
    plan: Cell<u64>,
}

impl ShmConsumer {
    /// A consumer on `memory`, the only ring of the connection over `stream`, on which the greeting is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        Self::on(&Connection::beside_memory(stream)?, memory)
    }

    /// A consumer on `memory`, one of the rings of `connection`.
    ///
    /// # Errors
    /// If the rings of `connection` do not lie in shared memory.
    pub fn on(connection: &Rc<Connection>, memory: SharedMemory) -> io::Result<Self> {
        let end = Rc::new(ConsumerEnd { end: End::consumer(memory), plan: Cell::new(AWAKE) });
        connection.add_memory_ring(Rc::clone(&end) as _)?;
        Ok(Self { connection: Rc::clone(connection), end })
    }
}

impl ConsumerEnd {
    /// Whether the producer must be woken for an earlier completion than this side's plan.
    fn plans_too_late(&self) -> bool {
        self.plan.get() != AWAKE
            && self.end.peer_waits_until(Head::ProducerEvent).is_some_and(|at| at < self.plan.get())
    }

    /// What to do after a look that found nothing: a producer that waits for an earlier completion than this side's
    /// plan is a reason to make another plan.
    fn or_hurried(&self, found: Look) -> Look {
        if found == Look::Nothing && self.plans_too_late() { Look::Hurried } else { found }
    }
}

impl MemoryRing for ConsumerEnd {
    fn publish(&self, doorbell: &Doorbell) {
        self.end.publish(doorbell);
    }

    /// A consumer that spins is not rung, so it checks here whether the producer announced an earlier completion.
    fn look(&self) -> Result<Look, IndexError> {
        let found = if self.end.look()? { Look::Arrived } else { Look::Nothing };
        Ok(self.or_hurried(found))
    }

    /// A producer rings for a second reason: its event is earlier than the consumer's plan.
    fn peer_may_hurry(&self) -> bool {
        self.end.peer_waits_until(Head::ProducerEvent).is_some()
    }

    /// Announces the next frame, unless frames wait already: those wait for the hardware, and so would further ones.
    /// A spin is not announced: until this side sleeps, it looks at the ring itself.
    fn announce(&self, wait: Wait, doorbell: &Doorbell) -> Result<Look, IndexError> {
        if wait == Wait::Spin {
            return Ok(Look::Nothing);
        }
        let (_, produced) = self.end.counts();
        let wake_at = if self.end.waiting() == 0 { produced + 1 } else { AWAKE };
        plan(&self.end.memory, self.plan.get());
        // The plan is compared after the fence in `Reader::announce`, and pairs with the one of the producer's
        // announcement: a producer that read the plan too early to see this one wrote its event word before, and is
        // seen here.
        let found = self.end.announce(wake_at, wait, doorbell).map(|found| self.or_hurried(found));
        if !matches!(found, Ok(Look::Nothing)) {
            self.withdraw();
        }
        found
    }

    fn doorbell_due(&self) -> bool {
        // A producer that announced an earlier completion than this side's plan rings as well.
        self.end.doorbell_due() || self.plans_too_late()
    }

    fn withdraw(&self) -> bool {
        plan(&self.end.memory, AWAKE);
        self.end.withdraw()
    }

    fn counts(&self) -> (u64, u64) {
        self.end.published()
    }
}

impl ConsumerPort for ShmConsumer {
    #[inline(always)]
    fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn waiting(&self) -> u32 {
        self.end.end.waiting()
    }

    #[inline]
    fn take_frames(&self, most: u32, into: &mut impl Buffers) -> Option<(Descriptor, u32)> {
        match self.end.end.take(most, |memory, taken| copy_frames(memory, taken, into)) {
            Ok(taken) => taken.map(|taken| (taken.first, taken.items)),
            Err(reason) => {
                refuse_item(&self.connection, reason);
                None
            }
        }
    }

    #[inline]
    fn complete_group(&self, first: Completion, frames: u32) {
        if self.end.end.complete(&first, frames)
            && let Some(doorbell) = self.connection.doorbell()
        {
            self.end.end.publish(doorbell);
        }
    }

    fn batch_limit(&self, most: u32) -> u32 {
        let (completed, _) = self.end.end.counts();
        // A producer that is awake, or wakes by its own timer, may look for credits at any time: publish each one.
        let wanted = self.end.end.peer_waits_until(Head::ProducerEvent).map_or(1, |at| at - completed);
        let wait = wanted.min(u64::from(most));
        self.end.plan.set(if wait == 0 { AWAKE } else { completed + wait });
        // The cast cannot truncate: `wait` is at most `most`, which is a u32.
        wait as u32
    }
}

/// Copies the frames that were taken out of their slots.
#[inline(always)]
fn copy_frames(memory: &SharedMemory, taken: &Taken<Descriptor>, into: &mut impl Buffers) {
    let (len, mut slot) = (taken.first.len as usize, taken.slot);
    for number in 0..taken.items {
        let Some(buffer) = into.next() else { return };
        let next = behind(slot, 1, memory.depth());
        // Most frames have the length of the one before, so this length is the best guess for the next.
        if u64::from(number) < taken.behind {
            memory.prefetch_large(next, len);
        }
        memory.read_frame(slot, len, buffer);
        slot = next;
    }
}
