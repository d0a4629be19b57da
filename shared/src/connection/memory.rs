//! Doorbells of a connection whose rings lie in shared memory.

use std::cell::Cell;
use std::fmt::Debug;

use super::socket::Socket;
use super::{CloseReason, IndexError};
use crate::control::DOORBELL_RECORD;
use crate::exec::Wait;
use crate::ledger::Doorbells;

/// How many doorbells in a row, while neither side publishes, close the connection. An honest peer rings far less
/// often: at most once for each batch that it publishes, and once each time that it goes to sleep; and it sleeps again
/// only after this side has published.
const STORM: u32 = 4_096;

/// An end of a ring that lies in memory which both processes map. `ring::shm` specifies how it works.
pub(crate) trait MemoryRing: Debug {
    /// Publishes everything that was put, and rings if the peer sleeps until one of those items.
    fn publish(&self, doorbell: &Doorbell);

    /// Reads the count that the peer has published.
    ///
    /// # Errors
    /// If the peer's count is invalid.
    fn look(&self) -> Result<Look, IndexError>;

    /// Whether an honest peer may ring although it has published nothing.
    fn peer_may_hurry(&self) -> bool;

    /// Publishes, announces to the peer what this side waits for, and looks once more. This side may wait if that finds
    /// nothing; otherwise nothing is announced.
    ///
    /// # Errors
    /// As [`MemoryRing::look`].
    fn announce(&self, wait: Wait, doorbell: &Doorbell) -> Result<Look, IndexError>;

    /// Whether what this side announced has happened, so that the peer has rung or is about to.
    fn doorbell_due(&self) -> bool;

    /// Withdraws the announcement, if there is one. Returns whether this side slept.
    fn withdraw(&self) -> bool;

    /// Items that the peer published (as of the last look), and items that this side published.
    fn counts(&self) -> (u64, u64);
}

/// What a look at a ring has found, in ascending order: the greatest result of all rings is that of the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// Nothing new.
    Nothing,
    /// Nothing new, but the peer waits for an earlier completion than this side's plan.
    Hurried,
    /// Frames or completions.
    Arrived,
}

/// Rings the peer, and counts doorbells in both directions. They are records on the socket.
#[derive(Debug)]
pub(crate) struct Doorbell {
    pub(super) socket: Socket,
    /// Received since either side last published.
    in_a_row: Cell<u32>,
    /// Received since the last [`Doorbell::take_received`].
    received: Cell<u32>,
    counts: Cell<Doorbells>,
}

impl Doorbell {
    pub(super) fn new(socket: Socket) -> Self {
        Self { socket, in_a_row: Cell::new(0), received: Cell::new(0), counts: Cell::default() }
    }

    /// Counts a batch that this side published, and rings if that is `due`.
    pub(crate) fn published(&self, due: bool) {
        // After each batch the peer may wake, sleep again, and ring once before it sleeps: not part of a storm.
        self.progress();
        if due {
            self.ring();
        } else {
            self.count(|counts| counts.suppressed += 1);
        }
    }

    /// Rings the peer.
    pub(crate) fn ring(&self) {
        self.count(|counts| counts.rung += 1);
        self.socket.send_if_none_is_queued(&DOORBELL_RECORD);
    }

    /// Records that either side published, which justifies the doorbells received so far: the count of doorbells in a
    /// row starts from 0 again.
    pub(super) fn progress(&self) {
        self.in_a_row.set(0);
    }

    /// Counts a doorbell from the peer.
    ///
    /// # Errors
    /// [`CloseReason::DoorbellStorm`].
    pub(super) fn receive(&self) -> Result<(), CloseReason> {
        self.received.set(self.received.get() + 1);
        let in_a_row = self.in_a_row.get() + 1;
        self.in_a_row.set(in_a_row);
        if in_a_row > STORM { Err(CloseReason::DoorbellStorm(in_a_row)) } else { Ok(()) }
    }

    /// How many doorbells arrived since the last call.
    pub(super) fn take_received(&self) -> u32 {
        self.received.take()
    }

    pub(super) fn counts(&self) -> Doorbells {
        self.counts.get()
    }

    pub(super) fn count(&self, add: impl FnOnce(&mut Doorbells)) {
        let mut counts = self.counts.get();
        add(&mut counts);
        self.counts.set(counts);
    }
}
