//! The in-memory transport: both ends in one process, for virtual time and for tests.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use super::{
    CloseReason, Completion, ConsumerIndex, ConsumerPort, Depth, Descriptor, Frame, MAX_FRAME, Port, ProducerPort,
};
use crate::control::Control;
use crate::exec::Signal;

/// A connected pair of ends with a ring of `depth` slots between them.
pub fn pair(depth: Depth) -> (LoopbackProducer, LoopbackConsumer) {
    let shared = Rc::new(Shared {
        index: RefCell::new(ConsumerIndex::new(depth)),
        descriptors: RefCell::new(vec![Descriptor::default(); depth.as_usize()]),
        frames: RefCell::new(vec![0; depth.as_usize() * MAX_FRAME]),
        completions: RefCell::default(),
        closed: RefCell::default(),
        to_producer: Mailbox::default(),
        to_consumer: Mailbox::default(),
    });
    (LoopbackProducer(Rc::clone(&shared)), LoopbackConsumer(shared))
}

/// The state of a ring, which both ends share.
#[derive(Debug)]
struct Shared {
    index: RefCell<ConsumerIndex>,
    /// The descriptor in each slot.
    descriptors: RefCell<Vec<Descriptor>>,
    /// `MAX_FRAME` bytes for each slot.
    frames: RefCell<Vec<u8>>,
    /// Completions that the producer has not taken yet.
    completions: RefCell<VecDeque<Completion>>,
    closed: RefCell<Option<CloseReason>>,
    to_producer: Mailbox,
    to_consumer: Mailbox,
}

/// Control messages to one end that it has not read yet, and the signals that notify it.
#[derive(Debug, Default)]
struct Mailbox {
    control: RefCell<VecDeque<Control>>,
    arrived: Signal,
    control_arrived: Signal,
}

impl Mailbox {
    fn post(&self, message: &Control) {
        self.control.borrow_mut().push_back(message.clone());
        self.control_arrived.notify();
    }
}

impl Shared {
    fn close(&self, reason: CloseReason) {
        self.closed.borrow_mut().get_or_insert(reason);
        for end in [&self.to_producer, &self.to_consumer] {
            end.arrived.notify();
            end.control_arrived.notify();
        }
    }

    /// Where the first `len` bytes of `slot` lie in `frames`.
    fn bytes_of(slot: u32, len: usize) -> std::ops::Range<usize> {
        let start = slot as usize * MAX_FRAME;
        start..start + len
    }
}

/// The producer's end.
#[derive(Debug)]
pub struct LoopbackProducer(Rc<Shared>);

/// The consumer's end.
#[derive(Debug)]
pub struct LoopbackConsumer(Rc<Shared>);

macro_rules! port {
    ($end:ident, $inbox:ident, $outbox:ident) => {
        impl Port for $end {
            fn arrived(&self) -> &Signal {
                &self.0.$inbox.arrived
            }
            fn told(&self) -> &Signal {
                &self.0.$inbox.control_arrived
            }
            fn send_control(&self, message: &Control) {
                self.0.$outbox.post(message);
            }
            fn next_control(&self) -> Option<Control> {
                self.0.$inbox.control.borrow_mut().pop_front()
            }
            fn closed(&self) -> Option<CloseReason> {
                self.0.closed.borrow().clone()
            }
            fn is_closed(&self) -> bool {
                self.0.closed.borrow().is_some()
            }
            fn close(&self, reason: CloseReason) {
                self.0.close(reason);
            }
        }

        /// Dropping an end closes the session, as the end of its process would.
        impl Drop for $end {
            fn drop(&mut self) {
                self.0.close(CloseReason::PeerGone);
            }
        }
    };
}

port!(LoopbackProducer, to_producer, to_consumer);
port!(LoopbackConsumer, to_consumer, to_producer);

