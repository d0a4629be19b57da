//! One end of the Unix socket: batched reads and writes, control messages, and closing the session.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::socket_type;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, SocketType, recv, sendmsg};

use super::ChannelStats;
use super::inbox::Inbox;
use super::outbox::Outbox;
use crate::control::{Control, Parsed, WireError, encode_control};
use crate::exec::{Signal, Source};
use crate::ledger::Doorbells;
use crate::ring::{CloseReason, Port};

/// How many unread control messages a peer may cause; one more closes the session. An honest peer needs two.
pub const MAX_UNREAD_CONTROL: usize = 16;

/// Unsent bytes at which a write is made in the middle of a turn: some 40 full-size frames are worth a system call,
/// and the peer can start on them while this side still fills the ring.
const EARLY_WRITE: usize = 64 * 1024;

/// The part of a channel that differs between producer and consumer, and between transports.
pub trait Side: Debug {
    /// Handles a received record that is not a control message.
    ///
    /// # Errors
    /// Why the session closes, if an honest peer cannot send this record to this side.
    fn arrive(&mut self, record: Parsed<'_>) -> Result<(), CloseReason>;

    /// The kernel has taken all bytes of the oldest queued frame or completion.
    fn left(&mut self);
}

/// One end of a session over a Unix stream socket.
///
/// It is used from one thread through an `Rc`: the executor's park calls [`Source::exchange`], and tasks use it
/// as a port. Dropping it closes the connection.
#[derive(Debug)]
pub struct Channel<S> {
    stream: OwnedFd,
    /// Notified when anything arrived, or the session closed.
    arrived: Signal,
    /// Notified when a control message arrived, or the session closed.
    control_arrived: Signal,
    state: RefCell<State<S>>,
}

#[derive(Debug)]
pub(in crate::ring) struct State<S> {
    pub(in crate::ring) side: S,
    inbox: Inbox,
    pub(in crate::ring) outbox: Outbox,
    /// Bytes that the kernel did not take in the last write. [`EARLY_WRITE`] counts only the bytes queued since, so
    /// that a full socket buffer does not cause a write for each frame.
    refused: usize,
    /// Received control messages, oldest first.
    control: VecDeque<Control>,
    /// Whole records received, for the liveness check.
    heard: u64,
    /// Whether a farewell was sent or received.
    leaving: bool,
    closed: Option<CloseReason>,
    /// Why writing failed. What the peer sent before it closed its end is read before the session closes.
    broken: Option<CloseReason>,
    stats: ChannelStats,
}

impl<S: Side> Channel<S> {
    /// An end on `stream`, on which the greeting is complete.
    ///
    /// # Errors
    /// If it is not a stream socket: other kinds truncate records, or do not support these reads.
    pub(in crate::ring) fn with_side(stream: OwnedFd, side: S, outbox: Outbox) -> io::Result<Self> {
        if socket_type(&stream)? != SocketType::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the ring needs a stream socket"));
        }
        let state = State {
            side,
            inbox: Inbox::new(),
            outbox,
            refused: 0,
            control: VecDeque::new(),
            heard: 0,
            leaving: false,
            closed: None,
            broken: None,
            stats: ChannelStats::default(),
        };
        let (arrived, control_arrived) = (Signal::default(), Signal::default());
        Ok(Self { stream, arrived, control_arrived, state: RefCell::new(state) })
    }

    /// The counters so far.
    pub fn stats(&self) -> ChannelStats {
        self.state.borrow().stats
    }

    /// Bytes that are queued for the next write.
    pub fn unsent(&self) -> usize {
        self.state.borrow().outbox.len()
    }

    pub(in crate::ring) fn with<T>(&self, act: impl FnOnce(&mut State<S>) -> T) -> T {
        act(&mut self.state.borrow_mut())
    }

    /// Queues one frame or completion, which `encode` writes. Does nothing on a closed session.
    pub(in crate::ring) fn queue_slot(&self, encode: impl FnOnce(&mut Outbox)) {
        let state = &mut *self.state.borrow_mut();
        if state.closed.is_some() || state.broken.is_some() {
            return;
        }
        encode(&mut state.outbox);
        state.outbox.end_slot();
        state.stats.records += 1;
        if state.outbox.len() >= state.refused + EARLY_WRITE {
            state.write(self.stream.as_fd());
        }
    }
}

impl<S: Side> Channel<S> {
    /// Writes `record` at once, unless other bytes are still unsent: those wake the peer as well.
    pub(in crate::ring) fn nudge(&self, record: &[u8]) {
        let state = &mut *self.state.borrow_mut();
        if state.outbox.len() == 0 && state.broken.is_none() && state.closed.is_none() {
            state.outbox.push(record);
            state.stats.records += 1;
            state.write(self.stream.as_fd());
        }
    }
}

impl<S: Side> State<S> {
    /// Writes and reads once. Returns whether something arrived, or the session closed.
    fn exchange(&mut self, stream: BorrowedFd<'_>) -> bool {
        self.write(stream);
        if self.closed.is_some() {
            return false;
        }
        let read = match self.broken.take() {
            None => self.read(stream).map(|len| len > 0),
            Some(reason) => self.read_last(stream, reason),
        };
        match read {
            Ok(moved) => moved,
            Err(reason) => {
                self.close(reason);
                true
            }
        }
    }

