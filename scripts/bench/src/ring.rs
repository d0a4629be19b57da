//! A bare ring for one producer and one consumer: only the index logic.
//!
//! Each side keeps a copy of the other side's index and reads the shared one only when the copy leaves it nothing to
//! do. It publishes its own index once per batch. So the cache lines of the indices move between the processors as
//! rarely as possible.

use std::sync::atomic::Ordering;

use crate::memory::{Memory, Word};

/// The largest number of frames between two publications: enough to hide the transfer of a cache line to the other
/// processor, and few enough for both sides to work at the same time.
const BATCH: usize = 32;

/// The side that writes frames into slots.
#[derive(Debug)]
pub(crate) struct Producer {
    memory: Memory,
    side: Side,
}

/// The side that reads frames from slots.
#[derive(Debug)]
pub(crate) struct Consumer {
    memory: Memory,
    side: Side,
}

/// The position of one side.
#[derive(Debug, Default)]
struct Side {
    /// Frames that this side has finished, since the start.
    own: u64,
    /// The slot of the next frame.
    slot: usize,
    /// The other side's index, as this side last read it.
    others: u64,
}

impl Side {
    fn step(&mut self, depth: usize) {
        self.own += 1;
        self.slot = if self.slot + 1 == depth { 0 } else { self.slot + 1 };
    }
}

impl Producer {
    pub(crate) fn new(memory: Memory) -> Self {
        Self { memory, side: Side::default() }
    }

    /// Writes up to a batch of `frame`, each with its sequence number in the first bytes, as long as slots are free.
    /// Returns how many were written, which may be none.
    #[inline]
    pub(crate) fn batch(&mut self, frame: &mut [u8]) -> usize {
        let (depth, side) = (self.memory.depth(), &mut self.side);
        if side.own - side.others == depth as u64 {
            // Pairs with the Release of Tail in `Consumer::batch`.
            side.others = self.memory.word(Word::Tail).load(Ordering::Acquire);
        }
        // At most `depth` frames are in the ring: the cast is exact.
        let free = depth - (side.own - side.others) as usize;
        let count = free.min(BATCH);
        for _ in 0..count {
            number(frame, side.own);
            self.memory.write(side.slot, frame);
            side.step(depth);
        }
        if count > 0 {
            // Release: the consumer that loads this Head with Acquire also sees the frames before it.
            self.memory.word(Word::Head).store(side.own, Ordering::Release);
        }
        count
    }

    /// Publishes that no frame follows.
    pub(crate) fn end(&self) {
        self.memory.word(Word::End).store(self.side.own + 1, Ordering::Release);
    }
}

impl Consumer {
    pub(crate) fn new(memory: Memory) -> Self {
        Self { memory, side: Side::default() }
    }

    /// Copies up to a batch of frames out, one after the other into `frame`, and checks the sequence number of each.
    /// Returns how many there were, which may be none, or the number of a frame that is wrong.
    #[inline]
    pub(crate) fn batch(&mut self, frame: &mut [u8]) -> Result<usize, u64> {
        let (depth, side) = (self.memory.depth(), &mut self.side);
        if side.own == side.others {
            // Pairs with the Release of Head in `Producer::batch`.
            side.others = self.memory.word(Word::Head).load(Ordering::Acquire);
        }
        let count = ((side.others - side.own) as usize).min(BATCH);
        let mut wrong = None;
        for _ in 0..count {
            self.memory.read(side.slot, frame);
            if !has_number(frame, side.own) {
                wrong = Some(side.own);
            }
            side.step(depth);
        }
        if count > 0 {
            // Release: the producer that loads this Tail with Acquire may overwrite the slots, which have been copied.
            self.memory.word(Word::Tail).store(side.own, Ordering::Release);
        }
        wrong.map_or(Ok(count), Err)
    }

    /// Whether the producer has ended and all its frames have been consumed.
    pub(crate) fn ended(&self) -> bool {
        self.memory.word(Word::End).load(Ordering::Acquire) == self.side.own + 1
    }

    /// Frames received.
    pub(crate) fn received(&self) -> u64 {
        self.side.own
    }
}

#[inline]
fn number(frame: &mut [u8], number: u64) {
    if let Some(first) = frame.first_chunk_mut() {
        *first = number.to_le_bytes();
    }
}

#[inline]
fn has_number(frame: &[u8], number: u64) -> bool {
    frame.first_chunk() == Some(&number.to_le_bytes())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]
mod tests {
    use std::os::fd::AsRawFd;

    use super::*;

    /// Both sides of a ring, as two processes would have them.
    fn ring(depth: usize, size: usize) -> (Producer, Consumer) {
        let (theirs, file) = Memory::create(depth, size).unwrap();
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let ours = Memory::open(path.as_ref(), depth, size).unwrap();
        (Producer::new(ours), Consumer::new(theirs))
    }

    #[test]
    fn a_full_ring_accepts_nothing_and_an_empty_one_returns_nothing() {
        for depth in [1, 3, 32, 33, 100] {
            let (mut producer, mut consumer) = ring(depth, 64);
            let (mut frame, mut got) = (vec![7; 64], vec![0; 64]);
            assert_eq!(consumer.batch(&mut got), Ok(0), "{depth}");
            for _ in 0..3 {
                let mut sent = 0;
                while sent < depth {
                    sent += producer.batch(&mut frame);
                }
                assert_eq!((sent, producer.batch(&mut frame)), (depth, 0), "{depth}");
                let mut received = 0;
                while received < depth {
                    received += consumer.batch(&mut got).unwrap();
                }
                assert_eq!((received, consumer.batch(&mut got)), (depth, Ok(0)), "{depth}");
                assert_eq!(got, frame, "the last frame of a round is copied whole");
            }
        }
    }

    #[test]
    fn two_threads_lose_and_reorder_nothing() {
        const FRAMES: usize = 200_000;
        let (mut producer, mut consumer) = ring(7, 200);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let (mut frame, mut sent) = (vec![1; 200], 0);
                while sent < FRAMES {
                    match producer.batch(&mut frame) {
                        0 => std::thread::yield_now(),
                        count => sent += count,
                    }
                }
                producer.end();
            });
            let mut frame = vec![0; 200];
            while !consumer.ended() {
                if consumer.batch(&mut frame).unwrap() == 0 {
                    std::thread::yield_now();
                }
            }
        });
        assert!(consumer.received() >= FRAMES as u64);
        assert_eq!(consumer.batch(&mut [0; 200]), Ok(0));
    }

    #[test]
    fn a_frame_out_of_sequence_is_detected() {
        let (mut producer, mut consumer) = ring(8, 64);
        producer.batch(&mut [0; 64]);
        producer.memory.write(5, &[0xff; 64]);
        assert_eq!(consumer.batch(&mut [0; 64]), Err(5));
    }
}
