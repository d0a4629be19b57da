//! The connection to the peer: greeting, control messages, doorbells, and why it closed.
//!
//! This page specifies the protocol of a connection, for writing another implementation of it. Records are specified in
//! [`control`](crate::control), the layout of a ring in shared memory in [`ring::shm`](crate::ring::shm).
//!
//! # Greeting
//!
//! The stack connects to the driver's Unix stream socket. It sends a preamble of 8 bytes (magic and version) and HELLO:
//! the transport, the rings that it wants (direction, queue, depth, slot size), its wake point and its timeout. The
//! driver answers ACCEPT (the rings in force, generation, link rate) or REFUSE (code, reason), and then REFUSE is the
//! last message. Both sides have then opened the connection.
//!
//! HELLO lists exactly one ring that transmits (from stack to driver), and may list one that receives (from driver to
//! stack), each with queue 0. ACCEPT lists first the ring that transmits, and then the one that receives if it is
//! granted. A driver whose backend receives nothing leaves it out, and the stack decides whether it goes on without.
//! Rings of another queue are left out too. The depth in force of each ring is the smaller of what both ask for; a slot
//! holds 1514 bytes.
//!
//! With the transport `shm` the driver sends one descriptor for each ring right behind ACCEPT, each in a message of its
//! own, in the order in which ACCEPT lists the rings. The driver makes the memory of both; in the one that receives, it
//! is the producer. With the transport `socket`, the records of both rings share the socket. They cannot be confused: a
//! side receives frames of one ring only, and completions of the other only.
//!
//! # The two rings
//!
//! Both work in the same way, as a ring between a producer and a consumer. Of the ring that receives, the stack takes
//! frames in order and completes each when it has finished with it; until then the slot is held, and while all are,
//! the driver reads nothing from its backend. A completion's status is 0, and its times are those at which the stack
//! took the frame and finished with it. A frame's flow is 0, its sequence number counts the frames of the ring from 0,
//! and its time of submission is that at which it began to occupy the receiving direction of the link. The frames are
//! those of the network: nothing of their content was checked.
//!
//! # Control messages
//!
//! A control message is a record on the socket, behind everything that its sender sent before it:
//!
//! - Before a side sends a control message, it publishes everything that it put into its rings.
//! - A side that receives one looks at its rings before it acts on the message.
//!
//! So the count of frames in a farewell can be compared with the frames that arrived. A side that has sent nothing else
//! for a while sends ALIVE ([`liveness`](crate::liveness)). At most [`MAX_UNREAD_CONTROL`] messages wait unread; one
//! more closes the connection.
//!
//! # Doorbells
//!
//! A side that sleeps has announced what wakes it, and its peer rings when that has happened: see
//! [`ring::shm`](crate::ring::shm). A doorbell is a record on the socket, not an eventfd, because a flag that both
//! processes can change at any time decides whether a write to an eventfd blocks: a peer could block a side that rings.
//! Each call on a socket states that it must not block. Waking a sleeping processor takes ten times as long as either.
//! In the transport `socket` each write wakes the peer, so there are no doorbells.
//!
//! # End
//!
//! BYE ends a session: the stack sends it first, with the number of frames that it submitted, and the driver answers
//! with its own, which has its report. Before its BYE the driver stops reading frames; those that it had put into the
//! ring that receives are published, and its report has their number (`up.submitted`). Then the driver waits until the stack has closed its end. A side that receives
//! anything that an honest peer does not send closes the connection with a typed reason ([`CloseReason`]), and states
//! that reason in its BYE.
//!
//! # Example
//!
//! ```
//! use shared::connection::{CloseReason, Connection};
//! use shared::control::Control;
//!
//! let (stack, driver) = Connection::in_process();
//! stack.send_control(&Control::Alive);
//! assert_eq!(driver.next_control(), Some(Control::Alive));
//! drop(driver);
//! assert_eq!(stack.closed(), Some(CloseReason::PeerGone));
//! ```

mod exchange;
mod inbox;
mod memory;
mod outbox;
mod reason;
mod socket;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};

