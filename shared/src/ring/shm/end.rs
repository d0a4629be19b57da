//! The common part of both ends: put items into the ring, take items out of it, follow the peer's count, sleep.
//!
//! An item is a frame or a completion: a producer puts frames and takes completions, a consumer the other way round.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::bells::{Bells, ShmStats};
use super::{Head, Reader, SharedMemory, Writer, sleeps_until};
use crate::control::{Control, DOORBELL_RECORD};
use crate::exec::{Signal, Source};
use crate::ring::channel::{Channel, Outbox};
use crate::ring::index::Cursor;
use crate::ring::{CloseReason, Depth, IndexError, Port};

/// Unpublished items at which a batch is published in the middle of a turn, so that the peer can work on them while
/// this side puts more.
const EARLY: u64 = 64;

/// Turns between two reads of the socket while this side does not sleep: control messages are rare, and a system
/// call in each turn is not free.
const TURNS: u32 = 64;

/// One end of a ring in shared memory.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) channel: Channel<Bells>,
    pub(super) memory: SharedMemory,
    flow: RefCell<Flow>,
    /// Turns left until the socket is read again.
    turns: Cell<u32>,
    stats: Cell<ShmStats>,
}

/// This side's private view of the ring. Nothing in it is read back from shared memory unchecked.
#[derive(Debug)]
struct Flow {
    depth: Depth,
    /// This side's published count.
    writer: Writer,
    /// The peer's published count.
    reader: Reader,
    /// By how much the peer's count may exceed this side's published count: 0 for a producer (completions never
    /// exceed frames), depth for a consumer.
    ahead: u64,
    /// Items put by this side, published or not.
    put: Cursor,
    /// The peer's items taken by this side.
    taken: Cursor,
}

/// The next item to be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) slot: u32,
    pub(super) position: u64,
    /// The slot of the item behind it, if that has arrived too.
    pub(super) behind: Option<u32>,
}

impl Flow {
    fn look(&mut self, memory: &SharedMemory) -> Result<bool, IndexError> {
        let most = self.writer.published() + self.ahead;
        self.reader.look(memory, most)
    }
}

impl Core {
    /// The producer's end.
    pub(super) fn producer(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        let frames = Writer::new(Head::Produced, Head::ConsumerEvent);
        let completions = Reader::new(Head::Completed, Head::ProducerEvent);
        Self::new(stream, memory, frames, completions, 0)
    }

    /// The consumer's end.
    pub(super) fn consumer(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        let completions = Writer::new(Head::Completed, Head::ProducerEvent);
        let frames = Reader::new(Head::Produced, Head::ConsumerEvent);
        let ahead = u64::from(memory.depth().get());
        Self::new(stream, memory, completions, frames, ahead)
    }

    fn new(stream: OwnedFd, memory: SharedMemory, writer: Writer, reader: Reader, ahead: u64) -> io::Result<Self> {
        let depth = memory.depth();
        let flow = Flow { depth, writer, reader, ahead, put: Cursor::default(), taken: Cursor::default() };
        Ok(Self {
            channel: Channel::with_side(stream, Bells::default(), Outbox::default())?,
            memory,
            flow: RefCell::new(flow),
            turns: Cell::new(0),
            stats: Cell::default(),
        })
    }

    /// Puts `items` into the next slots; `write` fills the slot of each.
    #[inline(always)]
    pub(super) fn put<T>(&self, items: impl IntoIterator<Item = T>, write: impl Fn(&SharedMemory, u32, T)) {
        let flow = &mut *self.flow.borrow_mut();
        // Local copies, so that they stay in registers: for all the compiler can tell, each volatile write to the ring
        // could change `flow`, and it would load the cursor again for each item.
        let (mut put, depth) = (flow.put, flow.depth);
        for item in items {
            write(&self.memory, put.step(depth), item);
        }
        flow.put = put;
        self.publish_early(flow);
    }

    #[inline(always)]
    fn publish_early(&self, flow: &mut Flow) {
        if flow.put.count - flow.writer.published() >= EARLY {
            self.publish(flow);
        }
    }

    /// Publishes everything that was put, and rings if the peer sleeps until one of those items.
    fn publish(&self, flow: &mut Flow) {
        if flow.put.count == flow.writer.published() {
            return;
        }
        // After each batch the peer may wake, sleep again, and ring once before it sleeps: not part of a storm.
        self.channel.with(|state| state.side.progress());
        if flow.writer.publish(&self.memory, flow.put.count) {
            self.ring();
        } else {
            self.count(|stats| stats.suppressed += 1);
        }
    }

