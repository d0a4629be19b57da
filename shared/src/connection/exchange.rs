//! A turn of a connection: what it sends, receives and announces for itself and for all its rings.

use std::cell::RefCell;
use std::rc::Rc;

use super::socket::Socket;
use super::{Carrier, CloseReason, Connection, Doorbell, IndexError, Look, MAX_UNREAD_CONTROL, MemoryRing, Role};
use crate::control::{Control, Parsed, WireError};
use crate::exec::{Announcer, Interest, Source, Wait, Watched};

/// Turns between two reads of the socket while this side does not sleep and the rings lie in shared memory: control
/// messages are rare, and a system call in each turn is not free.
const TURNS: u32 = 64;

impl Connection {
    /// The kernel has taken the oldest queued record of the end of role `from`.
    pub(super) fn left(&self, from: Role) {
        if let Some(ring) = self.record_ring(from)
            && let Some(ring) = &*ring.borrow()
        {
            ring.left();
        }
    }

    /// Handles a received record.
    fn receive(&self, record: Parsed<'_>) -> Result<(), CloseReason> {
        // Whole records, so that a peer that sends single bytes of a message does not count as alive.
        self.records.set(self.records.get() + 1);
        match (record, self.doorbell()) {
            // No action: the liveness check watches `records`, which has grown already.
            (Parsed::Control(Control::Alive), _) => Ok(()),
            (Parsed::Control(message), _) => {
                let mut control = self.control.borrow_mut();
                if control.len() == MAX_UNREAD_CONTROL {
                    return Err(WireError::Unexpected("control message").into());
                }
                self.note_leaving(&message);
                control.push_back(message);
                Ok(())
            }
            (Parsed::Doorbell, Some(doorbell)) => doorbell.receive(),
            (record @ Parsed::Frame(..), _) => self.arrive(Role::Consumer, record),
            (record @ Parsed::Completion(_), _) => self.arrive(Role::Producer, record),
            (record @ Parsed::Doorbell, None) => Err(WireError::Unexpected(record.name()).into()),
        }
    }

    /// Hands a received record to the end of `role`.
    fn arrive(&self, role: Role, record: Parsed<'_>) -> Result<(), CloseReason> {
        match self.record_ring(role).map(RefCell::borrow).as_deref() {
            Some(Some(ring)) => ring.arrive(record),
            Some(None) | None => Err(WireError::Unexpected(record.name()).into()),
        }
    }

    /// Writes what is queued and reads once. Returns whether something arrived, or the connection closed.
    fn exchange_socket(&self, socket: &Socket) -> bool {
        socket.write(|from| self.left(from));
        if self.is_closed() {
            return false;
        }
        let moved = socket.read(|record| self.receive(record)).unwrap_or_else(|reason| {
            self.close(reason);
            true
        });
        if moved {
            self.arrived.notify();
        }
        if moved && !self.control.borrow().is_empty() {
            self.control_arrived.notify();
        }
        moved
    }

    /// Looks at every ring. An invalid count closes the connection.
    fn look(&self, doorbell: &Doorbell, rings: &[Rc<dyn MemoryRing>]) -> Look {
        let found = rings.iter().map(|ring| self.accept(ring.look())).max().unwrap_or(Look::Nothing);
        self.note_found(doorbell, found);
        found
    }

    /// The result of a look or of an announcement; an invalid count closes the connection.
    fn accept(&self, looked: Result<Look, IndexError>) -> Look {
        match looked {
            Ok(found) => found,
            // Each later look finds the invalid count again: close, and notify, only once.
            Err(_) if self.is_closed() => Look::Nothing,
            Err(error) => {
                self.close(CloseReason::Index(error));
                Look::Arrived
            }
        }
    }

    fn note_found(&self, doorbell: &Doorbell, found: Look) {
        if found == Look::Arrived {
            doorbell.progress();
        }
        if found > Look::Nothing {
            self.arrived.notify();
        }
    }
}

impl Source for Connection {
    /// The order matters: the peer publishes before it sends a control message, so a look at the rings after the read
    /// of the socket finds everything that the peer published before the message.
    fn exchange(&self) -> bool {
        match &self.carrier {
            Carrier::Socket { socket, .. } => self.exchange_socket(socket),
            Carrier::Memory { doorbell, rings, turns } => {
                self.publish();
                let left = turns.get();
                turns.set(left.checked_sub(1).unwrap_or(TURNS));
                let received = left == 0 && self.exchange_socket(&doorbell.socket);
                let rings = rings.borrow();
                let found = self.look(doorbell, &rings);
                if received {
                    let rung = doorbell.take_received() > 0;
                    let explained = found == Look::Arrived || rings.iter().any(|ring| ring.peer_may_hurry());
                    doorbell.count(|counts| counts.spurious += u64::from(rung && !explained));
                }
                received || found > Look::Nothing
            }
            Carrier::InProcess { .. } => false,
        }
    }

    fn announce(&self, wait: Wait, _: Announcer) -> bool {
        match &self.carrier {
            // A spin reads the socket itself.
            Carrier::Socket { .. } => wait == Wait::Spin || !self.exchange(),
            Carrier::Memory { doorbell, rings, .. } => {
                let rings = rings.borrow();
                let announced = rings.iter().map(|ring| self.accept(ring.announce(wait, doorbell)));
                // Stops at the first ring into which something arrived: this side then does not wait, so the other
                // rings need no announcement.
                let Some(found) = { announced }.find(|found| *found > Look::Nothing) else { return true };
                self.note_found(doorbell, found);
                rings.iter().for_each(|ring| {
                    ring.withdraw();
                });
                false
            }
            Carrier::InProcess { .. } => true,
        }
    }

    fn doorbell_due(&self, _: Announcer) -> bool {
        match &self.carrier {
            Carrier::Memory { rings, .. } => !self.is_closed() && rings.borrow().iter().any(|ring| ring.doorbell_due()),
            Carrier::Socket { .. } | Carrier::InProcess { .. } => false,
        }
    }

    fn doorbell_missed(&self, _: Announcer) {
        if let Some(doorbell) = self.doorbell() {
            doorbell.count(|counts| counts.missed += 1);
        }
    }

    /// The next turn reads the socket, because a record on it may have ended the wait.
    fn withdraw(&self, _: Announcer) {
        if let Carrier::Memory { rings, turns, .. } = &self.carrier {
            // Not `any`, which would stop at the first ring.
            let slept = rings.borrow().iter().filter(|ring| ring.withdraw()).count();
            if slept > 0 {
                turns.set(0);
            }
        }
    }

    /// `None` once the connection closed: a closed socket is always readable, so a poll on it would not sleep.
    fn descriptor(&self) -> Option<(Watched<'_>, Interest)> {
        let (socket, interest) = self.socket().filter(|_| !self.is_closed()).map(Socket::descriptor)?;
        Some((Watched::Borrowed(socket), interest))
    }
}