impl ProducerPort for LoopbackProducer {
    fn submit(&self, Frame { descriptor, headers, payload }: Frame<'_>) {
        let shared = &self.0;
        let arrived = shared.index.borrow_mut().arrive();
        let slot = match arrived {
            Ok(slot) => slot,
            Err(error) => return shared.close(CloseReason::Index(error)),
        };
        let mut frames = shared.frames.borrow_mut();
        let room = &mut frames[Shared::bytes_of(slot, headers.len() + payload.len())];
        let (head, body) = room.split_at_mut(headers.len());
        head.copy_from_slice(headers);
        body.copy_from_slice(payload);
        shared.descriptors.borrow_mut()[slot as usize] = descriptor;
        shared.to_consumer.arrived.notify();
    }

    fn next_completion(&self) -> Option<Completion> {
        self.0.completions.borrow_mut().pop_front()
    }

    fn take_run(&self, first: &Completion) -> u32 {
        first.take_run(&mut self.0.completions.borrow_mut())
    }
}

impl ConsumerPort for LoopbackConsumer {
    fn waiting(&self) -> u32 {
        self.0.index.borrow().waiting()
    }

    fn take<'a>(&self, into: Option<&'a mut [u8]>) -> Option<(Descriptor, &'a [u8])> {
        let slot = self.0.index.borrow_mut().take()?;
        let descriptor = self.0.descriptors.borrow()[slot as usize];
        let Some(buffer) = into else { return Some((descriptor, &[])) };
        let len = (descriptor.len as usize).min(MAX_FRAME).min(buffer.len());
        let copy = &mut buffer[..len];
        copy.copy_from_slice(&self.0.frames.borrow()[Shared::bytes_of(slot, len)]);
        Some((descriptor, copy))
    }

    fn complete_run(&self, first: Completion, frames: u32) {
        for completion in first.run(frames) {
            if self.0.index.borrow_mut().complete().is_some() {
                self.0.completions.borrow_mut().push_back(completion);
                self.0.to_producer.arrived.notify();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exec::Clock;
    use crate::ring::{Producer, Status};
    use crate::units::Nanos;

    fn frame(len: usize) -> Descriptor {
        Descriptor { len: len as u32, ..Descriptor::default() }
    }

    #[test]
    fn a_frame_is_delivered_and_its_slot_is_freed_on_completion() {
        let depth = Depth::new(1).unwrap();
        let (producer, consumer) = pair(depth);
        let ring = Producer::new(producer, depth, Clock::default());
        assert!(ring.try_reserve().unwrap().submit(frame(5), b"he", b"llo"));
        assert!(ring.try_reserve().is_none());
        assert_eq!(consumer.take(Some(&mut [0; 64])), Some((frame(5), &b"hello"[..])));
        assert!(ring.try_reserve().is_none(), "taken is not completed");
        consumer.complete(Completion { position: 0, status: Status::Sent, at: Nanos(3) });
        assert_eq!(ring.next_completion().map(|c| (c.position, c.at)), Some((0, Nanos(3))));
        assert!(ring.try_reserve().is_some());
    }

    #[test]
    fn a_permit_submitted_on_a_dead_session_is_lost_and_one_dropped_is_not() {
        let depth = Depth::new(2).unwrap();
        let (producer, consumer) = pair(depth);
        let ring = Producer::new(producer, depth, Clock::default());
        let (kept, unused) = (ring.try_reserve().unwrap(), ring.try_reserve().unwrap());
        drop(consumer);
        drop(unused);
        assert!(!kept.submit(frame(0), b"", b""));
        assert_eq!((ring.lost(), ring.outstanding()), (1, 0));
    }

    #[test]
    fn a_completion_of_the_wrong_position_closes_the_session() {
        let depth = Depth::new(2).unwrap();
        let (producer, consumer) = pair(depth);
        let ring = Producer::new(producer, depth, Clock::default());
        ring.try_reserve().unwrap().submit(frame(0), b"", b"");
        consumer.take(None);
        consumer.complete(Completion { position: 7, status: Status::Sent, at: Nanos(3) });
        assert_eq!(ring.next_completion(), None);
        assert!(matches!(ring.port().closed(), Some(CloseReason::Index(_))));
    }
}
