//! The shm transport over real memory and real sockets: violations by the peer, sleep and wake-ups, system
//! calls.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod handover;
mod hostile;
mod processes;
mod sleep;
mod watchdog;

use std::os::unix::net::UnixStream;
use std::rc::Rc;

use shared::connection::Connection;
use shared::exec::{Announced, Source, Wait};
use shared::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::{Completion, ConsumerPort, Depth, Descriptor, Frame, MAX_FRAME, ProducerPort, Status};
use shared::testing::{Peer, RawRing, Wire};
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

fn hostile_parts(slots: u32) -> (UnixStream, SharedMemory, Peer) {
    let (ours, stream) = UnixStream::pair().unwrap();
    let (memory, file) = SharedMemory::create(depth(slots), GENERATION).unwrap();
    (ours, memory, Peer { ring: RawRing::new(file, slots), wire: Wire::new(stream) })
}

fn producer_and_peer(slots: u32) -> (ShmProducer, Peer) {
    let (ours, memory, peer) = hostile_parts(slots);
    (ShmProducer::new(ours.into(), memory).unwrap(), peer)
}

fn consumer_and_peer(slots: u32) -> (ShmConsumer, Peer) {
    let (ours, memory, peer) = hostile_parts(slots);
    (ShmConsumer::new(ours.into(), memory).unwrap(), peer)
}

/// A frame whose length and bytes depend on its number; the lengths cover all that a slot holds.
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
    producer.submit(Frame { descriptor: descriptor(number), headers, payload });
}

fn completion(position: u64) -> Completion {
    Completion { position, status: Status::Sent, taken: Nanos(position * 5), at: Nanos(position * 7) }
}

/// Calls `exchange` often enough that the connection has read the socket as well as the rings.
fn settle(connection: &Connection) {
    for _ in 0..200 {
        connection.exchange();
    }
}

/// Announces that this side waits, as its park does. `None` if something arrived already. Leaks the connection.
fn announce(connection: &Rc<Connection>, wait: Wait) -> Option<Announced<'static>> {
    Announced::new(Box::leak(Box::new([Rc::clone(connection) as _])), wait)
}

/// Announces that this side sleeps.
fn fall_asleep(connection: &Rc<Connection>) -> Option<Announced<'static>> {
    announce(connection, Wait::Sleep)
}