    /// Writes as much of the outbox as the kernel takes.
    fn write(&mut self, stream: BorrowedFd<'_>) {
        if self.outbox.len() == 0 || self.broken.is_some() {
            return;
        }
        // NOSIGNAL: a peer that closed its end must be an error (EPIPE), not a SIGPIPE that kills the process.
        let (front, back) = self.outbox.unsent();
        let parts = [IoSlice::new(front), IoSlice::new(back)];
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        self.stats.calls += 1;
        match retry_on_intr(|| sendmsg(stream, &parts, &mut SendAncillaryBuffer::default(), flags)) {
            Ok(len) => {
                self.stats.writes += 1;
                self.stats.written_bytes += len as u64;
                for _ in 0..self.outbox.took(len) {
                    self.side.left();
                }
            }
            Err(Errno::AGAIN) => {}
            Err(error) => {
                self.broken = Some(close_reason(error));
                self.outbox.clear();
            }
        }
        self.refused = self.outbox.len();
    }

    /// Reads once and returns how many bytes arrived.
    fn read(&mut self, stream: BorrowedFd<'_>) -> Result<usize, CloseReason> {
        let room = self.inbox.room();
        self.stats.calls += 1;
        let len = match retry_on_intr(|| recv(stream, &mut *room, RecvFlags::DONTWAIT).map(|(_, len)| len)) {
            Ok(0) => return Err(CloseReason::PeerGone),
            Ok(len) => len,
            Err(Errno::AGAIN) => return Ok(0),
            Err(error) => return Err(close_reason(error)),
        };
        self.stats.reads += 1;
        self.stats.read_bytes += len as u64;
        self.inbox.came(len);
        let (side, control, leaving) = (&mut self.side, &mut self.control, &mut self.leaving);
        let heard = &mut self.heard;
        self.inbox.drain(|record| {
            // Whole records, so that a peer that sends single bytes of a message does not count as alive.
            *heard += 1;
            match record {
                // No action: the liveness check watches `heard`, which has grown already.
                Parsed::Control(Control::Alive) => Ok(()),
                Parsed::Control(_) if control.len() == MAX_UNREAD_CONTROL => {
                    Err(WireError::Unexpected("control message").into())
                }
                Parsed::Control(message) => {
                    *leaving |= matches!(message, Control::Bye(_));
                    control.push_back(message);
                    Ok(())
                }
                record => side.arrive(record),
            }
        })?;
        Ok(len)
    }

    /// Reads all that is left, then fails with `reason`. The loop ends, because the depth bounds the frames and
    /// completions that may arrive while no task takes any.
    fn read_last(&mut self, stream: BorrowedFd<'_>, reason: CloseReason) -> Result<bool, CloseReason> {
        while self.read(stream)? > 0 {}
        Err(reason)
    }

    /// Closes the session; the first reason stays. After a violation the outbox is kept, so that BYE can follow it.
    fn close(&mut self, reason: CloseReason) {
        if matches!(reason, CloseReason::PeerGone | CloseReason::Io(_)) {
            self.outbox.clear();
        }
        self.closed.get_or_insert(reason);
    }
}

fn close_reason(error: Errno) -> CloseReason {
    match error {
        Errno::PIPE | Errno::CONNRESET => CloseReason::PeerGone,
        error => CloseReason::Io(error.to_string()),
    }
}

impl<S: Side> Source for Channel<S> {
    fn exchange(&self) -> bool {
        let mut state = self.state.borrow_mut();
        let moved = state.exchange(self.stream.as_fd());
        if moved {
            self.arrived.notify();
        }
        if moved && (state.closed.is_some() || !state.control.is_empty()) {
            self.control_arrived.notify();
        }
        moved
    }

    fn before_sleep(&self) -> bool {
        !self.exchange()
    }

    fn after_sleep(&self) {}

    /// `None` once the session closed: a closed socket is always readable, so a poll on it would not sleep.
    fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
        let state = self.state.borrow();
        state.closed.is_none().then(|| (self.stream.as_fd(), state.outbox.len() > 0))
    }
}

impl<S: Side> Port for Channel<S> {
    fn arrived(&self) -> &Signal {
        &self.arrived
    }

    fn told(&self) -> &Signal {
        &self.control_arrived
    }

    /// Writes at once, because control messages are few, and the process may end right after the last one. Also
    /// writes on a session that closed for a violation, so that the peer receives the reason.
    fn send_control(&self, message: &Control) {
        let record = match encode_control(message) {
            Ok(record) => record,
            Err(error) => return self.close(error.into()),
        };
        let state = &mut *self.state.borrow_mut();
        state.leaving |= matches!(message, Control::Bye(_));
        if state.broken.is_none() && !matches!(state.closed, Some(CloseReason::PeerGone | CloseReason::Io(_))) {
            state.outbox.push(&record);
            state.stats.records += 1;
            state.write(self.stream.as_fd());
        }
    }

    fn next_control(&self) -> Option<Control> {
        self.state.borrow_mut().control.pop_front()
    }

    fn closed(&self) -> Option<CloseReason> {
        self.state.borrow().closed.clone()
    }

    fn is_closed(&self) -> bool {
        self.state.borrow().closed.is_some()
    }

    fn close(&self, reason: CloseReason) {
        self.state.borrow_mut().close(reason);
        self.arrived.notify();
        self.control_arrived.notify();
    }

    fn heard(&self) -> u64 {
        self.state.borrow().heard
    }

    fn sent(&self) -> u64 {
        self.stats().written_bytes
    }

    fn is_leaving(&self) -> bool {
        self.state.borrow().leaving
    }

    fn send_alive(&self) {
        // Encoding fails only for a message that is too long, which ALIVE is not.
        if let Ok(record) = encode_control(&Control::Alive) {
            self.nudge(&record);
        }
    }

    fn doorbells(&self) -> Doorbells {
        self.stats().doorbells()
    }
}
