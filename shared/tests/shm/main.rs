//! The shm transport over real memory and real sockets: what crosses, what no peer gets away with,
//! who is woken, and what it costs the kernel.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod handover;
mod hostile;
mod processes;
mod sleep;
mod traffic;

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;

use shared::exec::Source;
use shared::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::{Completion, Depth, Descriptor, MAX_FRAME, ProducerPort, Status};
use shared::units::Nanos;

const GENERATION: u64 = 7;

fn depth(slots: u32) -> Depth {
    Depth::new(slots).unwrap()
}

/// Both ends of one ring, each with a mapping of its own.
fn pair(slots: u32) -> (ShmProducer, ShmConsumer) {
    let (left, right) = UnixStream::pair().unwrap();
    let (ours, file) = SharedMemory::create(depth(slots), GENERATION).unwrap();
    let theirs = SharedMemory::open(file, depth(slots), GENERATION).unwrap();
    (ShmProducer::new(left.into(), theirs).unwrap(), ShmConsumer::new(right.into(), ours).unwrap())
}

/// A peer that writes into the memory and the socket what it likes.
struct Hostile {
    memory: File,
    stream: UnixStream,
    depth: u32,
}

/// Where words lie, said once more: this is what another program would be written from.
const PRODUCED: u64 = 128;
const COMPLETED: u64 = 256;
const PRODUCER_EVENT: u64 = 384;
const CONSUMER_EVENT: u64 = 512;
const CONSUMER_PLAN: u64 = 640;
const HEAD: u64 = 1024;
const STRIDE: u64 = 1664;

impl Hostile {
    fn word(&self, at: u64, value: u64) {
        self.memory.write_all_at(&value.to_ne_bytes(), at).unwrap();
    }

    fn read(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.memory.read_exact_at(&mut bytes, at).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn slot_at(&self, slot: u32) -> u64 {
        (HEAD + u64::from(self.depth) * 8).next_multiple_of(128) + u64::from(slot) * STRIDE
    }

    /// Writes a slot's header that claims `len` bytes.
    fn slot(&self, slot: u32, len: u32) {
        self.memory.write_all_at(&len.to_ne_bytes(), self.slot_at(slot)).unwrap();
    }

    fn completion(&self, slot: u32, status: u64) {
        self.word(HEAD + u64::from(slot) * 8, (99 << 4) | status);
    }

    fn say(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    fn doorbells(&mut self, count: usize) {
        self.say(&[5u8, 0, 0, 0, 0, 0, 0, 0].repeat(count));
    }
}

fn hostile_parts(slots: u32) -> (UnixStream, SharedMemory, Hostile) {
    let (ours, stream) = UnixStream::pair().unwrap();
    let (memory, file) = SharedMemory::create(depth(slots), GENERATION).unwrap();
    (ours, memory, Hostile { memory: File::from(file), stream, depth: slots })
}

fn producer_and_peer(slots: u32) -> (ShmProducer, Hostile) {
    let (ours, memory, peer) = hostile_parts(slots);
    (ShmProducer::new(ours.into(), memory).unwrap(), peer)
}

fn consumer_and_peer(slots: u32) -> (ShmConsumer, Hostile) {
    let (ours, memory, peer) = hostile_parts(slots);
    (ShmConsumer::new(ours.into(), memory).unwrap(), peer)
}

/// A frame that tells from its bytes which one it is; lengths go through all that a slot holds.
fn frame(number: u64) -> Vec<u8> {
    let len = 14 + (number as usize * 37) % (MAX_FRAME - 13);
    (0..len).map(|at| (number as usize * 31 + at) as u8).collect()
}

fn descriptor(number: u64) -> Descriptor {
    Descriptor { len: frame(number).len() as u32, flow: 5, sequence: number, submitted: Nanos(number + 1) }
}

fn submit(producer: &ShmProducer, number: u64) {
    let bytes = frame(number);
    let (headers, payload) = bytes.split_at(bytes.len() / 2);
    producer.submit(0, descriptor(number), headers, payload);
}

fn completion(position: u64) -> Completion {
    Completion { position, status: Status::Sent, at: Nanos(position * 7) }
}

/// Lets an end look at ring and socket for sure.
fn settle(end: &impl Source) {
    for _ in 0..200 {
        end.exchange();
    }
}

fn any_file() -> OwnedFd {
    tempfile::tempfile().unwrap().into()
}