    /// Sends a doorbell.
    pub(super) fn ring(&self) {
        self.count(|stats| stats.rung += 1);
        self.channel.nudge(&DOORBELL_RECORD);
    }

    /// Puts completions for the oldest `items` frames that were taken and not completed (or for as many as there
    /// are). Does nothing unless the first of them has `position`: another one would be out of order. `write` fills
    /// the completion of each slot.
    #[inline(always)]
    pub(super) fn answer(&self, position: u64, items: u32, write: impl Fn(&SharedMemory, u32)) {
        let flow = &mut *self.flow.borrow_mut();
        if position == flow.put.count {
            for _ in 0..u64::from(items).min(flow.taken.count - flow.put.count) {
                write(&self.memory, flow.put.step(flow.depth));
            }
            self.publish_early(flow);
        }
    }

    /// Takes the next item, which `read` reads from its slot. If `read` fails, the item is not taken, and the session
    /// closes.
    #[inline(always)]
    pub(super) fn next<T>(&self, read: impl FnOnce(&SharedMemory, Item) -> Result<T, CloseReason>) -> Option<T> {
        let flow = &mut *self.flow.borrow_mut();
        let position = flow.taken.count;
        if position == flow.reader.seen() {
            return None;
        }
        let mut taken = flow.taken;
        let slot = taken.step(flow.depth);
        let behind = (taken.count < flow.reader.seen()).then_some(taken.slot);
        match read(&self.memory, Item { slot, position, behind }) {
            Ok(item) => {
                flow.taken = taken;
                Some(item)
            }
            Err(reason) => {
                // The item stays, so a later call fails on it again: close, and notify, only once.
                if !self.channel.is_closed() {
                    self.channel.close(reason);
                }
                None
            }
        }
    }

    /// Takes items as long as `alike` returns true for their slots. Returns how many.
    #[inline(always)]
    pub(super) fn skip_while(&self, alike: impl Fn(&SharedMemory, u32) -> bool) -> u32 {
        let flow = &mut *self.flow.borrow_mut();
        let (mut taken, depth, seen) = (flow.taken, flow.depth, flow.reader.seen());
        while taken.count < seen && alike(&self.memory, taken.slot) {
            taken.step(depth);
        }
        let before = std::mem::replace(&mut flow.taken, taken);
        // The cast cannot truncate: `Reader::look` refuses a count that would make this more than the depth.
        (taken.count - before.count) as u32
    }

    /// Items that arrived and were not taken.
    pub(super) fn waiting(&self) -> u32 {
        let flow = self.flow.borrow();
        // The cast cannot truncate: `Reader::look` refuses a count that would make this more than the depth.
        (flow.reader.seen() - flow.taken.count) as u32
    }

    /// Items put, and the peer's count as of the last look.
    pub(super) fn counts(&self) -> (u64, u64) {
        let flow = self.flow.borrow();
        (flow.put.count, flow.reader.seen())
    }

    /// Publishes, reads the socket if it is due, and looks at the peer's count. Returns whether something arrived.
    /// The order matters: the peer publishes before it sends a control message, so after the socket was read, this
    /// look finds everything that the message came after.
    pub(super) fn exchange(&self) -> bool {
        self.publish(&mut self.flow.borrow_mut());
        let turns = self.turns.get();
        self.turns.set(turns.checked_sub(1).unwrap_or(TURNS));
        let received = turns == 0 && self.channel.exchange();
        let came = self.look();
        if came {
            self.channel.arrived().notify();
        }
        if received {
            let rung = self.channel.with(|state| state.side.take_rung());
            let hurried = self.is_consumer() && self.peer_sleeps_until(Head::ProducerEvent).is_some();
            self.count(|stats| stats.spurious += u64::from(rung > 0 && !came && !hurried));
        }
        received || came
    }

    /// Whether this is the consumer's end. Only a producer rings for a second reason, without having published: its
    /// event is earlier than the consumer's plan. Such a doorbell is not spurious.
    fn is_consumer(&self) -> bool {
        self.flow.borrow().ahead > 0
    }

