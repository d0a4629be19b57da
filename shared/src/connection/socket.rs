//! The Unix socket of a connection: batched reads and writes, none of which waits.

use std::cell::{Cell, RefCell};
use std::collections::TryReserveError;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::{Errno, retry_on_intr};
use rustix::net::sockopt::socket_type;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, SocketType, recv, sendmsg};

use super::CloseReason;
use super::inbox::Inbox;
use super::outbox::{Outbox, Role};
use crate::control::Parsed;
use crate::exec::Interest;
use crate::ledger::Doorbells;

/// Unsent bytes at which a write is made in the middle of a turn: some 40 full-size frames are worth a system call,
/// and the peer can start on them while this side still fills the ring.
const EARLY_WRITE: usize = 64 * 1024;

/// An end of a ring whose frames and completions are records on the socket.
pub(crate) trait RecordRing: Debug {
    /// Takes in a frame (the consumer's end) or a completion (the producer's end).
    ///
    /// # Errors
    /// Why the connection closes, if an honest peer cannot send this record at this time.
    fn arrive(&self, record: Parsed<'_>) -> Result<(), CloseReason>;

    /// The kernel has taken all bytes of the oldest frame or completion that this end has queued.
    fn left(&self);
}

/// The traffic between this side and the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SocketStats {
    /// Records queued for the peer: frames, completions and control messages.
    pub records: u64,
    /// System calls, including those that moved no bytes.
    pub calls: u64,
    /// Writes that moved bytes; each of them wakes a sleeping peer.
    pub writes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Reads that moved bytes.
    pub reads: u64,
    /// Bytes read.
    pub read_bytes: u64,
}

impl SocketStats {
    /// Each write counts as a doorbell rung; each further record in the same write as one suppressed.
    pub(super) fn doorbells(&self) -> Doorbells {
        Doorbells { rung: self.writes, suppressed: self.records.saturating_sub(self.writes), ..Doorbells::default() }
    }
}

/// A connected stream socket, on which the greeting is complete.
#[derive(Debug)]
pub(super) struct Socket {
    stream: OwnedFd,
    /// Whether the connection has closed: then nothing is sent but the farewell after a violation.
    closed: Cell<bool>,
    state: RefCell<State>,
}

#[derive(Debug)]
struct State {
    inbox: Inbox,
    outbox: Outbox,
    /// Bytes that the kernel did not take in the last write. [`EARLY_WRITE`] counts only the bytes queued since, so
    /// that a full socket buffer does not cause a write for each frame.
    refused: usize,
    /// Why writing failed. What the peer sent before it closed its end is read before the connection closes.
    broken: Option<CloseReason>,
    stats: SocketStats,
}

impl Socket {
    /// # Errors
    /// If `stream` is not a stream socket: other kinds truncate records, or do not support these reads.
    pub(super) fn new(stream: OwnedFd) -> io::Result<Self> {
        if socket_type(&stream)? != SocketType::STREAM {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "the connection needs a stream socket"));
        }
        let state = State {
            inbox: Inbox::new(),
            outbox: Outbox::default(),
            refused: 0,
            broken: None,
            stats: SocketStats::default(),
        };
        Ok(Self { stream, closed: Cell::new(false), state: RefCell::new(state) })
    }

    pub(super) fn add_outbox(&self, outbox: Outbox) -> Result<(), TryReserveError> {
        self.state.borrow_mut().outbox.add(outbox)
    }

    pub(super) fn stats(&self) -> SocketStats {
        self.state.borrow().stats
    }

    /// Bytes that are queued for the next write.
    pub(super) fn unsent(&self) -> usize {
        self.state.borrow().outbox.len()
    }

    /// What to sleep on: readable always, writable while bytes are queued.
    pub(super) fn descriptor(&self) -> (BorrowedFd<'_>, Interest) {
        (self.stream.as_fd(), Interest { readable: true, writable: self.unsent() > 0 })
    }

    /// Queues one frame or completion of `from`, which `encode` writes. `left` is called for each that leaves. Returns
    /// whether it did.
    pub(super) fn queue(&self, from: Role, encode: impl FnOnce(&mut Outbox), left: impl FnMut(Role)) -> bool {
        let state = &mut *self.state.borrow_mut();
        if self.closed.get() || state.broken.is_some() {
            return false;
        }
        encode(&mut state.outbox);
        state.outbox.end_slot(from);
        state.stats.records += 1;
        if state.outbox.len() >= state.refused + EARLY_WRITE {
            state.write(self.stream.as_fd(), left);
        }
        true
    }

    /// Queues `record`, and writes at once.
    pub(super) fn send(&self, record: &[u8], left: impl FnMut(Role)) {
        let state = &mut *self.state.borrow_mut();
        if state.broken.is_none() {
            state.outbox.push(record);
            state.stats.records += 1;
            state.write(self.stream.as_fd(), left);
        }
    }

    /// Writes `record` at once, unless other bytes are still unsent: those wake the peer as well.
    pub(super) fn send_if_none_is_queued(&self, record: &[u8]) {
        if self.unsent() == 0 && !self.closed.get() {
            self.send(record, |_| {});
        }
    }

    /// Writes as much of what is queued as the kernel takes.
    pub(super) fn write(&self, left: impl FnMut(Role)) {
        self.state.borrow_mut().write(self.stream.as_fd(), left);
    }

    /// Sends no more frames, completions and doorbells. If the peer is gone, also discards what is queued.
    pub(super) fn close(&self, peer_is_gone: bool) {
        self.closed.set(true);
        if peer_is_gone {
            self.state.borrow_mut().outbox.clear();
        }
    }

    /// Reads once, and calls `each` with each whole record. After a failed write it reads everything that is left.
    /// Returns whether any bytes arrived.
    ///
    /// # Errors
    /// Why the connection closes.
    pub(super) fn read(
        &self,
        mut each: impl FnMut(Parsed<'_>) -> Result<(), CloseReason>,
    ) -> Result<bool, CloseReason> {
        let state = &mut *self.state.borrow_mut();
        match state.broken.take() {
            None => Ok(state.read(self.stream.as_fd(), &mut each)? > 0),
            Some(reason) => {
                // The loop ends, because the depth bounds the frames and completions that may arrive while no task
                // takes any.
                while state.read(self.stream.as_fd(), &mut each)? > 0 {}
                Err(reason)
            }
        }
    }
}

impl State {
    fn write(&mut self, stream: BorrowedFd<'_>, left: impl FnMut(Role)) {
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
                self.outbox.took(len, left);
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
    fn read(
        &mut self,
        stream: BorrowedFd<'_>,
        each: &mut impl FnMut(Parsed<'_>) -> Result<(), CloseReason>,
    ) -> Result<usize, CloseReason> {
        let free = self.inbox.free();
        self.stats.calls += 1;
        let len = match retry_on_intr(|| recv(stream, &mut *free, RecvFlags::DONTWAIT).map(|(_, len)| len)) {
            Ok(0) => return Err(CloseReason::PeerGone),
            Ok(len) => len,
            Err(Errno::AGAIN) => return Ok(0),
            Err(error) => return Err(close_reason(error)),
        };
        self.stats.reads += 1;
        self.stats.read_bytes += len as u64;
        self.inbox.add(len);
        self.inbox.drain(each)?;
        Ok(len)
    }
}

fn close_reason(error: Errno) -> CloseReason {
    match error {
        Errno::PIPE | Errno::CONNRESET => CloseReason::PeerGone,
        error => CloseReason::Io(error.to_string()),
    }
}
