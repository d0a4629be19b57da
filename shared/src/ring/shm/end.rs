//! The common part of both ends: put items into the ring, take items out of it, follow the peer's count, sleep.
//!
//! An item is a frame or a completion: a producer puts frames and takes completions, a consumer the other way round.

use std::cell::RefCell;

use super::{Announcement, Head, Reader, SharedMemory, Writer, sleeps_until};
use crate::connection::{CloseReason, Connection, Doorbell, IndexError, Look};
use crate::depth::Depth;
use crate::ring::index::Cursor;

/// Unpublished items at which a batch is published in the middle of a turn, so that the peer can work on them while
/// this side puts more.
const EARLY_PUBLISH: u64 = 64;

/// One end of a ring in shared memory.
#[derive(Debug)]
pub(super) struct End {
    pub(super) memory: SharedMemory,
    flow: RefCell<Flow>,
    /// This side's announcement, while it waits.
    announcement: RefCell<Option<Announcement>>,
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
    #[inline(always)]
    fn batch_is_due(&self) -> bool {
        self.put.count - self.writer.published() >= EARLY_PUBLISH
    }

    fn look(&mut self, memory: &SharedMemory) -> Result<bool, IndexError> {
        let most = self.writer.published() + self.ahead;
        self.reader.look(memory, most)
    }
}

/// Closes `connection` because of an item that cannot be taken. The item stays, so a later call finds it again, and
/// does not notify again.
#[cold]
pub(super) fn refuse_item(connection: &Connection, reason: impl Into<CloseReason>) {
    if !connection.is_closed() {
        connection.close(reason.into());
    }
}

impl End {
    /// The producer's end.
    pub(super) fn producer(memory: SharedMemory) -> Self {
        let frames = Writer::new(Head::Produced, Head::ConsumerEvent);
        let completions = Reader::new(Head::Completed, Head::ProducerEvent);
        Self::new(memory, frames, completions, 0)
    }

    /// The consumer's end.
    pub(super) fn consumer(memory: SharedMemory) -> Self {
        let completions = Writer::new(Head::Completed, Head::ProducerEvent);
        let frames = Reader::new(Head::Produced, Head::ConsumerEvent);
        let ahead = u64::from(memory.depth().get());
        Self::new(memory, completions, frames, ahead)
    }

    fn new(memory: SharedMemory, writer: Writer, reader: Reader, ahead: u64) -> Self {
        let depth = memory.depth();
        let flow = Flow { depth, writer, reader, ahead, put: Cursor::default(), taken: Cursor::default() };
        Self { memory, flow: RefCell::new(flow), announcement: RefCell::new(None) }
    }

    /// Puts `items` into the next slots; `write` fills the slot of each. Returns whether a batch is due to be
    /// published, in the middle of the turn.
    #[inline(always)]
    #[must_use = "a batch that is due must be published"]
    pub(super) fn put<T>(&self, items: impl IntoIterator<Item = T>, write: impl Fn(&SharedMemory, u32, T)) -> bool {
        let flow = &mut *self.flow.borrow_mut();
        // Local copies, so that they stay in registers: for all the compiler can tell, each volatile write to the ring
        // could change `flow`, and it would load the cursor again for each item.
        let (mut put, depth) = (flow.put, flow.depth);
        for item in items {
            write(&self.memory, put.step(depth), item);
        }
        flow.put = put;
        flow.batch_is_due()
    }

    /// The slot of the frame that is put when `staged` others, at most 64, have been put before it.
    #[inline(always)]
    pub(super) fn slot_behind(&self, staged: usize) -> u32 {
        let flow = self.flow.borrow();
        // The caller holds a credit for each staged frame, so there are at most as many as slots: one lap is enough.
        let slot = flow.put.slot + staged as u32;
        if slot >= flow.depth.get() { slot - flow.depth.get() } else { slot }
    }

    /// Publishes everything that was put, and rings if the peer sleeps until one of those items.
    pub(super) fn publish(&self, doorbell: &Doorbell) {
        self.publish_flow(&mut self.flow.borrow_mut(), doorbell);
    }

