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
/// Bytes in front of the completions.
pub const HEAD: u64 = 1024;
/// Bytes from the start of one slot to the start of the next.
pub const STRIDE: u64 = 1664;

/// How long to wait for a word to change: long enough for the slowest machine.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of a ring of `depth` slots.
pub fn size_of_ring(depth: u32) -> u64 {
    slot_at(depth, depth)
}

fn slot_at(depth: u32, slot: u32) -> u64 {
    (HEAD + u64::from(depth) * 8).next_multiple_of(128) + u64::from(slot) * STRIDE
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

    /// Fills `into` with the bytes at offset `at`.
    pub fn bytes(&self, at: u64, into: &mut [u8]) {
        self.file.read_exact_at(into, at).unwrap();
    }

    /// The offset of slot `slot`.
    pub fn slot_at(&self, slot: u32) -> u64 {
        slot_at(self.depth, slot)
    }

    /// Writes a slot's header with the length `len`.
    pub fn slot(&self, slot: u32, len: u32) {
        self.file.write_all_at(&len.to_ne_bytes(), self.slot_at(slot)).unwrap();
    }

    /// Writes a completion with any status, at 99 ns of the clock.
    pub fn completion(&self, slot: u32, status: u64) {
        self.word(HEAD + u64::from(slot) * 8, (99 << 4) | status);
    }

    /// Writes the length 60 into every slot's header and publishes the count of frames `count`.
    pub fn publish(&self, count: u64) {
        (0..self.depth).for_each(|slot| self.slot(slot, 60));
        self.word(PRODUCED, count);
    }
}
