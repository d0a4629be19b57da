//! Handing over shared memory, valid or not.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::{RawRing, size_of_ring};
use crate::control::MEMORY_RECORD;
use crate::depth::Depth;
use crate::ring::shm::SharedMemory;

/// A record, and the descriptors that are sent with it.
#[derive(Debug)]
pub struct Parcel {
    record: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Parcel {
    /// A valid ring of `depth` slots for session `generation`.
    pub fn honest(depth: u32, generation: u64) -> Self {
        let (_, file) = SharedMemory::create(Depth::new(depth).unwrap(), generation).unwrap();
        Self::of(vec![file])
    }

    /// The right record with any descriptors.
    pub fn of(descriptors: Vec<OwnedFd>) -> Self {
        Self { record: MEMORY_RECORD.to_vec(), descriptors }
    }

    /// The same descriptors with another record.
    pub fn labelled(self, record: &[u8]) -> Self {
        Self { record: record.to_vec(), ..self }
    }

    /// Memory of `len` zero bytes, with `seals`.
    pub fn memory(len: u64, seals: SealFlags) -> Self {
        let file = memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        ftruncate(&file, len).unwrap();
        fcntl_add_seals(&file, seals).unwrap();
        Self::of(vec![file])
    }

    /// A sealed ring that is one byte too short.
    pub fn truncated(depth: u32) -> Self {
        Self::memory(size_of_ring(depth) - 1, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
    }

    /// A ring without seals, which its maker could still truncate.
    pub fn unsealed(depth: u32) -> Self {
        Self::memory(size_of_ring(depth), SealFlags::empty())
    }

    /// `count` descriptors of a ring at once.
    pub fn several(count: usize, depth: u32, generation: u64) -> Self {
        let one = Self::honest(depth, generation).descriptors.remove(0);
        Self::of((0..count).map(|_| one.try_clone().unwrap()).collect())
    }

    /// Sends it.
    pub fn send(&self, stream: BorrowedFd<'_>) {
        let descriptors: Vec<_> = self.descriptors.iter().map(AsFd::as_fd).collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(32))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        sendmsg(stream, &[IoSlice::new(&self.record)], &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    /// The only descriptor.
    pub fn into_file(mut self) -> OwnedFd {
        assert_eq!(self.descriptors.len(), 1);
        self.descriptors.remove(0)
    }

    /// The ring in the only descriptor.
    pub fn into_ring(self, depth: u32) -> RawRing {
        RawRing::new(self.into_file(), depth)
    }
}
