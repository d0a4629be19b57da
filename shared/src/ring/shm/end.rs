//! What both ends do alike: put items into the ring, take items out of it, follow the peer, sleep.
//!
//! To a producer, what it puts are frames and what it takes are completions; to a consumer the
//! other way round.

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};

use super::bells::{Bells, ShmStats};
use super::{Head, Reader, SharedMemory, Writer, sleeps_until};
use crate::exec::{Signal, Source};
use crate::ring::channel::{Channel, Outbox};
use crate::ring::index::Cursor;
use crate::ring::{CloseReason, Depth, IndexError, Port};
use crate::wire::{Control, DOORBELL_RECORD};

/// Items that are worth publishing in the middle of a turn, so that the peer can work on them while
/// this side puts more.
const EARLY: u64 = 64;

/// Turns between two looks at the socket while the ring alone keeps this side busy: control
/// messages are rare, and a system call per turn is not free.
const TURNS: u32 = 64;

/// One end of a ring in shared memory.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) channel: Channel<Bells>,
    pub(super) memory: SharedMemory,
    flow: RefCell<Flow>,
    /// Turns until the socket is read again.
    turns: Cell<u32>,
    stats: Cell<ShmStats>,
}

/// The private view of the ring.
#[derive(Debug)]
struct Flow {
    depth: Depth,
    writer: Writer,
    reader: Reader,
    /// How far the peer's count can be ahead of what this side has published.
    ahead: u64,
    put: Cursor,
    taken: Cursor,
}

/// An item that came and is the next to be taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) slot: u32,
    pub(super) position: u64,
    /// The slot of the one behind it, if that came too.
    pub(super) behind: Option<u32>,
}

impl Flow {
    fn look(&mut self, memory: &SharedMemory) -> Result<bool, IndexError> {
        let most = self.writer.published() + self.ahead;
        self.reader.look(memory, most)
    }
}

impl Core {
    /// The end that puts frames.
    pub(super) fn producer(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        let frames = Writer::new(Head::Produced, Head::ConsumerEvent);
        let completions = Reader::new(Head::Completed, Head::ProducerEvent);
        Self::new(stream, memory, frames, completions, 0)
    }

    /// The end that puts completions.
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

