//! Publish, look, announce sleep, wake: how two sides follow each other's count without losing a
//! wake-up.
//!
//! Frames and completions work alike: one side counts up ([`Writer`]), the other follows
//! ([`Reader`]). A reader that is about to sleep writes into its event word the count that it wants
//! to be woken for, passes a fence and looks once more. A writer publishes its count, passes a
//! fence and reads that word. Whichever fence comes second sees what the other side wrote, so
//! either the reader sees the count, or the writer sees the sleeper.
//!
//! A consumer that has work for later does not sleep for frames alone: it plans to wake up by
//! itself at some count of completions. It writes that plan before it announces, and looks at the
//! producer's event word behind the fence ([`sleeps_until`]); a producer looks at the plan behind
//! the fence of its own announcement ([`planned_beyond`]). So one of them notices if the producer
//! waits for an earlier completion than the consumer plans for.
//!
//! Generic over the words and the fence, so that a model checker runs these very functions.

use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{Head, Word, Words};
use crate::ring::IndexError;

/// What an event word says of a reader that is awake. No count is below it.
pub const AWAKE: u64 = 0;

/// The side that counts.
#[derive(Debug)]
pub struct Writer {
    index: Head,
    event: Head,
    published: u64,
}

impl Writer {
    /// Counts in `index`; its reader sleeps on `event`.
    pub fn new(index: Head, event: Head) -> Self {
        Self { index, event, published: 0 }
    }

    /// What the reader may have seen.
    pub fn published(&self) -> u64 {
        self.published
    }

    /// Lets the reader see everything up to `count`. Returns whether it sleeps, and wants to be
    /// woken for one of them.
    #[must_use = "a sleeper that is not woken sleeps for ever"]
    pub fn publish(&mut self, words: &impl Words, count: u64) -> bool {
        if count == self.published {
            return false;
        }
        let before = std::mem::replace(&mut self.published, count);
        words.word(self.index).store(count, Release);
        words.fence();
        let event = words.word(self.event).load(Relaxed);
        before < event && event <= count
    }
}

/// The side that follows.
#[derive(Debug)]
pub struct Reader {
    index: Head,
    event: Head,
    seen: u64,
    /// What was announced last.
    wake_at: u64,
}

impl Reader {
    /// Follows `index`, and sleeps on `event`.
    pub fn new(index: Head, event: Head) -> Self {
        Self { index, event, seen: 0, wake_at: AWAKE }
    }

    /// The count as of the last look.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Looks. Returns whether the count moved.
    ///
    /// # Errors
    /// [`IndexError::Jumped`] if it went back or beyond `most`, which no honest writer does.
    pub fn look(&mut self, words: &impl Words, most: u64) -> Result<bool, IndexError> {
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

    /// Says that this side sleeps until the count is `wake_at`, and looks once more. Returns
    /// whether it may sleep: if not, something came that nobody will ring for.
    ///
    /// # Errors
    /// As [`Reader::look`].
    pub fn announce(&mut self, words: &impl Words, wake_at: u64, most: u64) -> Result<bool, IndexError> {
        self.wake_at = wake_at;
        words.word(self.event).store(wake_at, Relaxed);
        words.fence();
        Ok(!self.look(words, most)?)
    }

    /// Whether what was announced is there: then the writer rings, or has rung.
    pub fn is_owed(&self, words: &impl Words) -> bool {
        self.wake_at != AWAKE && words.word(self.index).load(Relaxed) >= self.wake_at
    }

    /// Takes the announcement back.
    pub fn awake(&self, words: &impl Words) {
        words.word(self.event).store(AWAKE, Relaxed);
    }
}

/// What a reader of the count that is now at `count` sleeps for; `None` if it is awake, or about to
/// be.
pub fn sleeps_until(words: &impl Words, event: Head, count: u64) -> Option<u64> {
    let at = words.word(event).load(Relaxed);
    (at != AWAKE && at > count).then_some(at)
}

/// Whether the consumer sleeps beyond completion `wake_at`, which the producer announced before.
pub fn planned_beyond(words: &impl Words, wake_at: u64) -> bool {
    wake_at != AWAKE && words.word(Head::ConsumerPlan).load(Relaxed) > wake_at
}

/// The consumer says when it wakes by itself, before it announces sleep; [`AWAKE`] takes it back.
pub fn plan(words: &impl Words, completions: u64) {
    words.word(Head::ConsumerPlan).store(completions, Relaxed);
}
