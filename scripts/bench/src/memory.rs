//! The memory of a bare ring: one word for each index, and slots. It has no header and does not check the peer: both
//! processes belong to the benchmark, and this ring shows the limit of the machine.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{MemfdFlags, memfd_create};
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

/// A cache line in bytes; slots are aligned to it.
const LINE: usize = 64;

/// Where the slots begin: after the words, on the next page.
const SLOTS: usize = 4096;

/// A word that one side writes and the other reads, at this offset. They are 128 bytes apart, because processors fetch
/// cache lines in pairs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Word {
    /// The number of published frames; the producer writes it.
    Head = 0,
    /// The number of consumed frames; the consumer writes it.
    Tail = 128,
    /// 0 until the producer has sent its last frame, then the number of all frames plus 1.
    End = 256,
}

/// A mapping of the ring.
#[derive(Debug)]
pub(crate) struct Memory {
    region: MmapRegion,
    depth: usize,
    stride: usize,
    /// Returned for a word outside the mapping, which does not occur: every mapping is larger than the words.
    nowhere: AtomicU64,
}

impl Memory {
    /// Creates memory for `depth` frames of `size` bytes; also returns the file from which the other process maps it.
    pub(crate) fn create(depth: usize, size: usize) -> io::Result<(Self, File)> {
        let file = File::from(memfd_create("bare-ring", MemfdFlags::CLOEXEC)?);
        file.set_len(length(depth, size) as u64)?;
        Ok((Self::map(file.try_clone()?, depth, size)?, file))
    }

    /// Maps the memory that another process created with the same `depth` and `size`.
    pub(crate) fn open(path: &Path, depth: usize, size: usize) -> io::Result<Self> {
        Self::map(File::options().read(true).write(true).open(path)?, depth, size)
    }

    fn map(file: File, depth: usize, size: usize) -> io::Result<Self> {
        let region = MmapRegion::from_file(FileOffset::new(file, 0), length(depth, size)).map_err(io::Error::other)?;
        let memory = Self { region, depth, stride: stride(size), nowhere: AtomicU64::new(0) };
        memory.touch();
        Ok(memory)
    }

    /// Touches every page, so that no page fault falls into the measurement.
    fn touch(&self) {
        for page in (0..self.region.size()).step_by(4096) {
            if let Ok(word) = self.region.get_atomic_ref::<AtomicU64>(page) {
                word.fetch_add(0, Ordering::Relaxed);
            }
        }
    }

    /// The number of slots.
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
        // SAFETY: `at` gives `stride` bytes of the mapping, which lives as long as `self`, for a slot below `depth`.
        // Both callers keep `slot` below `depth`, and frames have the size that the ring was created for. The consumer
        // reads the bytes only after the producer has published Head with Release.
        unsafe { copy(frame.as_ptr(), self.at(slot), frame.len()) }
    }

    /// Copies the frame in `slot` into `frame`.
    #[inline]
    #[allow(unsafe_code, reason = "what a bare ring costs is a plain copy; a checked one is what it is compared with")]
    pub(crate) fn read(&self, slot: usize, frame: &mut [u8]) {
        debug_assert!(slot < self.depth && frame.len() <= self.stride);
        // SAFETY: as in `write`; the producer writes the slot again only after the consumer has published Tail with
        // Release.
        unsafe { copy(self.at(slot), frame.as_mut_ptr(), frame.len()) }
    }

    #[inline]
    fn at(&self, slot: usize) -> *mut u8 {
        self.region.as_ptr().wrapping_add(SLOTS + slot * self.stride)
    }
}

/// Copies `length` bytes. For a frame of one cache line, the smallest, the compiler emits moves instead of a call.
///
/// # Safety
/// `from` must be readable and `to` writable for `length` bytes, without overlap.
#[inline]
#[allow(unsafe_code, reason = "as for its callers")]
unsafe fn copy(from: *const u8, to: *mut u8, length: usize) {
    if length == LINE {
        // SAFETY: guaranteed by the caller; the length is a constant here.
        unsafe { std::ptr::copy_nonoverlapping(from, to, LINE) }
    } else {
        // SAFETY: guaranteed by the caller.
        unsafe { std::ptr::copy_nonoverlapping(from, to, length) }
    }
}

fn stride(size: usize) -> usize {
    size.next_multiple_of(LINE)
}

fn length(depth: usize, size: usize) -> usize {
    SLOTS + depth * stride(size)
}