    /// Looks at the peer's count.
    fn look(&self) -> bool {
        let looked = self.flow.borrow_mut().look(&self.memory);
        self.accept(looked)
    }

    /// Handles the result of a look: closes the session if the count was invalid. Returns whether something changed.
    fn accept(&self, looked: Result<bool, IndexError>) -> bool {
        match looked {
            Ok(true) => {
                self.channel.with(|state| state.side.progress());
                true
            }
            Ok(false) => false,
            // The invalid count is found again in each look: close, and notify, only once.
            Err(_) if self.channel.is_closed() => false,
            Err(error) => {
                self.channel.close(CloseReason::Index(error));
                true
            }
        }
    }

    /// Publishes, announces sleep until the peer's count is `wake_at` and looks once more. Returns
    /// whether this side may sleep.
    pub(super) fn announce(&self, wake_at: u64) -> bool {
        let flow = &mut *self.flow.borrow_mut();
        self.publish(flow);
        let most = flow.writer.published() + flow.ahead;
        let may_sleep = flow.reader.announce(&self.memory, wake_at, most);
        let came = self.accept(may_sleep.map(|may| !may));
        if came {
            self.channel.arrived().notify();
        }
        !came
    }

    /// Whether the peer has reached the count that this side announced, so that a doorbell is due.
    pub(super) fn is_owed(&self) -> bool {
        !self.channel.is_closed() && self.flow.borrow().reader.is_owed(&self.memory)
    }

    /// Counts a doorbell that was due and did not come.
    pub(super) fn missed(&self) {
        self.count(|stats| stats.missed += 1);
    }

    /// Withdraws the announcement. The next turn reads the socket, because a record on it may have ended the sleep.
    pub(super) fn awake(&self) {
        self.flow.borrow().reader.awake(&self.memory);
        self.turns.set(0);
    }

    /// The count at which the peer must be woken; `None` if it is awake, or the items put so far wake it.
    pub(super) fn peer_sleeps_until(&self, event: Head) -> Option<u64> {
        sleeps_until(&self.memory, event, self.flow.borrow().put.count)
    }

    pub(super) fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.channel.descriptor()
    }

    /// Publishes first, so that a peer that reads the message finds everything that was put before it.
    pub(super) fn send_control(&self, message: &Control) {
        self.publish(&mut self.flow.borrow_mut());
        self.channel.send_control(message);
    }

    pub(super) fn arrived(&self) -> &Signal {
        self.channel.arrived()
    }

    /// Records received through the socket, plus items that the peer published.
    pub(super) fn heard(&self) -> u64 {
        self.channel.heard().wrapping_add(self.flow.borrow().reader.seen())
    }

    /// Bytes sent through the socket, plus items that this side published.
    pub(super) fn sent(&self) -> u64 {
        self.channel.sent().wrapping_add(self.flow.borrow().writer.published())
    }

    pub(super) fn stats(&self) -> ShmStats {
        ShmStats { channel: self.channel.stats(), ..self.stats.get() }
    }

    fn count(&self, add: impl FnOnce(&mut ShmStats)) {
        let mut stats = self.stats.get();
        add(&mut stats);
        self.stats.set(stats);
    }
}

/// Implements [`Port`], which is the same for both ends.
macro_rules! port {
    ($end:ty) => {
        impl Port for $end {
            fn arrived(&self) -> &Signal {
                self.core.channel.arrived()
            }
            fn told(&self) -> &Signal {
                self.core.channel.told()
            }
            fn send_control(&self, message: &Control) {
                self.unload();
                self.core.send_control(message);
            }
            fn next_control(&self) -> Option<Control> {
                self.core.channel.next_control()
            }
            fn closed(&self) -> Option<CloseReason> {
                self.core.channel.closed()
            }
            fn is_closed(&self) -> bool {
                self.core.channel.is_closed()
            }
            fn close(&self, reason: CloseReason) {
                self.core.channel.close(reason);
            }
            fn heard(&self) -> u64 {
                self.core.heard()
            }
            fn sent(&self) -> u64 {
                self.core.sent()
            }
            fn is_leaving(&self) -> bool {
                self.core.channel.is_leaving()
            }
            fn send_alive(&self) {
                self.core.channel.send_alive();
            }
            fn doorbells(&self) -> Doorbells {
                self.core.stats().doorbells()
            }
        }
    };
}
pub(super) use port;
