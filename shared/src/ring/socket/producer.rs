//! The end that submits frames.

use std::cell::RefCell;
use std::collections::{TryReserveError, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::Tables;
use crate::connection::{CloseReason, Connection, RecordRing, Role};
use crate::control::{Parsed, WireError, encode_frame_header};
use crate::depth::Depth;
use crate::frame::Completion;
use crate::ring::{Frame, ProducerIndex, ProducerPort};

/// The producer's end of a ring whose frames and completions are records on the socket.
#[derive(Debug)]
pub struct SocketProducer {
    connection: Rc<Connection>,
    end: Rc<RefCell<ProducerEnd>>,
}

/// The state of a producer's end, which the connection holds as well.
#[derive(Debug)]
pub struct ProducerEnd {
    /// Counts a frame once all of it is written: a completion for a frame that the consumer cannot have is refused.
    index: ProducerIndex,
    /// Completions that arrived and were not taken yet.
    completions: VecDeque<Completion>,
}

impl SocketProducer {
    /// The only ring of the connection over `stream`, on which the greeting is complete.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, tables: Tables<ProducerEnd>) -> io::Result<Self> {
        Self::on(&Connection::over_socket(stream)?, tables)
    }

    /// One of the rings of `connection`.
    ///
    /// # Errors
    /// If `connection` carries no such records, or has a producer's end already.
    pub fn on(connection: &Rc<Connection>, tables: Tables<ProducerEnd>) -> io::Result<Self> {
        let end = Rc::new(RefCell::new(tables.end));
        connection.add_record_ring(Role::Producer, Rc::clone(&end) as _, tables.outbox)?;
        Ok(Self { connection: Rc::clone(connection), end })
    }
}

impl ProducerEnd {
    pub(super) fn new(depth: Depth) -> Result<Self, TryReserveError> {
        let mut completions = VecDeque::new();
        completions.try_reserve_exact(depth.as_usize())?;
        Ok(Self { index: ProducerIndex::new(depth), completions })
    }
}

impl RecordRing for RefCell<ProducerEnd> {
    fn arrive(&self, record: Parsed<'_>) -> Result<(), CloseReason> {
        let Parsed::Completion(completion) = record else { return Err(WireError::Unexpected(record.name()).into()) };
        let end = &mut *self.borrow_mut();
        end.index.complete(completion.position)?;
        end.completions.push_back(completion);
        Ok(())
    }

    fn left(&self) {
        // Always true, so ignored: the caller held a credit for each frame, so there is a slot.
        let _held = self.borrow_mut().index.submit();
    }
}

impl ProducerPort for SocketProducer {
    #[inline(always)]
    fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    fn submit(&self, frame: Frame<'_>) {
        match frame.described() {
            Ok(descriptor) => {
                // Not queued on a closed connection: then the frame is discarded.
                let _queued = self.connection.queue(Role::Producer, |outbox| {
                    outbox.push(&encode_frame_header(&descriptor));
                    outbox.push(frame.headers);
                    outbox.push(frame.payload);
                });
            }
            Err(error) => self.connection.close(error.into()),
        }
    }

    fn next_completions(&self, most: u32) -> Option<(Completion, u32)> {
        let completions = &mut self.end.borrow_mut().completions;
        let first = completions.pop_front()?;
        let mut frames = 1;
        while frames < most && completions.pop_front_if(|next| *next == first.behind(frames)).is_some() {
            frames += 1;
        }
        Some((first, frames))
    }
}
