//! The shared words, as traits: implemented by the shared memory, and by loom's atomics in the model check.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Head;

/// A word that one side writes and the other reads.
pub trait Word {
    /// Reads it.
    fn load(&self, order: Ordering) -> u64;

    /// Writes it.
    fn store(&self, value: u64, order: Ordering);
}

impl Word for AtomicU64 {
    fn load(&self, order: Ordering) -> u64 {
        self.load(order)
    }

    fn store(&self, value: u64, order: Ordering) {
        self.store(value, order);
    }
}

/// The words in the head of a ring.
pub trait Words {
    /// The type of a word.
    type Word: Word;

    /// The word at `which`.
    fn word(&self, which: Head) -> &Self::Word;

    /// A sequentially consistent fence: a side that passes its fence later sees, after it, everything that was written
    /// before this one.
    fn fence(&self);
}