    /// Puts items: `write` fills the slot of each.
    #[inline(always)]
    pub(super) fn put<T>(&self, items: impl IntoIterator<Item = T>, write: impl Fn(&SharedMemory, u32, T)) {
        let flow = &mut *self.flow.borrow_mut();
        // Kept apart until all are in: every write could be one to the view, as far as a compiler can tell.
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

    /// Lets the peer see everything that was put, and wakes it if it waits for some of it.
    fn publish(&self, flow: &mut Flow) {
        if flow.put.count == flow.writer.published() {
            return;
        }
        // The peer may go to sleep once more for each of these, and ring once more before it does.
        self.channel.with(|state| state.side.progress());
        if flow.writer.publish(&self.memory, flow.put.count) {
            self.ring();
        } else {
            self.count(|stats| stats.suppressed += 1);
        }
    }

    /// Wakes the peer.
    pub(super) fn ring(&self) {
        self.count(|stats| stats.rung += 1);
        self.channel.nudge(&DOORBELL_RECORD);
    }

    /// Puts the answers to the oldest `items` that were taken and not answered, or to as many as there are, if the
    /// first of them is item `position`: any other answer would be a lie. `write` fills the slot of each.
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

    /// Lets `read` have the next item. It is taken if `read` can make sense of it; if not, it stays where it is, and
    /// the session is over.
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
                // Looked at once more, it would be wrong once more.
                if !self.channel.is_closed() {
                    self.channel.close(reason);
                }
                None
            }
        }
    }

    /// Takes items as long as `alike` says so of their slots. Returns how many.
    #[inline(always)]
    pub(super) fn skip_while(&self, alike: impl Fn(&SharedMemory, u32) -> bool) -> u32 {
        let flow = &mut *self.flow.borrow_mut();
        let (mut taken, depth, seen) = (flow.taken, flow.depth, flow.reader.seen());
        while taken.count < seen && alike(&self.memory, taken.slot) {
            taken.step(depth);
        }
        let before = std::mem::replace(&mut flow.taken, taken);
        // Never above depth: the reader does not believe more.
        (taken.count - before.count) as u32
    }

    /// Items that came and were not taken.
    pub(super) fn waiting(&self) -> u32 {
        let flow = self.flow.borrow();
        // Never above depth: the reader does not believe more.
        (flow.reader.seen() - flow.taken.count) as u32
    }

    /// Items put, and the peer's count as of the last look.
    pub(super) fn counts(&self) -> (u64, u64) {
        let flow = self.flow.borrow();
        (flow.put.count, flow.reader.seen())
    }

    /// Publishes, reads the socket if it is time to, and looks. Returns whether something came.
    /// Whatever the peer said on the socket, it published before: so the ring comes second.
    pub(super) fn exchange(&self) -> bool {
        self.publish(&mut self.flow.borrow_mut());
        let turns = self.turns.get();
        self.turns.set(turns.checked_sub(1).unwrap_or(TURNS));
        let told = turns == 0 && self.channel.exchange();
        let came = self.look();
        if came {
            self.channel.arrived().notify();
        }
        if told {
            let rung = self.channel.with(|state| state.side.take_rung());
            let hurried = self.is_consumer() && self.peer_sleeps_until(Head::ProducerEvent).is_some();
            self.count(|stats| stats.spurious += u64::from(rung > 0 && !came && !hurried));
        }
        told || came
    }

    /// A producer also rings to be heard of earlier.
    fn is_consumer(&self) -> bool {
        self.flow.borrow().ahead > 0
    }

    /// Looks at the peer's count.
    fn look(&self) -> bool {
        let looked = self.flow.borrow_mut().look(&self.memory);
        self.believe(looked)
    }

    fn believe(&self, looked: Result<bool, IndexError>) -> bool {
        match looked {
            Ok(true) => {
                self.channel.with(|state| state.side.progress());
                true
            }
            Ok(false) => false,
            // Looked at once more, it would be wrong once more.
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
        let came = self.believe(may_sleep.map(|may| !may));
        if came {
            self.channel.arrived().notify();
        }
        !came
    }

    /// Whether the peer has published what this side announced that it sleeps for.
    pub(super) fn is_owed(&self) -> bool {
        !self.channel.is_closed() && self.flow.borrow().reader.is_owed(&self.memory)
    }

    /// Nobody rang for it.
    pub(super) fn missed(&self) {
        self.count(|stats| stats.missed += 1);
    }

    /// Takes the announcement back. The next turn reads the socket: it may be what woke this side.
    pub(super) fn awake(&self) {
        self.flow.borrow().reader.awake(&self.memory);
        self.turns.set(0);
    }

    /// The peer's event word: `None` if the peer is awake, or will be without further ado.
    pub(super) fn peer_sleeps_until(&self, event: Head) -> Option<u64> {
        sleeps_until(&self.memory, event, self.flow.borrow().put.count)
    }

    pub(super) fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.channel.descriptor()
    }

    /// Publishes first: a control message goes behind everything that was put.
    pub(super) fn send_control(&self, message: &Control) {
        self.publish(&mut self.flow.borrow_mut());
        self.channel.send_control(message);
    }

    pub(super) fn arrived(&self) -> &Signal {
        self.channel.arrived()
    }

    /// Records that came through the socket, and items that the peer published.
    pub(super) fn heard(&self) -> u64 {
        self.channel.heard().wrapping_add(self.flow.borrow().reader.seen())
    }

    /// Bytes that left through the socket, and items that were published.
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

/// The part of a port that is the same for both ends, and has nothing to do with the ring.
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
