//! One end of a ring in shared memory, with a peer that writes anything into that memory.
//!
//! The input is a script: each step is an action of the peer or of the end, and takes its operands from the bytes that
//! follow. For every script, the end stays within the bounds of the ring, and once it has closed it stays closed.

use std::os::unix::net::UnixStream;
use std::rc::Rc;

use shared::exec::{Announced, Clock, Source, Wait};
use shared::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, MAX_FRAME, Producer, Status};
use shared::testing::{FRAMES, RECORD, RawRing};
use shared::units::Nanos;

/// Slots of the ring, chosen by the first byte: few, so that the ring is often full.
const DEPTHS: [u32; 4] = [1, 2, 3, 8];

/// Runs the script against one end.
pub(crate) fn target(data: &[u8]) {
    let Some((&how, script)) = data.split_first() else { return };
    let depth = Depth::new(DEPTHS[usize::from(how >> 1) % DEPTHS.len()]).unwrap_or_else(|error| panic!("{error}"));
    let Ok((ours, theirs)) = UnixStream::pair() else { return };
    // Out of memory or descriptors is not a failure of the code under test.
    let Ok((memory, file)) = SharedMemory::create(depth, 1) else { return };
    let peer = RawRing::new(file, depth.get());
    match how & 1 {
        0 => ShmConsumer::new(ours.into(), memory).map(|end| consume(&end, &peer, depth, Script(script))),
        _ => ShmProducer::new(ours.into(), memory).map(|end| produce(end, &peer, depth, Script(script))),
    }
    .unwrap_or_else(|error| panic!("{error}"));
    drop(theirs);
}

/// The rest of the input.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A count: a small one, or one near a power of two.
    fn word(&mut self) -> Option<u64> {
        let byte = self.byte()?;
        let near = u64::from(byte & 15);
        Some(match byte >> 4 {
            0..=9 => u64::from(byte),
            10 => (1 << 31) + near - 8,
            11 => (1 << 32) + near - 8,
            12 => (1u64 << 63).wrapping_add(near) - 8,
            13 => near.wrapping_sub(16),
            14 => 1500 + near,
            _ => self.0.first_chunk().map_or(near, |bytes| u64::from_le_bytes(*bytes)),
        })
    }

    /// Writes a value somewhere into the memory, as the peer.
    fn scribble(&mut self, peer: &RawRing) -> Option<()> {
        let (step, value) = (self.byte()?, self.word()?);
        let slot = u32::from(step >> 3) % peer.depth();
        match step & 7 {
            // Frames published, completed, both events, the plan.
            which @ 1..=5 => peer.word(u64::from(which) * 128, value),
            6 => peer.word(peer.completion_at(slot) + u64::from(step >> 6) * 8, value),
            7 => peer.word(FRAMES + u64::from(slot) * RECORD + u64::from(step >> 6) * 8, value),
            _ => peer.frames(slot, value as u32 & 0xfff, (value >> 32) as u32 & 7),
        }
        Some(())
    }
}

fn consume(end: &ShmConsumer, peer: &RawRing, depth: Depth, mut script: Script<'_>) {
    let (mut taken, mut completed) = (0u64, 0u64);
    let mut buffer = [0; MAX_FRAME];
    while let Some(step) = script.byte() {
        let closed = end.connection().is_closed();
        match step % 6 {
            0 | 1 => drop(script.scribble(peer)),
            2 => drop(end.connection().exchange()),
            3 => {
                if let Some((frame, bytes)) = end.take(Some(&mut buffer)) {
                    assert!((1..=MAX_FRAME).contains(&bytes.len()));
                    assert_eq!(bytes.len(), frame.len as usize);
                    taken += 1;
                }
            }
            4 if completed < taken => {
                let frames = u64::from(1 + step / 6 % 3).min(taken - completed);
                let first = Completion {
                    position: completed,
                    status: Status::Sent,
                    taken: Nanos(completed),
                    at: Nanos(completed),
                };
                end.complete_group(first, frames as u32);
                completed += frames;
            }
            _ => {
                assert!(end.batch_limit(5) <= 5);
                drop(Announced::new(&[Rc::clone(end.connection()) as _], Wait::Sleep));
            }
        }
        assert!(taken - completed + u64::from(end.waiting()) <= u64::from(depth.get()), "more than the ring holds");
        assert!(end.connection().is_closed() || !closed, "closed is closed");
    }
}

fn produce(end: ShmProducer, peer: &RawRing, depth: Depth, mut script: Script<'_>) {
    let ring = Producer::new(end, depth, Clock::default());
    while let Some(step) = script.byte() {
        let (closed, before) = (ring.connection().is_closed(), ring.stats());
        match step % 6 {
            0 | 1 => drop(script.scribble(peer)),
            2 => drop(ring.connection().exchange()),
            3 => drop(ring.try_reserve().map(|permit| permit.submit(Descriptor::default(), &[1; 42], &[2]))),
            4 if step / 6 % 2 == 0 => drop(ring.next_completion()),
            4 => drop(ring.take_completions(|_, frames| assert!((1..=u64::from(depth.get())).contains(&frames)))),
            _ => {
                drop(Announced::new(&[Rc::clone(ring.connection()) as _], Wait::Sleep));
            }
        }
        let after = ring.stats();
        assert!(ring.outstanding() <= depth.get(), "more than the ring holds");
        assert!(after.completed <= after.submitted && after.completed >= before.completed);
        assert!(ring.connection().is_closed() || !closed, "closed is closed");
    }
}