pub(crate) use memory::{Doorbell, Look, MemoryRing};
pub(crate) use outbox::{Outbox, Role};
pub use reason::{CloseReason, IndexError};
pub(crate) use socket::RecordRing;
use socket::Socket;
pub use socket::SocketStats;

use crate::control::{Control, encode_control};
use crate::exec::Signal;
use crate::ledger::Doorbells;

/// How many unread control messages a peer may cause; one more closes the connection. An honest peer needs two.
pub const MAX_UNREAD_CONTROL: usize = 16;

/// One side of a connection, with its ends of the rings.
///
/// It is used from one thread through an `Rc`: the executor's park moves its bytes, and tasks and the ends of the rings
/// use it. It closes when the last of them drops it.
#[derive(Debug)]
pub struct Connection {
    /// Notified when frames, completions or a control message arrived, or the connection closed.
    arrived: Rc<Signal>,
    /// Notified when a control message arrived, or the connection closed.
    control_arrived: Signal,
    /// Received control messages, oldest first.
    control: RefCell<VecDeque<Control>>,
    /// Whole records received, for the liveness check.
    records: Cell<u64>,
    /// Whether a farewell was sent or received.
    leaving: Cell<bool>,
    /// Whether `reason` is set: a copy that is cheap to read, because it is read for each frame.
    closed: Cell<bool>,
    reason: RefCell<Option<CloseReason>>,
    carrier: Carrier,
}

/// What carries control messages, doorbells, frames and completions.
#[derive(Debug)]
enum Carrier {
    /// The socket carries everything. Read in each turn.
    Socket {
        socket: Socket,
        producer: RefCell<Option<Rc<dyn RecordRing>>>,
        consumer: RefCell<Option<Rc<dyn RecordRing>>>,
    },
    /// The socket carries control messages and doorbells; frames and completions lie in shared memory.
    Memory {
        doorbell: Doorbell,
        rings: RefCell<Vec<Rc<dyn MemoryRing>>>,
        /// Turns left until the socket is read again.
        turns: Cell<u32>,
    },
    /// The peer is in this process; its rings are shared with it.
    InProcess { peer: Weak<Connection> },
}

