//! The common part of both ends: put items into the ring, take items out of it, follow the peer's count, sleep.
//!
//! An item is a frame or a completion: a producer puts frames and takes completions, a consumer the other way round.
//! Both move in groups, and each group has a record.

use std::cell::RefCell;

use super::memory::Kind;
use super::record::{Item, items};
use super::{Announcement, Head, Reader, SharedMemory, Writer, waits_until};
use crate::connection::{CloseReason, Connection, Doorbell, IndexError, Look};
use crate::depth::Depth;
use crate::exec::Wait;
use crate::frame::{Completion, Descriptor};
use crate::ring::index::Cursor;

/// Unpublished items at which a batch is published in the middle of a turn, so that the peer can work on them while
/// this side puts more.
const EARLY_PUBLISH: u64 = 64;

/// One end of a ring in shared memory, which takes items of type `T`.
#[derive(Debug)]
pub(super) struct End<T> {
    pub(super) memory: SharedMemory,
    flow: RefCell<Flow<T>>,
    /// This side's announcement, while it waits.
    announcement: RefCell<Option<Announcement>>,
}

/// This side's private view of the ring. Nothing in it is read back from shared memory unchecked.
#[derive(Debug)]
struct Flow<T> {
    depth: Depth,
    /// This side's published count.
    writer: Writer,
    /// The peer's published count.
    reader: Reader,
    /// By how much the peer's count may exceed this side's published count: 0 for a producer (completions never
    /// exceed frames), depth for a consumer.
    ahead: u64,
    /// Items put by this side, published or not.
    put: u64,
    /// The kind of the groups put by this side, and the place of the next record.
    puts: Kind,
    next_put: u32,
    /// The peer's items taken by this side.
    taken: Cursor,
    /// The kind of the groups taken by this side, and the place of the next record.
    takes: Kind,
    next_taken: u32,
    /// The items that are left of the group whose record was read last, and the first of them.
    left: u32,
    first: T,
}

/// Items of one group that were taken together.
#[derive(Debug, Clone, Copy)]
pub(super) struct Taken<T> {
    pub(super) first: T,
    pub(super) items: u32,
    /// The slot of the first; the others follow.
    pub(super) slot: u32,
    /// How many items have arrived behind the first, those of other groups included.
    pub(super) behind: u64,
}

impl<T: Item> Flow<T> {
    #[inline(always)]
    fn put_record(&mut self, memory: &SharedMemory, first: &impl Item, items: u32) {
        memory.write_record(self.puts, self.next_put, first.encode(items));
        self.next_put = behind(self.next_put, 1, self.depth);
    }

    #[inline(always)]
    fn batch_is_due(&self) -> bool {
        self.put - self.writer.published() >= EARLY_PUBLISH
    }

    fn look(&mut self, memory: &SharedMemory) -> Result<bool, IndexError> {
        let most = self.writer.published() + self.ahead;
        self.reader.look(memory, most)
    }

    /// Reads the record of the next group, unless items are left of the last one. Returns whether there are items.
    ///
    /// # Errors
    /// If the record is none that an honest peer writes.
    #[inline(always)]
    fn open_group(&mut self, memory: &SharedMemory) -> Result<bool, CloseReason> {
        let arrived = self.reader.seen() - self.taken.count;
        if self.left > 0 || arrived == 0 {
            return Ok(self.left > 0);
        }
        // Read once and checked as a private copy.
        let record = memory.read_record(self.takes, self.next_taken);
        self.first = T::decode(&record, self.taken.count)?;
        let items = items(&record);
        if items == 0 || u64::from(items) > arrived {
            return Err(IndexError::GroupSize { items, arrived }.into());
        }
        self.left = items;
        // A group has at least one item, so no more groups than items are in the ring: as many places as slots suffice.
        self.next_taken = behind(self.next_taken, 1, self.depth);
        Ok(true)
    }
}

/// The place or slot that is `steps` behind `place`; `steps` is at most the depth.
#[inline(always)]
pub(super) fn behind(place: u32, steps: u32, depth: Depth) -> u32 {
    let next = place + steps;
    // The depth need not be a power of two, so a mask does not work, and a division is slower than this branch.
    if next >= depth.get() { next - depth.get() } else { next }
}

/// Closes `connection` because of an item that cannot be taken. The item stays, so a later call finds it again, and
/// does not notify again.
#[cold]
pub(super) fn refuse_item(connection: &Connection, reason: impl Into<CloseReason>) {
    if !connection.is_closed() {
        connection.close(reason.into());
    }
}

impl<T: Item> End<T> {
    fn new(memory: SharedMemory, ends: (Writer, Reader), kinds: (Kind, Kind), ahead: u64) -> Self {
        let flow = Flow {
            depth: memory.depth(),
            writer: ends.0,
            reader: ends.1,
            ahead,
            put: 0,
            puts: kinds.0,
            next_put: 0,
            taken: Cursor::default(),
            takes: kinds.1,
            next_taken: 0,
            left: 0,
            first: T::default(),
        };
        Self { memory, flow: RefCell::new(flow), announcement: RefCell::new(None) }
    }

    /// Counts `items` whose slots have been filled; the record of their group is put before they are published.
    /// Returns whether a batch is due to be published, in the middle of the turn.
    #[inline(always)]
    pub(super) fn count(&self, items: u64) -> bool {
        let flow = &mut *self.flow.borrow_mut();
        flow.put += items;
        flow.batch_is_due()
    }

