//! The end that submits frames.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::end::{End, refuse_item};
use super::submit::{Submission, Unwritten};
use super::{AWAKE, SharedMemory, planned_beyond};
use crate::connection::{Connection, Doorbell, IndexError, Look, MemoryRing};
use crate::exec::Wait;
use crate::frame::Completion;
use crate::ring::{Frame, Frames, Need, ProducerPort};

/// The producer's end of a ring in shared memory.
#[derive(Debug)]
pub struct ShmProducer {
    connection: Rc<Connection>,
    end: Rc<ProducerEnd>,
}

/// The part that the connection holds as well.
struct ProducerEnd {
    end: End<Completion>,
    unwritten: RefCell<Unwritten>,
    /// Returns the completion that this side must be woken for. Called before each sleep.
    need: RefCell<Box<dyn Fn() -> Need>>,
}

impl ShmProducer {
    /// A producer on `memory`, the only ring of the connection over `stream`, on which the greeting is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        Self::on(&Connection::beside_memory(stream)?, memory)
    }

    /// A producer on `memory`, one of the rings of `connection`.
    ///
    /// # Errors
    /// If the rings of `connection` do not lie in shared memory.
    pub fn on(connection: &Rc<Connection>, memory: SharedMemory) -> io::Result<Self> {
        let end = Rc::new(ProducerEnd {
            end: End::producer(memory),
            unwritten: RefCell::new(Unwritten::new()),
            need: RefCell::new(Box::new(|| Need::Completion)),
        });
        connection.add_memory_ring(Rc::clone(&end) as _)?;
        Ok(Self { connection: Rc::clone(connection), end })
    }

    #[inline(always)]
    fn submission(&self) -> Submission<'_> {
        Submission::new(&self.connection, &self.end.end, self.end.unwritten.borrow_mut())
    }
}

impl ProducerEnd {
    /// Writes everything that was submitted into the ring. The caller publishes.
    fn write(&self) {
        self.unwritten.borrow_mut().write(&self.end);
    }

    /// The count of completions at which this side must be woken; [`AWAKE`] if none is outstanding, or none is needed.
    fn wake_at(&self, need: Need) -> u64 {
        let (put, completed) = self.end.counts();
        let outstanding = put - completed;
        match need {
            _ if outstanding == 0 => AWAKE,
            Need::Nothing => AWAKE,
            Need::Completion => completed + 1,
            // Clamped, because a count at or below `completed`, or above the last outstanding frame, would never be
            // reached, and this side would not be woken.
            Need::Room(frames) => completed + frames.clamp(1, outstanding),
        }
    }
}

impl fmt::Debug for ProducerEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProducerEnd").field("end", &self.end).finish_non_exhaustive()
    }
}

impl MemoryRing for ProducerEnd {
    fn publish(&self, doorbell: &Doorbell) {
        self.write();
        self.end.publish(doorbell);
    }

    fn look(&self) -> Result<Look, IndexError> {
        Ok(if self.end.look()? { Look::Arrived } else { Look::Nothing })
    }

    fn peer_may_hurry(&self) -> bool {
        false
    }

    /// Announces the completion that this side waits for. A spin is announced only if senders wait for room: then
    /// completions up to the wake point may be batched. The consumer does not ring a side that
    /// spins.
    fn announce(&self, wait: Wait, doorbell: &Doorbell) -> Result<Look, IndexError> {
        let need = (self.need.borrow())();
        if wait == Wait::Spin && !matches!(need, Need::Room(_)) {
            return Ok(Look::Nothing);
        }
        self.write();
        let wake_at = self.wake_at(need);
        let found = self.end.announce(wake_at, wait, doorbell)?;
        // Wake a consumer that plans to sleep past `wake_at`. The plan is read after the fence in `Reader::announce`,
        // which pairs with the fence between plan and event word of the consumer's announcement.
        if found == Look::Nothing && planned_beyond(&self.end.memory, wake_at) {
            doorbell.ring();
        }
        Ok(found)
    }

    fn doorbell_due(&self) -> bool {
        self.end.doorbell_due()
    }

    fn withdraw(&self) -> bool {
        self.end.withdraw()
    }

    fn counts(&self) -> (u64, u64) {
        self.end.published()
    }
}

impl ProducerPort for ShmProducer {
    #[inline(always)]
    fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    #[inline(always)]
    fn submit(&self, frame: Frame<'_>) {
        self.submission().submit(frame);
    }

    #[inline(always)]
    fn submit_batch(&self, most: u32, frames: &mut impl Frames) -> u32 {
        self.submission().submit_batch(most, frames)
    }

    #[inline]
    fn next_completions(&self, most: u32) -> Option<(Completion, u32)> {
        match self.end.end.take(most, |_, _| {}) {
            Ok(taken) => taken.map(|taken| (taken.first, taken.items)),
            Err(reason) => {
                refuse_item(&self.connection, reason);
                None
            }
        }
    }

    fn before_sleep_ask(&self, need: Box<dyn Fn() -> Need>) {
        *self.end.need.borrow_mut() = need;
    }
}