impl Connection {
    /// A connection whose socket carries frames and completions as well. The greeting on `stream` is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn over_socket(stream: OwnedFd) -> io::Result<Rc<Self>> {
        let socket = Socket::new(stream)?;
        Ok(Rc::new(Self::new(Carrier::Socket { socket, producer: RefCell::default(), consumer: RefCell::default() })))
    }

    /// A connection whose rings lie in shared memory. The greeting on `stream` is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn beside_memory(stream: OwnedFd) -> io::Result<Rc<Self>> {
        let doorbell = Doorbell::new(Socket::new(stream)?);
        Ok(Rc::new(Self::new(Carrier::Memory { doorbell, rings: RefCell::default(), turns: Cell::new(0) })))
    }

    /// Both sides of a connection within this process, for virtual time and for tests.
    pub fn in_process() -> (Rc<Self>, Rc<Self>) {
        let mut right = None;
        let left = Rc::new_cyclic(|left| {
            let other = Rc::new(Self::new(Carrier::InProcess { peer: Weak::clone(left) }));
            let peer = Rc::downgrade(&other);
            right = Some(other);
            Self::new(Carrier::InProcess { peer })
        });
        // Always `Some`: the closure above was called.
        let right = right.unwrap_or_else(|| Rc::clone(&left));
        (left, right)
    }

    fn new(carrier: Carrier) -> Self {
        Self {
            arrived: Rc::default(),
            control_arrived: Signal::default(),
            control: RefCell::default(),
            records: Cell::new(0),
            leaving: Cell::new(false),
            closed: Cell::new(false),
            reason: RefCell::new(None),
            carrier,
        }
    }

    /// Notified when frames, completions or a control message arrived, or the connection closed.
    #[inline(always)]
    pub fn arrived(&self) -> &Signal {
        &self.arrived
    }

    /// The same signal, for the peer's end of a ring in this process.
    pub(crate) fn arrived_signal(&self) -> Rc<Signal> {
        Rc::clone(&self.arrived)
    }

    /// Notified when a control message arrived, or the connection closed. Separate from [`Connection::arrived`], so
    /// that a task that waits for a control message is not woken for each packet.
    pub fn control_arrived(&self) -> &Signal {
        &self.control_arrived
    }

    /// Sends a control message behind everything that was put into the rings, and at once, because control messages are
    /// few, and the process may end right after the last one. Also sends on a connection that closed for a violation,
    /// so that the peer receives the reason.
    pub fn send_control(&self, message: &Control) {
        let (Carrier::Socket { socket, .. } | Carrier::Memory { doorbell: Doorbell { socket, .. }, .. }) =
            &self.carrier
        else {
            return self.post_to_peer(message);
        };
        self.publish();
        let record = match encode_control(message) {
            Ok(record) => record,
            Err(error) => return self.close(error.into()),
        };
        self.note_leaving(message);
        if !self.reason.borrow().as_ref().is_some_and(CloseReason::peer_is_gone) {
            socket.send(&record, |from| self.left(from));
        }
    }

    fn post_to_peer(&self, message: &Control) {
        self.note_leaving(message);
        if let Some(peer) = self.peer() {
            peer.note_leaving(message);
            peer.control.borrow_mut().push_back(message.clone());
            peer.arrived.notify();
            peer.control_arrived.notify();
        }
    }

    fn note_leaving(&self, message: &Control) {
        self.leaving.set(self.leaving.get() || matches!(message, Control::Bye(_)));
    }

    /// Whether a control message has arrived that was not read yet.
    #[inline]
    pub fn has_control(&self) -> bool {
        !self.control.borrow().is_empty()
    }

    /// The next control message that arrived.
    pub fn next_control(&self) -> Option<Control> {
        self.control.borrow_mut().pop_front()
    }

    /// Why the connection closed, once it has.
    pub fn closed(&self) -> Option<CloseReason> {
        self.reason.borrow().clone()
    }

    /// Whether the connection closed.
    #[inline(always)]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Closes the connection from this side, for a reason that it cannot detect itself. The first reason stays.
    pub fn close(&self, reason: CloseReason) {
        self.close_this_side(reason.clone());
        if let Some(peer) = self.peer() {
            peer.close_this_side(reason);
        }
    }

    /// After a violation what is queued is kept, so that BYE can follow it.
    fn close_this_side(&self, reason: CloseReason) {
        if let Some(socket) = self.socket() {
            socket.close(reason.peer_is_gone());
        }
        self.reason.borrow_mut().get_or_insert(reason);
        self.closed.set(true);
        self.arrived.notify();
        self.control_arrived.notify();
    }

    /// A count that grows with everything received from the peer: whole records, progress in the rings.
    pub fn received(&self) -> u64 {
        self.records.get().wrapping_add(self.sum_of_rings(|(received, _)| received))
    }

    /// A count that grows with everything sent to the peer or published for it.
    pub fn sent(&self) -> u64 {
        self.socket_stats().written_bytes.wrapping_add(self.sum_of_rings(|(_, sent)| sent))
    }

    fn sum_of_rings(&self, count: impl Fn((u64, u64)) -> u64) -> u64 {
        match &self.carrier {
            Carrier::Memory { rings, .. } => {
                rings.borrow().iter().fold(0, |sum: u64, ring| sum.wrapping_add(count(ring.counts())))
            }
            Carrier::Socket { .. } | Carrier::InProcess { .. } => 0,
        }
    }

    /// Whether either side has sent a farewell.
    pub fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Sends ALIVE, unless earlier bytes are still queued because the peer does not read.
    pub fn send_alive(&self) {
        // Encoding fails only for a message that is too long, which ALIVE is not.
        if let (Some(socket), Ok(record)) = (self.socket(), encode_control(&Control::Alive)) {
            socket.send_if_none_is_queued(&record);
        }
    }

    /// Doorbells so far; zero if the peer is in this process: then no side sleeps.
    pub fn doorbells(&self) -> Doorbells {
        match &self.carrier {
            Carrier::Socket { socket, .. } => socket.stats().doorbells(),
            Carrier::Memory { doorbell, .. } => doorbell.counts(),
            Carrier::InProcess { .. } => Doorbells::default(),
        }
    }

    /// The traffic through the socket so far.
    pub fn socket_stats(&self) -> SocketStats {
        self.socket().map_or(SocketStats::default(), Socket::stats)
    }

    /// Bytes that wait to be written to the socket.
    pub fn unsent(&self) -> usize {
        self.socket().map_or(0, Socket::unsent)
    }

    fn socket(&self) -> Option<&Socket> {
        match &self.carrier {
            Carrier::Socket { socket, .. } => Some(socket),
            Carrier::Memory { doorbell, .. } => Some(&doorbell.socket),
            Carrier::InProcess { .. } => None,
        }
    }

    fn peer(&self) -> Option<Rc<Self>> {
        match &self.carrier {
            Carrier::InProcess { peer } => peer.upgrade(),
            Carrier::Socket { .. } | Carrier::Memory { .. } => None,
        }
    }
}

