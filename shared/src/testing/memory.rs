//! Access to the ring's memory by its specification, without the code of `ring::shm`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

/// Offset of the generation. The next ones are offsets too.
pub const GENERATION_AT: u64 = 8;
/// Frames published.
pub const PRODUCED: u64 = 128;
/// Frames completed.
pub const COMPLETED: u64 = 256;
/// The count of completions that wakes the producer.
pub const PRODUCER_EVENT: u64 = 384;
/// The count of frames that wakes the consumer.
pub const CONSUMER_EVENT: u64 = 512;
/// The count of completions at which a sleeping consumer wakes by its own timer.
pub const CONSUMER_PLAN: u64 = 640;
/// The first record of a group of frames.
pub const FRAMES: u64 = 1024;
/// Bytes of the record of a group.
pub const RECORD: u64 = 32;
/// Bytes of a slot: the places for a small and for a larger frame.
pub const SLOT_SIZE: u64 = SMALL + LARGE;
const SMALL: u64 = 64;
const LARGE: u64 = 1536;

/// How long to wait for a word to change: long enough for the slowest machine.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of a ring of `depth` slots.
pub fn size_of_ring(depth: u32) -> u64 {
    large_at(depth, depth)
}

fn completion_at(depth: u32, place: u32) -> u64 {
    (FRAMES + u64::from(depth) * RECORD).next_multiple_of(128) + u64::from(place) * RECORD
}

fn small_at(depth: u32, slot: u32) -> u64 {
    completion_at(depth, depth).next_multiple_of(128) + u64::from(slot) * SMALL
}

fn large_at(depth: u32, slot: u32) -> u64 {
    small_at(depth, depth).next_multiple_of(128) + u64::from(slot) * LARGE
}

/// Reads and writes any part of a ring's memory.
#[derive(Debug)]
pub struct RawRing {
    file: File,
    depth: u32,
}

impl RawRing {
    /// The ring in `file`.
    pub fn new(file: OwnedFd, depth: u32) -> Self {
        Self { file: File::from(file), depth }
    }

    /// How many slots it has.
    pub fn depth(&self) -> u32 {
        self.depth
    }

    /// The descriptor.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Writes the word at offset `at`.
    pub fn word(&self, at: u64, value: u64) {
        self.file.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    /// Reads the word at offset `at`.
    pub fn read(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    }

    /// Another handle on the same memory.
    pub fn again(&self) -> Self {
        Self { file: self.file.try_clone().unwrap(), depth: self.depth }
    }

    /// Waits until the other side has set the word at `at` to a `wanted` value. Fails the test after a timeout.
    pub fn wait_for(&self, at: u64, wanted: impl Fn(u64) -> bool) -> u64 {
        let began = Instant::now();
        loop {
            let value = self.read(at);
            if wanted(value) {
                return value;
            }
            assert!(began.elapsed() < CHANGE_TIMEOUT, "the word at {at} stays {value}");
            std::thread::yield_now();
        }
    }

    /// Fills `into` with the frame in `slot`.
    pub fn frame(&self, slot: u32, into: &mut [u8]) {
        let is_small = into.len() as u64 <= SMALL;
        let at = if is_small { small_at(self.depth, slot) } else { large_at(self.depth, slot) };
        self.file.read_exact_at(into, at).unwrap();
    }

    /// The offset of the record of a group of completions at `place`.
    pub fn completion_at(&self, place: u32) -> u64 {
        completion_at(self.depth, place)
    }

    /// The offset of a larger frame in `slot`, behind all words that either side reads.
    pub fn large_at(&self, slot: u32) -> u64 {
        large_at(self.depth, slot)
    }

    /// Writes the record of a group of `frames` frames of `len` bytes each.
    pub fn frames(&self, place: u32, len: u32, frames: u32) {
        let at = FRAMES + u64::from(place) * RECORD;
        [len.into(), 0, 0, frames.into()].into_iter().zip(0..).for_each(|(word, n)| self.word(at + 8 * n, word));
    }

    /// Writes the record of a group of `completions` completions with any status, taken and completed at the `times`.
    pub fn completions(&self, place: u32, completions: u32, status: u32, times: [u64; 2]) {
        let last = u64::from(completions) | u64::from(status) << 32;
        let words = [times[0], times[1], 0, last];
        words.into_iter().zip(0..).for_each(|(word, n)| self.word(self.completion_at(place) + 8 * n, word));
    }

    /// Writes a group of one frame of 60 bytes at every place, and publishes the count of frames `count`.
    pub fn publish(&self, count: u64) {
        (0..self.depth).for_each(|place| self.frames(place, 60, 1));
        self.word(PRODUCED, count);
    }
}