    /// Puts the record of a group of `items` items, the first of which is `first`.
    #[inline(always)]
    pub(super) fn put_group(&self, first: &impl Item, items: u32) {
        let flow = &mut *self.flow.borrow_mut();
        flow.put_record(&self.memory, first, items);
    }

    /// Publishes everything that was put, and rings if the peer sleeps until one of those items.
    pub(super) fn publish(&self, doorbell: &Doorbell) {
        self.publish_flow(&mut self.flow.borrow_mut(), doorbell);
    }

    fn publish_flow(&self, flow: &mut Flow<T>, doorbell: &Doorbell) {
        if flow.put != flow.writer.published() {
            doorbell.published(flow.writer.publish(&self.memory, flow.put));
        }
    }

    /// Takes up to `most` of the next items, as far as they are of one group, which `read` reads from their slots.
    ///
    /// # Errors
    /// If the record of the group is none that an honest peer writes. The items stay.
    #[inline(always)]
    pub(super) fn take(
        &self,
        most: u32,
        read: impl FnOnce(&SharedMemory, &Taken<T>),
    ) -> Result<Option<Taken<T>>, CloseReason> {
        let flow = &mut *self.flow.borrow_mut();
        if !flow.open_group(&self.memory)? {
            return Ok(None);
        }
        let (first, slot, items) = (flow.first, flow.taken.slot, flow.left.min(most));
        let taken = Taken { first, slot, items, behind: flow.reader.seen() - flow.taken.count - 1 };
        read(&self.memory, &taken);
        (flow.first, flow.left) = (first.behind(items), flow.left - items);
        flow.taken = Cursor { count: flow.taken.count + u64::from(items), slot: behind(slot, items, flow.depth) };
        Ok(Some(taken))
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
        (flow.put, flow.reader.seen())
    }

    /// Looks at the peer's count. Returns whether it moved.
    pub(super) fn look(&self) -> Result<bool, IndexError> {
        self.flow.borrow_mut().look(&self.memory)
    }

    /// Publishes, announces that this side waits until the peer's count is `wake_at`, and looks once more.
    pub(super) fn announce(&self, wake_at: u64, wait: Wait, doorbell: &Doorbell) -> Result<Look, IndexError> {
        let flow = &mut *self.flow.borrow_mut();
        self.publish_flow(flow, doorbell);
        let most = flow.writer.published() + flow.ahead;
        // An announcement that this one replaces is forgotten, not withdrawn: the peer would see a gap between them.
        let announced = flow.reader.announce(&self.memory, wake_at, most, wait);
        let announcement = &mut *self.announcement.borrow_mut();
        *announcement = None;
        *announcement = announced?;
        Ok(if announcement.is_some() { Look::Nothing } else { Look::Arrived })
    }

    /// Whether the peer has reached the count that this side announced, so that a doorbell is due.
    pub(super) fn doorbell_due(&self) -> bool {
        self.announcement.borrow().as_ref().is_some_and(|announcement| announcement.doorbell_due(&self.memory))
    }

    /// Withdraws the announcement, if there is one. Returns whether this side slept.
    pub(super) fn withdraw(&self) -> bool {
        self.announcement.take().is_some_and(|announcement| announcement.withdraw(&self.memory))
    }

    /// The count for which the peer waits; `None` if it does not wait, or the items put so far reach it.
    pub(super) fn peer_waits_until(&self, event: Head) -> Option<u64> {
        waits_until(&self.memory, event, self.flow.borrow().put)
    }

    /// Items that the peer published (as of the last look), and items that this side published.
    pub(super) fn published(&self) -> (u64, u64) {
        let flow = self.flow.borrow();
        (flow.reader.seen(), flow.writer.published())
    }
}

impl End<Completion> {
    /// The producer's end.
    pub(super) fn producer(memory: SharedMemory) -> Self {
        let frames = Writer::new(Head::Produced, Head::ConsumerEvent);
        let completions = Reader::new(Head::Completed, Head::ProducerEvent);
        Self::new(memory, (frames, completions), (Kind::Frames, Kind::Completions), 0)
    }
}

impl End<Descriptor> {
    /// The consumer's end.
    pub(super) fn consumer(memory: SharedMemory) -> Self {
        let completions = Writer::new(Head::Completed, Head::ProducerEvent);
        let frames = Reader::new(Head::Produced, Head::ConsumerEvent);
        let ahead = u64::from(memory.depth().get());
        Self::new(memory, (completions, frames), (Kind::Completions, Kind::Frames), ahead)
    }

    /// Puts one group of completions for the oldest `items` frames that were taken and not completed (or for as many as
    /// there are). Does nothing unless the first of them has the position of `first`: another one would be out of
    /// order. Returns whether a batch is due, as [`End::count`] does.
    #[inline(always)]
    #[must_use = "a batch that is due must be published"]
    pub(super) fn complete(&self, first: &Completion, items: u32) -> bool {
        let flow = &mut *self.flow.borrow_mut();
        // The cast cannot truncate: at most the depth is taken and not completed.
        let items = items.min((flow.taken.count - flow.put) as u32);
        if first.position != flow.put || items == 0 {
            return false;
        }
        flow.put_record(&self.memory, first, items);
        flow.put += u64::from(items);
        flow.batch_is_due()
    }
}
