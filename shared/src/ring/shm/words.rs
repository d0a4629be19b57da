//! The words that both sides see, as the protocol needs them: real ones, and those of a checker.

use std::sync::atomic::{AtomicU64, Ordering};

use super::Head;

/// A word that one side writes and the other reads.
pub trait Word {
    /// Its value.
    fn load(&self, order: Ordering) -> u64;

    /// Sets it.
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

/// The head of a ring.
pub trait Words {
    /// What its words are.
    type Word: Word;

    /// One of them.
    fn word(&self, which: Head) -> &Self::Word;

    /// A sequentially consistent fence: what was written before it is seen by whoever passes a
    /// fence of his own later.
    fn fence(&self);
}
