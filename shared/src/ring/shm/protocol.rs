//! Publish, look, announce a wait, wake: how two sides follow each other's count without losing a
//! wake-up. [`ring::shm`](super) explains the protocol; here are its steps.
//!
//! Frames and completions work in the same way: one side increments a count ([`Writer`]), the other follows it
//! ([`Reader`]). The functions are generic over the words and the fence, so that loom, a model checker, runs these very
//! functions.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{Head, Word, Words};
use crate::connection::IndexError;
use crate::exec::Wait;

/// The event word of a reader that is awake, and the plan of a consumer that has none. A writer rings only for an event
/// above its old count, and no count is below 0, so this value never causes a doorbell.
pub const AWAKE: u64 = 0;

/// The bit in an event word of a reader that spins: it looks at the count itself. With it the event is above every
/// count, so a writer does not ring.
const SPINS: u64 = 1 << 63;

/// The side that increments a count.
#[derive(Debug)]
pub struct Writer {
    index: Head,
    event: Head,
    published: u64,
}

impl Writer {
    /// Publishes its count in `index`; the reader announces sleep in `event`.
    pub fn new(index: Head, event: Head) -> Self {
        Self { index, event, published: 0 }
    }

    /// The count published last, which the reader may have seen.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Publishes `count`. Returns whether the reader sleeps until one of the new items, so that a doorbell is due.
    #[must_use = "if a doorbell is due and is not sent, the reader is never woken"]
    pub fn publish(&mut self, words: &impl Words, count: u64) -> bool {
        if count == self.published {
            return false;
        }
        let before = std::mem::replace(&mut self.published, count);
        // Release: pairs with the Acquire load in `Reader::look`, so that a reader that sees the count sees the items.
        words.word(self.index).store(count, Release);
        // Pairs with the fence in `Reader::announce`: orders this store before the load of the event word.
        words.fence();
        let event = words.word(self.event).load(Relaxed);
        before < event && event <= count
    }
}

/// The side that follows the peer's count.
#[derive(Debug)]
pub struct Reader {
    index: Head,
    event: Head,
    /// The count as of the last look.
    seen: u64,
}

impl Reader {
    /// Follows `index`, and announces sleep in `event`.
    pub fn new(index: Head, event: Head) -> Self {
        Self { index, event, seen: 0 }
    }

    /// The count as of the last look.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Reads the peer's count. Returns whether it moved.
    ///
    /// # Errors
    /// [`IndexError::Jumped`] if it went back or above `most`, which no honest writer does.
    pub fn look(&mut self, words: &impl Words, most: u64) -> Result<bool, IndexError> {
        // Read once and checked as a private copy. Acquire: pairs with the Release store in `Writer::publish`.
        let count = words.word(self.index).load(Acquire);
        if count == self.seen {
            return Ok(false);
        }
        if count < self.seen || count > most {
            return Err(IndexError::Jumped { from: self.seen, to: count, most });
        }
        self.seen = count;
        Ok(true)
    }

    /// Announces that this side waits until the count is `wake_at`, in place of an earlier announcement, and looks
    /// once more. `None` if items arrived before the announcement, for which the writer may not ring: then it is
    /// withdrawn, and this side must not sleep.
    ///
    /// # Errors
    /// As [`Reader::look`]; the announcement is withdrawn.
    pub fn announce(
        &mut self,
        words: &impl Words,
        wake_at: u64,
        most: u64,
        wait: Wait,
    ) -> Result<Option<Announcement>, IndexError> {
        let announcement = Announcement { index: self.index, event: self.event, wake_at, wait };
        let spins = if wait == Wait::Spin { SPINS } else { 0 };
        words.word(self.event).store(wake_at | spins, Relaxed);
        // Pairs with the fence in `Writer::publish`: orders this store before the load of the count.
        words.fence();
        match self.look(words, most) {
            Ok(false) => Ok(Some(announcement)),
            found => {
                announcement.withdraw(words);
                found.map(|_| None)
            }
        }
    }
}

/// A reader's announcement that it waits.
#[derive(Debug)]
#[must_use = "an announcement that is not withdrawn lets the writer ring a reader that is awake"]
pub struct Announcement {
    index: Head,
    event: Head,
    /// The count that wakes the reader.
    wake_at: u64,
    wait: Wait,
}

impl Announcement {
    /// Whether the announced count is reached, so that the writer has rung or is about to.
    pub fn doorbell_due(&self, words: &impl Words) -> bool {
        self.wake_at != AWAKE && words.word(self.index).load(Relaxed) >= self.wake_at
    }

    /// Withdraws it: the reader is awake. Returns whether it slept.
    pub fn withdraw(self, words: &impl Words) -> bool {
        words.word(self.event).store(AWAKE, Relaxed);
        self.wait == Wait::Sleep
    }
}

/// The count for which a reader waits, asleep or spinning, read from `event`; `None` if it has announced none, or if
/// `count`, the items put so far, already reaches it.
pub fn waits_until(words: &impl Words, event: Head, count: u64) -> Option<u64> {
    let at = words.word(event).load(Relaxed) & !SPINS;
    (at != AWAKE && at > count).then_some(at)
}

/// Whether the consumer plans to sleep past completion `wake_at`, which the producer has announced.
pub fn planned_beyond(words: &impl Words, wake_at: u64) -> bool {
    wake_at != AWAKE && words.word(Head::ConsumerPlan).load(Relaxed) > wake_at
}

/// Sets the count of completions at which the consumer wakes by its own timer. Call it before the consumer announces
/// sleep; [`AWAKE`] withdraws the plan.
pub fn plan(words: &impl Words, completions: u64) {
    words.word(Head::ConsumerPlan).store(completions, Relaxed);
}
