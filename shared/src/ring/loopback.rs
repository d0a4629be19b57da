//! The in-memory transport: both ends in one process, for virtual time and for tests.

use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;

use super::{Buffers, ConsumerIndex, ConsumerPort, Frame, Need, ProducerPort};
use crate::connection::{CloseReason, Connection};
use crate::depth::Depth;
use crate::exec::Signal;
use crate::fifo::Fifo;
use crate::frame::{Completion, Descriptor, MAX_FRAME};

/// A connection within this process, and its ring of `depth` slots from one side to the other.
pub fn pair(depth: Depth) -> (LoopbackProducer, LoopbackConsumer) {
    let (left, right) = Connection::in_process();
    ring(&left, &right, depth)
}

/// One of the rings between both sides of a connection within this process: `depth` slots, from `producer` to
/// `consumer`.
pub fn ring(
    producer: &Rc<Connection>,
    consumer: &Rc<Connection>,
    depth: Depth,
) -> (LoopbackProducer, LoopbackConsumer) {
    let slots = Slots {
        index: ConsumerIndex::new(depth),
        descriptors: vec![Descriptor::default(); depth.as_usize()],
        frames: vec![0; depth.as_usize() * MAX_FRAME],
        completions: Fifo::default(),
    };
    let ring = Rc::new(Ring {
        slots: RefCell::new(slots),
        need: RefCell::new(Asked(Box::new(|| Need::Completion))),
        producer: producer.arrived_signal(),
        consumer: consumer.arrived_signal(),
    });
    let producer = LoopbackProducer { connection: Rc::clone(producer), ring: Rc::clone(&ring) };
    (producer, LoopbackConsumer { connection: Rc::clone(consumer), ring })
}

/// The state of a ring, which both ends share.
#[derive(Debug)]
struct Ring {
    slots: RefCell<Slots>,
    /// Returns the completion for which the producer must be woken.
    need: RefCell<Asked>,
    /// Wakes the tasks of the producer's side of the connection. Not that connection itself: it closes when its own
    /// side drops it.
    producer: Rc<Signal>,
    /// Those of the consumer's side.
    consumer: Rc<Signal>,
}

#[derive(Debug)]
struct Slots {
    index: ConsumerIndex,
    /// The descriptor in each slot.
    descriptors: Vec<Descriptor>,
    /// `MAX_FRAME` bytes for each slot.
    frames: Vec<u8>,
    /// Completions that the producer has not taken yet: the first of each group, and how many it has.
    completions: Fifo<(Completion, u32)>,
}

struct Asked(Box<dyn Fn() -> Need>);

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asked")
    }
}

impl Slots {
    /// Where the first `len` bytes of `slot` lie in `frames`.
    fn bytes_of(slot: u32, len: usize) -> std::ops::Range<usize> {
        let start = slot as usize * MAX_FRAME;
        start..start + len
    }
}

/// The producer's end.
#[derive(Debug)]
pub struct LoopbackProducer {
    connection: Rc<Connection>,
    ring: Rc<Ring>,
}

/// The consumer's end. Its clones share one state, so that a test can inspect it while a session serves it.
#[derive(Debug, Clone)]
pub struct LoopbackConsumer {
    connection: Rc<Connection>,
    ring: Rc<Ring>,
}

impl ProducerPort for LoopbackProducer {
    #[inline(always)]
    fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    #[inline(always)]
    fn submit(&self, frame: Frame<'_>) {
        let slots = &mut *self.ring.slots.borrow_mut();
        let slot = frame.described().map_err(CloseReason::Wire).and_then(|descriptor| {
            let slot = slots.index.arrive()?;
            slots.descriptors[slot as usize] = descriptor;
            Ok(slot)
        });
        let slot = match slot {
            Ok(slot) => slot,
            Err(reason) => return self.connection.close(reason),
        };
        let Frame { headers, payload, .. } = frame;
        let bytes = &mut slots.frames[Slots::bytes_of(slot, headers.len() + payload.len())];
        let (head, body) = bytes.split_at_mut(headers.len());
        head.copy_from_slice(headers);
        body.copy_from_slice(payload);
        self.ring.consumer.notify();
    }

    #[inline]
    fn next_completions(&self, most: u32) -> Option<(Completion, u32)> {
        let completions = &mut self.ring.slots.borrow_mut().completions;
        let (first, left) = completions.front_mut()?;
        if *left <= most {
            return completions.pop();
        }
        let taken = *first;
        (*first, *left) = (taken.behind(most), *left - most);
        Some((taken, most))
    }

    fn before_sleep_ask(&self, need: Box<dyn Fn() -> Need>) {
        self.ring.need.replace(Asked(need));
    }
}

impl LoopbackConsumer {
    /// The completion for which the producer must be woken if it does nothing by itself until then.
    #[inline]
    pub fn need(&self) -> Need {
        (self.ring.need.borrow().0)()
    }
}

impl ConsumerPort for LoopbackConsumer {
    #[inline(always)]
    fn connection(&self) -> &Rc<Connection> {
        &self.connection
    }

    #[inline]
    fn waiting(&self) -> u32 {
        self.ring.slots.borrow().index.waiting()
    }

    /// Takes one frame: each has a descriptor of its own.
    #[inline]
    fn take_frames(&self, _most: u32, into: &mut impl Buffers) -> Option<(Descriptor, u32)> {
        let slots = &mut *self.ring.slots.borrow_mut();
        let slot = slots.index.take()?;
        let descriptor = slots.descriptors[slot as usize];
        if let Some(buffer) = into.next() {
            let len = (descriptor.len as usize).min(MAX_FRAME).min(buffer.len());
            buffer[..len].copy_from_slice(&slots.frames[Slots::bytes_of(slot, len)]);
        }
        Some((descriptor, 1))
    }

    #[inline]
    fn complete_group(&self, first: Completion, frames: u32) {
        let slots = &mut *self.ring.slots.borrow_mut();
        let completed = slots.index.complete_group(frames);
        if completed > 0 {
            slots.completions.push((first, completed));
            self.ring.producer.notify();
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
    fn a_completion_with_the_wrong_position_closes_the_connection() {
        let depth = Depth::new(2).unwrap();
        let (producer, consumer) = pair(depth);
        let ring = Producer::new(producer, depth, Clock::default());
        ring.try_reserve().unwrap().submit(frame(0), b"", b"");
        consumer.take(None);
        consumer.complete(Completion { position: 7, status: Status::Sent, taken: Nanos(2), at: Nanos(3) });
        assert_eq!(ring.next_completion(), None);
        assert!(matches!(ring.connection().closed(), Some(CloseReason::Index(_))));
    }
}
