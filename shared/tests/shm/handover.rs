//! The memory on its way: what is handed over, and what is not believed to be a ring.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use shared::ring::shm::{HandoverError, MemoryError, hand_over, receive};
use shared::wire::MEMORY_RECORD;

use super::*;

/// The size of a ring of 4 slots.
const FOUR: u64 = 1152 + 4 * STRIDE;

fn memory(len: u64, seals: SealFlags) -> OwnedFd {
    let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
    ftruncate(&file, len).unwrap();
    fcntl_add_seals(&file, seals).unwrap();
    file
}

fn sealed(len: u64) -> OwnedFd {
    memory(len, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
}

fn open(file: OwnedFd) -> MemoryError {
    SharedMemory::open(file, depth(4), GENERATION).unwrap_err()
}

fn send(stream: &UnixStream, record: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    sendmsg(stream, &[IoSlice::new(record)], &mut control, SendFlags::empty()).unwrap();
}

#[test]
fn a_ring_that_was_handed_over_is_the_same_ring() {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let (made, file) = SharedMemory::create(depth(4), GENERATION).unwrap();
    hand_over(&ours, &file).unwrap();
    let file = receive(&theirs).unwrap().unwrap();
    let opened = SharedMemory::open(file, depth(4), GENERATION).unwrap();
    let producer = ShmProducer::new(theirs.into(), opened).unwrap();
    let consumer = ShmConsumer::new(ours.into(), made).unwrap();
    submit(&producer, 0);
    producer.exchange();
    assert!(consumer.exchange());
}

#[test]
fn anything_but_one_descriptor_with_its_record_is_refused() {
    let file = any_file();
    let one = file.as_fd();
    for count in [0, 2, 3, 20] {
        let (ours, theirs) = UnixStream::pair().unwrap();
        send(&ours, &MEMORY_RECORD, &vec![one; count]);
        assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Count(_))), "{count}");
    }
    let (ours, theirs) = UnixStream::pair().unwrap();
    send(&ours, b"GET / HT", &[one]);
    assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Record(_))));
    let (ours, theirs) = UnixStream::pair().unwrap();
    send(&ours, &MEMORY_RECORD[..3], &[one]);
    assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Record(_))), "cut");
    drop(ours);
    assert!(matches!(receive(&theirs).unwrap(), Err(HandoverError::Closed)));
}

#[test]
fn nothing_yet_is_no_failure() {
    let (_ours, theirs) = UnixStream::pair().unwrap();
    assert_eq!(receive(&theirs).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn what_is_no_memory_file_is_refused() {
    let (pipe, _other) = rustix::pipe::pipe().unwrap();
    let event = eventfd(0, EventfdFlags::empty()).unwrap();
    let socket = OwnedFd::from(UnixStream::pair().unwrap().0);
    let null = OwnedFd::from(File::open("/dev/null").unwrap());
    for wrong in [pipe, event, socket, null] {
        assert!(matches!(open(wrong), MemoryError::NotMemory(_)));
    }
}

#[test]
fn memory_that_could_be_taken_away_again_is_refused() {
    let all = [SealFlags::SHRINK, SealFlags::GROW, SealFlags::SEAL];
    assert!(matches!(open(memory(FOUR, SealFlags::empty())), MemoryError::Unsealed));
    for missing in 0..3 {
        let seals = all.iter().enumerate().filter(|(at, _)| *at != missing).map(|(_, seal)| *seal).collect();
        assert!(matches!(open(memory(FOUR, seals)), MemoryError::Unsealed), "{missing}");
    }
}

#[test]
fn memory_of_another_size_is_refused() {
    for len in [0, 1, FOUR - 1, FOUR + 1, 1 << 40] {
        assert!(matches!(open(sealed(len)), MemoryError::Size { got, expected: FOUR } if got == len), "{len}");
    }
}

#[test]
fn memory_that_cannot_be_written_is_refused() {
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
    assert!(matches!(open(memory(FOUR, seals)), MemoryError::Map(_)));
}

#[test]
fn memory_of_another_session_or_of_none_is_refused() {
    assert!(matches!(open(sealed(FOUR)), MemoryError::Stale { what: "magic", .. }));
    let (_, file) = SharedMemory::create(depth(4), GENERATION - 1).unwrap();
    assert!(matches!(open(file), MemoryError::Stale { what: "generation", got: 6, expected: 7 }));
}
