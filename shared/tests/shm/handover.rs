//! Handing over the shared memory, and refusing what is not a valid ring.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::SealFlags;
use shared::control::MEMORY_RECORD;
use shared::ring::shm::{HandoverError, MemoryError, hand_over, receive};
use shared::testing::{Parcel, size_of_ring};

use super::*;

/// The size of a ring of 4 slots.
const FOUR: u64 = 1536 + 4 * 1536;

fn memory(len: u64, seals: SealFlags) -> OwnedFd {
    Parcel::memory(len, seals).into_file()
}

fn sealed(len: u64) -> OwnedFd {
    memory(len, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
}

fn open(file: OwnedFd) -> MemoryError {
    SharedMemory::open(file, depth(4), GENERATION).unwrap_err()
}

fn sent(parcel: &Parcel) -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    parcel.send(ours.as_fd());
    (ours, theirs)
}

#[test]
fn both_sides_of_a_handover_have_the_same_ring() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (made, file) = SharedMemory::create(depth(4), GENERATION).unwrap();
    hand_over(&ours, &file).unwrap();
    let file = receive(&theirs).unwrap().unwrap();
    let opened = SharedMemory::open(file, depth(4), GENERATION).unwrap();
    let producer = ShmProducer::new(theirs.into(), opened).unwrap();
    let consumer = ShmConsumer::new(ours.into(), made).unwrap();
    submit(&producer, 0);
    producer.connection().exchange();
    assert!(consumer.connection().exchange());
}

#[test]
fn anything_but_one_descriptor_with_its_record_is_refused() {
    for count in [0, 2, 3, 20] {
        let (_ours, theirs) = sent(&Parcel::several(count, 4, GENERATION));
        assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Count(_))), "{count}");
    }
    let (_ours, theirs) = sent(&Parcel::honest(4, GENERATION).labelled(b"GET / HT"));
    assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Record(_))));
    let (ours, theirs) = sent(&Parcel::honest(4, GENERATION).labelled(&MEMORY_RECORD[..3]));
    assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Record(_))), "cut");
    drop(ours);
    assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Closed)));
}

#[test]
fn receiving_before_anything_was_sent_would_block() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    assert_eq!(receive(&theirs).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_descriptor_that_is_not_a_memfd_is_refused() {
    let (pipe, _other) = rustix::pipe::pipe().unwrap();
    let event = eventfd(0, EventfdFlags::empty()).unwrap();
    let socket = OwnedFd::from(UnixStream::pair().unwrap().0);
    let null = OwnedFd::from(File::open("/dev/null").unwrap());
    for wrong in [pipe, event, socket, null] {
        assert!(matches!(open(wrong), MemoryError::NotMemory(_)));
    }
}

#[test]
fn memory_without_all_seals_is_refused() {
    let all = [SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL];
    assert!(matches!(open(memory(FOUR, SealFlags::empty())), MemoryError::Unsealed));
    for missing in 0..3 {
        let seals = all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, seal)| *seal).collect();
        assert!(matches!(open(memory(FOUR, seals)), MemoryError::Unsealed), "{missing}");
    }
}

#[test]
fn memory_of_another_size_is_refused() {
    assert_eq!(size_of_ring(4), FOUR);
    for len in [0, 1, FOUR - 1, FOUR + 1, 1 << 40] {
        assert!(matches!(open(sealed(len)), MemoryError::Size { got, expected: FOUR } if got == len), "{len}");
    }
}

#[test]
fn read_only_memory_is_refused() {
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    assert!(matches!(open(memory(FOUR, seals)), MemoryError::Map(_)));
}

#[test]
fn memory_of_another_session_or_without_a_head_is_refused() {
    assert!(matches!(open(sealed(FOUR)), MemoryError::Stale { what: "magic", .. }));
    let (_, file) = SharedMemory::create(depth(4), GENERATION - 1).unwrap();
    assert!(matches!(open(file), MemoryError::Stale { what: "generation", got: 6, expected: 7 }));
}