/// For the ends of rings.
impl Connection {
    /// Adds an end of a ring whose frames and completions are records on the socket, with the memory that they need.
    ///
    /// # Errors
    /// If this connection carries no such records, has an end of this role already, or there is no memory.
    pub(crate) fn add_record_ring(&self, role: Role, ring: Rc<dyn RecordRing>, outbox: Outbox) -> io::Result<()> {
        let Carrier::Socket { socket, .. } = &self.carrier else { return Err(not_of_this_kind()) };
        let Some(mut place) = self.record_ring(role).filter(|place| place.borrow().is_none()).map(RefCell::borrow_mut)
        else {
            return Err(not_of_this_kind());
        };
        socket.add_outbox(outbox).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
        *place = Some(ring);
        Ok(())
    }

    /// Adds an end of a ring that lies in shared memory.
    ///
    /// # Errors
    /// If the rings of this connection do not lie in shared memory.
    pub(crate) fn add_memory_ring(&self, ring: Rc<dyn MemoryRing>) -> io::Result<()> {
        let Carrier::Memory { rings, .. } = &self.carrier else { return Err(not_of_this_kind()) };
        rings.borrow_mut().push(ring);
        Ok(())
    }

    /// Queues one frame or completion, which `encode` writes, for the end of role `from`. Returns whether it did: it
    /// does not on a closed connection.
    pub(crate) fn queue(&self, from: Role, encode: impl FnOnce(&mut Outbox)) -> bool {
        match &self.carrier {
            Carrier::Socket { socket, .. } => socket.queue(from, encode, |from| self.left(from)),
            Carrier::Memory { .. } | Carrier::InProcess { .. } => false,
        }
    }

    /// What rings the peer; `None` unless the rings lie in shared memory.
    pub(crate) fn doorbell(&self) -> Option<&Doorbell> {
        match &self.carrier {
            Carrier::Memory { doorbell, .. } => Some(doorbell),
            Carrier::Socket { .. } | Carrier::InProcess { .. } => None,
        }
    }

    fn record_ring(&self, role: Role) -> Option<&RefCell<Option<Rc<dyn RecordRing>>>> {
        match (&self.carrier, role) {
            (Carrier::Socket { producer, .. }, Role::Producer) => Some(producer),
            (Carrier::Socket { consumer, .. }, Role::Consumer) => Some(consumer),
            (Carrier::Memory { .. } | Carrier::InProcess { .. }, _) => None,
        }
    }

    /// Publishes what was put into the rings. What was put into a ring of records is queued already.
    fn publish(&self) {
        if let Carrier::Memory { doorbell, rings, .. } = &self.carrier {
            rings.borrow().iter().for_each(|ring| ring.publish(doorbell));
        }
    }
}

fn not_of_this_kind() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "the connection carries no such ring, or has one already")
}

impl Drop for Connection {
    /// Closes the connection, as the end of this side's process would.
    fn drop(&mut self) {
        if let Some(peer) = self.peer() {
            peer.close_this_side(CloseReason::PeerGone);
        }
    }
}
