//! The memory of a bare ring: one word for each side, and slots. No header, no check of the peer:
//! both processes are ours, and this stands for what the machine can do at best.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, memfd_create};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

/// A cache line, and what slots are aligned to.
const LINE: usize = 64;

/// Where the slots begin: behind the words, on a page of their own.
const SLOTS: usize = 4096;

/// A word that one side writes and the other reads. Two lines lie between any two, because
/// processors fetch lines in pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    /// Frames published, written by the producer.
    Head = 0,
    /// Frames taken, written by the consumer.
    Tail = 128,
    /// One more than the number of all frames, once the producer has sent its last; 0 before that.
    End = 256,
}

/// A mapping of the ring.
#[derive(Debug)]
pub(crate) struct Memory {
    region: MmapRegion,
    depth: usize,
    stride: usize,
    /// Stands in for a word outside of the mapping, of which there is none.
    nowhere: AtomicU64,
}

impl Memory {
    /// New memory for `depth` frames of `size` bytes, and the file that others map it from.
    pub(crate) fn create(depth: usize, size: usize) -> io::Result<(Self, File)> {
        let file = File::from(memfd_create("bare-ring", MemfdFlags::CLOEXEC)?);
        file.set_len(length(depth, size) as u64)?;
        Ok((Self::map(file.try_clone()?, depth, size)?, file))
    }

    /// Maps what another process created, with the same `depth` and `size`.
    pub(crate) fn open(path: &Path, depth: usize, size: usize) -> io::Result<Self> {
        Self::map(File::options().read(true).write(true).open(path)?, depth, size)
    }

    fn map(file: File, depth: usize, size: usize) -> io::Result<Self> {
        let region = MmapRegion::from_file(FileOffset::new(file, 0), length(depth, size)).map_err(io::Error::other)?;
        let memory = Self { region, depth, stride: stride(size), nowhere: AtomicU64::new(0) };
        memory.touch();
        Ok(memory)
    }

    /// Every page is there before anything is measured.
    fn touch(&self) {
        for page in (0..self.region.size()).step_by(4096) {
            if let Ok(word) = self.region.get_atomic_ref::<AtomicU64>(page) {
                word.fetch_add(0, Ordering::Relaxed);
            }
        }
    }

    /// How many slots there are.
    pub(crate) fn depth(&self) -> usize {
        self.depth
    }

    /// One of the words.
    pub(crate) fn word(&self, word: Word) -> &AtomicU64 {
        self.region.get_atomic_ref(word as usize).unwrap_or(&self.nowhere)
    }

    /// Copies `frame` into `slot`.
    #[inline]
    #[allow(unsafe_code, reason = "what a bare ring costs is a plain copy; a checked one is what it is compared with")]
    pub(crate) fn write(&self, slot: usize, frame: &[u8]) {
        debug_assert!(slot < self.depth && frame.len() <= self.stride);
        // SAFETY: `at` gives `stride` bytes of the mapping, which lives as long as `self`, for a slot
        // below `depth`; both callers count within it, and frames are as long as the ring was made
        // for. The consumer reads them only after Head was published behind them, with Release.
        unsafe { copy(frame.as_ptr(), self.at(slot), frame.len()) }
    }

    /// Copies the frame in `slot` into `frame`.
    #[inline]
    #[allow(unsafe_code, reason = "what a bare ring costs is a plain copy; a checked one is what it is compared with")]
    pub(crate) fn read(&self, slot: usize, frame: &mut [u8]) {
        debug_assert!(slot < self.depth && frame.len() <= self.stride);
        // SAFETY: as for `write`; the producer does not write the slot again before Tail was
        // published behind this, with Release.
        unsafe { copy(self.at(slot), frame.as_mut_ptr(), frame.len()) }
    }

    #[inline]
    fn at(&self, slot: usize) -> *mut u8 {
        self.region.as_ptr().wrapping_add(SLOTS + slot * self.stride)
    }
}

/// Copies `length` bytes. Frames of one line, the smallest there are, need no call for it.
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes, without overlap.
#[inline]
#[allow(unsafe_code, reason = "as for its callers")]
unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    if length == LINE {
        // SAFETY: the caller's promise, for a length that the compiler knows.
        unsafe { std::ptr::copy_nonoverlapping(from, to, LINE) }
    } else {
        // SAFETY: the caller's promise.
        unsafe { std::ptr::copy_nonoverlapping(from, to, length) }
    }
}

fn stride(size: usize) -> usize {
    size.next_multiple_of(LINE)
}

fn length(depth: usize, size: usize) -> usize {
    SLOTS + depth * stride(size)
}
