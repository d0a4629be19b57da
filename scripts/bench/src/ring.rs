//! A bare ring for one producer and one consumer: the index logic, and nothing else.
//!
//! Each side keeps the other's index as it last saw it, and looks again only when that leaves it
//! nothing to do; and it publishes its own once for a batch. So the lines of the indices move between
//! the processors as rarely as they can.

use std::sync::atomic::Ordering;

use crate::memory::{Memory, Word};

/// Frames between two publications, at most: enough to hide the way of a line to the other
/// processor, and few enough for both sides to work at once.
const BATCH: usize = 32;

/// The side that fills slots.
#[derive(Debug)]
pub(crate) struct Producer {
    memory: Memory,
    side: Side,
}

/// The side that empties them.
#[derive(Debug)]
pub(crate) struct Consumer {
    memory: Memory,
    side: Side,
}

/// Where one side is.
#[derive(Debug, Default)]
struct Side {
    /// Frames that it has done with, ever.
    own: u64,
    /// The slot of the next.
    slot: usize,
    /// What it last saw of the other's.
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

    /// Sends a batch of `frame`, each with its number in its first bytes; as many as there is room
    /// for, which may be none. Returns how many.
    #[inline]
    pub(crate) fn batch(&mut self, frame: &mut [u8]) -> usize {
        let (depth, side) = (self.memory.depth(), &mut self.side);
        if side.own - side.others == depth as u64 {
            side.others = self.memory.word(Word::Tail).load(Ordering::Acquire);
        }
        let room = depth - (side.own - side.others) as usize;
        let count = room.min(BATCH);
        for _ in 0..count {
            number(frame, side.own);
            self.memory.write(side.slot, frame);
            side.step(depth);
        }
        if count > 0 {
            self.memory.word(Word::Head).store(side.own, Ordering::Release);
        }
        count
    }

    /// Says that nothing follows.
    pub(crate) fn end(&self) {
        self.memory.word(Word::End).store(self.side.own + 1, Ordering::Release);
    }
}

impl Consumer {
    pub(crate) fn new(memory: Memory) -> Self {
        Self { memory, side: Side::default() }
    }

    /// Copies a batch out, one frame after the other into `frame`, and checks the number of each.
    /// Returns how many there were, which may be none, or the number of the one that is wrong.
    #[inline]
    pub(crate) fn batch(&mut self, frame: &mut [u8]) -> Result<usize, u64> {
        let (depth, side) = (self.memory.depth(), &mut self.side);
        if side.own == side.others {
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
            self.memory.word(Word::Tail).store(side.own, Ordering::Release);
        }
        wrong.map_or(Ok(count), Err)
    }

    /// Whether all frames that will ever come have come.
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
    fn a_full_ring_takes_none_and_an_empty_one_gives_none() {
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
    fn a_frame_that_is_not_the_next_is_found() {
        let (mut producer, mut consumer) = ring(8, 64);
        producer.batch(&mut [0; 64]);
        producer.memory.write(5, &[0xff; 64]);
        assert_eq!(consumer.batch(&mut [0; 64]), Err(5));
    }
}
