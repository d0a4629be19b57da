//! The end that takes and completes frames.

use std::cell::RefCell;
use std::collections::{TryReserveError, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::Tables;
use crate::connection::{CloseReason, Connection, RecordRing, Role};
use crate::control::{Parsed, WireError, encode_completion};
use crate::depth::Depth;
use crate::frame::{Completion, Descriptor, MAX_FRAME};
use crate::limits::zeroed;
use crate::ring::{Buffers, ConsumerIndex, ConsumerPort};

/// The consumer's end of a ring whose frames and completions are records on the socket.
#[derive(Debug)]
pub struct SocketConsumer {
    connection: Rc<Connection>,
    end: Rc<RefCell<ConsumerEnd>>,
}

/// The state of a consumer's end, which the connection holds as well.
#[derive(Debug)]
pub struct ConsumerEnd {
    /// Counts a frame as completed once its completion is written to the socket: until then the producer cannot know
    /// that the slot is free.
    index: ConsumerIndex,
    depth: Depth,
    /// Slots that must be free before a producer whose ring was full uses one of them.
    wake_point: u32,
    /// Whether the ring was full, and fewer than `wake_point` slots have become free since.
    full: bool,
    /// Completions that are queued and not fully written.
    unsent: u32,
    /// Frames that were not taken yet, each with the number of its buffer in `bytes`.
    waiting: VecDeque<(Descriptor, u32)>,
    /// Free buffers. The one freed last is used first: it is still in the cache, and a deep ring that
    /// holds few frames touches no more memory than a shallow one.
    free_buffers: Vec<u32>,
    /// How many buffers have been used so far; the buffers from this number on are untouched memory.
    used: u32,
    /// One buffer of `MAX_FRAME` bytes for each slot.
    bytes: Vec<u8>,
}

impl SocketConsumer {
    /// The only ring of the connection over `stream`, on which the greeting is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, tables: Tables<ConsumerEnd>) -> io::Result<Self> {
        Self::on(&Connection::over_socket(stream)?, tables)
    }

    /// One of the rings of `connection`.
    ///
    /// # Errors
    /// If `connection` carries no such records, or has a consumer's end already.
    pub fn on(connection: &Rc<Connection>, tables: Tables<ConsumerEnd>) -> io::Result<Self> {
        let end = Rc::new(RefCell::new(tables.end));
        connection.add_record_ring(Role::Consumer, Rc::clone(&end) as _, tables.outbox)?;
        Ok(Self { connection: Rc::clone(connection), end })
    }
}

impl ConsumerEnd {
    pub(super) fn new(depth: Depth, wake_point: u32) -> Result<Self, TryReserveError> {
        let (mut waiting, mut free_buffers) = (VecDeque::new(), Vec::new());
        waiting.try_reserve_exact(depth.as_usize())?;
        free_buffers.try_reserve_exact(depth.as_usize())?;
        let bytes = zeroed(depth.as_usize() * MAX_FRAME)?;
        Ok(Self {
            index: ConsumerIndex::new(depth),
            depth,
            wake_point,
            full: false,
            unsent: 0,
            waiting,
            free_buffers,
            used: 0,
            bytes,
        })
    }

    /// Takes a free buffer. There is one for every frame that `index` accepts.
    fn take_buffer(&mut self) -> u32 {
        self.free_buffers.pop().unwrap_or_else(|| {
            self.used += 1;
            self.used - 1
        })
    }

    /// Free slots, as the producer counts them.
    fn free(&self) -> u32 {
        self.depth.get() - self.index.waiting() - self.index.held()
    }

    /// Counts a completion that is about to be queued. Returns `false` if no taken frame is left to complete.
    fn count_unsent(&mut self) -> bool {
        let taken = self.index.held() > self.unsent;
        self.unsent += u32::from(taken);
        taken
    }

    fn take(&mut self, into: &mut impl Buffers) -> Option<Descriptor> {
        let (descriptor, number) = self.waiting.pop_front()?;
        self.index.take();
        if let Some(buffer) = into.next() {
            let len = (descriptor.len as usize).min(buffer.len());
            let start = number as usize * MAX_FRAME;
            buffer[..len].copy_from_slice(&self.bytes[start..start + len]);
        }
        self.free_buffers.push(number);
        Some(descriptor)
    }
}

impl RecordRing for RefCell<ConsumerEnd> {
    fn arrive(&self, record: Parsed<'_>) -> Result<(), CloseReason> {
        let Parsed::Frame(descriptor, frame) = record else { return Err(WireError::Unexpected(record.name()).into()) };
        let end = &mut *self.borrow_mut();
        end.index.arrive()?;
        end.full |= end.free() == 0;
        let number = end.take_buffer();
        let start = number as usize * MAX_FRAME;
        // In bounds: the parser refuses a frame above MAX_FRAME.
        end.bytes[start..start + frame.len()].copy_from_slice(frame);
        end.waiting.push_back((descriptor, number));
        Ok(())
    }

    fn left(&self) {
        let end = &mut *self.borrow_mut();
        end.unsent -= 1;
        end.index.complete();
        end.full &= end.free() < end.wake_point;
    }
}

impl ConsumerPort for SocketConsumer {
    #[inline(always)]
    fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn waiting(&self) -> u32 {
        self.end.borrow().index.waiting()
    }

    /// Takes one frame: each has a record of its own.
    fn take_frames(&self, _most: u32, into: &mut impl Buffers) -> Option<(Descriptor, u32)> {
        self.end.borrow_mut().take(into).map(|descriptor| (descriptor, 1))
    }

    fn complete_group(&self, first: Completion, frames: u32) {
        for behind in 0..frames {
            let completion = first.behind(behind);
            // Count the completion before queueing it: `queue` may write it at once, and then reports to this end that
            // it left. For that report `queue` borrows the end, so do not hold a borrow here.
            let taken = self.end.borrow_mut().count_unsent();
            if taken && !self.connection.queue(Role::Consumer, |outbox| outbox.push(&encode_completion(&completion))) {
                self.end.borrow_mut().unsent -= 1;
            }
        }
    }

    /// A producer whose ring was full waits for the wake point, so completions up to it may be batched; for any other
    /// producer the next completion may matter, so each is published.
    fn batch_limit(&self, most: u32) -> u32 {
        let end = self.end.borrow();
        // Completions in the outbox are written before this side sleeps, so they count as free.
        let free = end.free() + end.unsent;
        let wanted = if end.full { end.wake_point.saturating_sub(free).max(1) } else { 1 };
        wanted.min(most)
    }
}