    fn publish_flow(&self, flow: &mut Flow, doorbell: &Doorbell) {
        if flow.put.count != flow.writer.published() {
            doorbell.published(flow.writer.publish(&self.memory, flow.put.count));
        }
    }

    /// Puts completions for the oldest `items` frames that were taken and not completed (or for as many as there
    /// are). Does nothing unless the first of them has `position`: another one would be out of order. `write` fills
    /// the completion of each slot. Returns whether a batch is due, as [`End::put`] does.
    #[inline(always)]
    #[must_use = "a batch that is due must be published"]
    pub(super) fn complete(&self, position: u64, items: u32, write: impl Fn(&SharedMemory, u32)) -> bool {
        let flow = &mut *self.flow.borrow_mut();
        let in_order = position == flow.put.count;
        if in_order {
            for _ in 0..u64::from(items).min(flow.taken.count - flow.put.count) {
                write(&self.memory, flow.put.step(flow.depth));
            }
        }
        in_order && flow.batch_is_due()
    }

    /// Takes the next item, which `read` reads from its slot. If `read` returns nothing, the item is not taken.
    #[inline(always)]
    pub(super) fn next<T>(&self, read: impl FnOnce(&SharedMemory, Item) -> Option<T>) -> Option<T> {
        let flow = &mut *self.flow.borrow_mut();
        let position = flow.taken.count;
        if position == flow.reader.seen() {
            return None;
        }
        let mut taken = flow.taken;
        let slot = taken.step(flow.depth);
        let behind = (taken.count < flow.reader.seen()).then_some(taken.slot);
        let item = read(&self.memory, Item { slot, position, behind })?;
        flow.taken = taken;
        Some(item)
    }

    /// Takes items as long as `take` returns true for their slots. Returns how many.
    #[inline(always)]
    pub(super) fn take_while(&self, take: impl Fn(&SharedMemory, u32) -> bool) -> u32 {
        let flow = &mut *self.flow.borrow_mut();
        let (mut taken, depth, seen) = (flow.taken, flow.depth, flow.reader.seen());
        while taken.count < seen && take(&self.memory, taken.slot) {
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

    /// Looks at the peer's count. Returns whether it moved.
    pub(super) fn look(&self) -> Result<bool, IndexError> {
        self.flow.borrow_mut().look(&self.memory)
    }

    /// Publishes, announces that this side waits until the peer's count is `wake_at`, and looks once more.
    pub(super) fn announce(&self, wake_at: u64, doorbell: &Doorbell) -> Result<Look, IndexError> {
        let flow = &mut *self.flow.borrow_mut();
        self.publish_flow(flow, doorbell);
        let most = flow.writer.published() + flow.ahead;
        // An announcement that this one replaces is forgotten, not withdrawn: the peer would see a gap between them.
        let announced = flow.reader.announce(&self.memory, wake_at, most);
        let announcement = &mut *self.announcement.borrow_mut();
        *announcement = None;
        *announcement = announced?;
        Ok(if announcement.is_some() { Look::Nothing } else { Look::Arrived })
    }

    /// Whether the peer has reached the count that this side announced, so that a doorbell is due.
    pub(super) fn doorbell_due(&self) -> bool {
        self.announcement.borrow().as_ref().is_some_and(|announcement| announcement.doorbell_due(&self.memory))
    }

    /// Withdraws the announcement, if there is one. Returns whether there was.
    pub(super) fn withdraw(&self) -> bool {
        let announcement = self.announcement.take();
        announcement.map(|announcement| announcement.withdraw(&self.memory)).is_some()
    }

    /// The count at which the peer must be woken; `None` if it is awake, or the items put so far wake it.
    pub(super) fn peer_sleeps_until(&self, event: Head) -> Option<u64> {
        sleeps_until(&self.memory, event, self.flow.borrow().put.count)
    }

    /// Items that the peer published (as of the last look), and items that this side published.
    pub(super) fn published(&self) -> (u64, u64) {
        let flow = self.flow.borrow();
        (flow.reader.seen(), flow.writer.published())
    }
}
