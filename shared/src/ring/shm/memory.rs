//! The shared memory: made and sealed by one side, checked and mapped by the other.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering, fence};

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals, fstat, fstatfs, memfd_create,
};
use rustix::io::{Errno, retry_on_intr};
use vm_memory::mmap::MmapRegionError;
use vm_memory::{FileOffset, MmapRegion, VolatileMemory};

use super::layout::{DEPTH_AT, GENERATION_AT, LARGE, Layout, MAGIC, MAGIC_AT, RECORD, SLOT_SIZE_AT, SMALL};
use super::record::Record;
use super::{Head, Words};
use crate::cpu::{prefetch, prefetch_for_write};
use crate::depth::Depth;
use crate::limits::{is_met, remedy};

/// With these seals, no process can shrink the memory while another one maps it.
const SEALS: SealFlags = SealFlags::SHRINK.union(SealFlags::GROW).union(SealFlags::SEAL);

/// The file system of a memfd of ordinary pages. A memfd of huge pages has another one, and is refused: a huge page may
/// be missing when it is touched.
const TMPFS: u64 = 0x0102_1994;

/// A ring that lies in memory which both processes see.
#[derive(Debug)]
pub struct SharedMemory {
    region: MmapRegion,
    depth: Depth,
    layout: Layout,
    /// Returned for a word outside the mapping, which does not occur.
    nowhere: AtomicU64,
}

/// What the groups of an array of records consist of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Frames,
    Completions,
}

/// Why this side has no memory for a ring, or refuses the memory that the peer handed over.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The system has no memory or no descriptor for it.
    #[error("no memory for the ring ({0}); {remedy}", remedy = remedy(.0, "lower --depth"))]
    NotGiven(io::Error),
    /// The descriptor is not one of a memory file.
    #[error("the peer handed over a descriptor that is no memory file ({0})")]
    NotMemory(io::Error),
    /// It is not sealed, so the peer could shrink it during the session.
    #[error("the peer handed over memory that is not sealed against shrinking, growing and other seals")]
    Unsealed,
    /// It consists of huge pages, which may be missing when they are touched.
    #[error("the peer handed over memory of huge pages; it must be of ordinary ones")]
    HugePages,
    /// It has not the size of the ring that was agreed upon.
    #[error("the peer handed over {got} B of memory for a ring that takes {expected} B")]
    Size {
        /// The size of the memory.
        got: u64,
        /// The size of the ring.
        expected: u64,
    },
    /// This process has no address space for it.
    #[error("the ring's memory cannot be mapped ({0}); raise the limit with ulimit -v, or lower --depth")]
    NoAddressSpace(MmapRegionError),
    /// It cannot be mapped for reading and writing.
    #[error("the peer handed over memory that cannot be mapped for reading and writing: {0}")]
    Map(MmapRegionError),
    /// Its head is not that of the ring of this session.
    #[error("the peer handed over memory with {what} {got:#x} where {expected:#x} was agreed upon")]
    Stale {
        /// The name of the word in the head.
        what: &'static str,
        /// The value of the word.
        got: u64,
        /// The value that was agreed upon.
        expected: u64,
    },
}

impl MemoryError {
    /// Whether this side lacks something, and the peer did nothing wrong.
    pub fn is_own(&self) -> bool {
        matches!(self, Self::NotGiven(_) | Self::NoAddressSpace(_))
    }
}

impl From<MmapRegionError> for MemoryError {
    fn from(error: MmapRegionError) -> Self {
        match &error {
            MmapRegionError::Mmap(system) if is_met(system) => Self::NoAddressSpace(error),
            _ => Self::Map(error),
        }
    }
}

impl SharedMemory {
    /// Bytes of a ring of `depth` slots.
    pub fn size(depth: Depth) -> usize {
        Layout::of(depth).total
    }

    /// Makes an empty ring of `depth` slots for session `generation`, and the descriptor to hand
    /// over. All of its memory is committed here: a page that is missing later would kill the process that touches it.
    ///
    /// # Errors
    /// If the system has no memory or descriptors left.
    pub fn create(depth: Depth, generation: u64) -> Result<(Self, OwnedFd), MemoryError> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let system = |error: Errno| MemoryError::NotGiven(error.into());
        let file = memfd_create("pushback-ring", flags).map_err(system)?;
        // Sets the size, and reserves the memory, which `ftruncate` does not.
        let size = Layout::of(depth).total as u64;
        retry_on_intr(|| fallocate(&file, FallocateFlags::empty(), 0, size)).map_err(system)?;
        fcntl_add_seals(&file, SEALS).map_err(system)?;
        let memory = Self::map(file.try_clone().map_err(MemoryError::NotGiven)?, depth)?;
        for (at, value) in head(depth, generation) {
            memory.word_at(at).store(value, Ordering::Relaxed);
        }
        Ok((memory, file))
    }

    /// Maps memory that a peer made for session `generation`, after checking its kind, its seals, its size and its
    /// head.
    ///
    /// # Errors
    /// [`MemoryError`] if a check fails, or if it cannot be mapped.
    pub fn open(file: OwnedFd, depth: Depth, generation: u64) -> Result<Self, MemoryError> {
        let seals = fcntl_get_seals(&file).map_err(|error| MemoryError::NotMemory(error.into()))?;
        if !seals.contains(SEALS) {
            return Err(MemoryError::Unsealed);
        }
        let system = |error: Errno| MemoryError::NotMemory(error.into());
        if fstatfs(&file).map_err(system)?.f_type as u64 != TMPFS {
            return Err(MemoryError::HugePages);
        }
        let (got, expected) = (fstat(file.as_fd()).map_err(system)?.st_size as u64, Layout::of(depth).total as u64);
        if got != expected {
            return Err(MemoryError::Size { got, expected });
        }
        let memory = Self::map(file, depth)?;
        for ((at, expected), what) in
            head(depth, generation).into_iter().zip(["magic", "generation", "depth", "slot size"])
        {
            let got = memory.word_at(at).load(Ordering::Relaxed);
            if got != expected {
                return Err(MemoryError::Stale { what, got, expected });
            }
        }
        Ok(memory)
    }

    fn map(file: OwnedFd, depth: Depth) -> Result<Self, MemoryError> {
        let layout = Layout::of(depth);
        let region = MmapRegion::from_file(FileOffset::new(File::from(file), 0), layout.total)?;
        Ok(Self { region, depth, layout, nowhere: AtomicU64::new(0) })
    }

    /// How many slots there are: a private copy, because the peer can change the depth in shared memory.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// The word at `at`, which is inside the mapping and aligned.
    fn word_at(&self, at: usize) -> &AtomicU64 {
        self.region.get_atomic_ref(at).unwrap_or(&self.nowhere)
    }

    /// Writes the record at `place`, one of as many places as slots.
    #[inline(always)]
    pub(super) fn write_record(&self, kind: Kind, place: u32, record: Record) {
        if let Ok(words) = self.region.get_ref(self.record_at(kind, place)) {
            words.store(record);
        }
    }

    /// A private copy of the record at `place`.
    #[inline(always)]
    pub(super) fn read_record(&self, kind: Kind, place: u32) -> Record {
        self.region.get_ref(self.record_at(kind, place)).map_or(Record::default(), |words| words.load())
    }

    #[inline(always)]
    fn record_at(&self, kind: Kind, place: u32) -> usize {
        let start = match kind {
            Kind::Frames => self.layout.frames,
            Kind::Completions => self.layout.completions,
        };
        start + place as usize * RECORD
    }

    /// Where the frame of `slot` lies, if it has `len` bytes.
    #[inline(always)]
    fn frame_at(&self, slot: u32, len: usize) -> usize {
        let Layout { small, large, .. } = self.layout;
        let slot = slot as usize;
        if len <= SMALL { small + slot * SMALL } else { large + slot * LARGE }
    }

    /// Writes a frame that consists of `headers` and `payload` into `slot`.
    #[inline(always)]
    pub(super) fn write_parts(&self, slot: u32, headers: &[u8], payload: &[u8]) {
        let at = self.frame_at(slot, headers.len() + payload.len());
        self.write(at, headers);
        self.write(at + headers.len(), payload);
    }

    /// Writes `frame` into `slot`.
    #[inline(always)]
    pub(super) fn write_frame(&self, slot: u32, frame: &[u8]) {
        let at = self.frame_at(slot, frame.len());
        // A copy of a constant length needs no call of memcpy.
        match frame.as_array::<SMALL>() {
            Some(line) => {
                let mut words = Line::default();
                words.iter_mut().zip(line.as_chunks().0).for_each(|(word, bytes)| *word = u64::from_ne_bytes(*bytes));
                if let Ok(place) = self.region.get_ref::<Line>(at) {
                    place.store(words);
                }
            }
            None => self.write(at, frame),
        }
    }

    #[inline(always)]
    fn write(&self, at: usize, bytes: &[u8]) {
        if !bytes.is_empty()
            && let Ok(slice) = self.region.get_slice(at, bytes.len())
        {
            slice.copy_from(bytes);
        }
    }

    /// Copies the frame of `len` bytes in `slot` into `buffer`, as much as it holds.
    #[inline(always)]
    pub(super) fn read_frame(&self, slot: u32, len: usize, buffer: &mut [u8]) {
        let at = self.frame_at(slot, len);
        if len == SMALL
            && let Some(line) = buffer.first_chunk_mut::<SMALL>()
            && let Ok(place) = self.region.get_ref::<Line>(at)
        {
            line.as_chunks_mut().0.iter_mut().zip(place.load()).for_each(|(bytes, word)| *bytes = word.to_ne_bytes());
        } else if let Ok(slice) = self.region.get_slice(at, len.min(buffer.len())) {
            slice.copy_to(buffer);
        }
    }

    /// Prefetches the cache lines that a frame of `len` bytes in `slot` occupies, unless it is small: those lie side by
    /// side, and processors find them by themselves.
    #[inline(always)]
    pub(super) fn prefetch_large(&self, slot: u32, len: usize) {
        if len > SMALL
            && let Ok(slice) = self.region.get_slice(self.frame_at(slot, len), len)
        {
            prefetch(slice.ptr_guard().as_ptr(), slice.len());
        }
    }

    /// Prefetches the cache lines of `slot` to which a frame of `len` bytes will be written.
    #[inline(always)]
    pub(super) fn prefetch_for_write(&self, slot: u32, len: usize) {
        if let Ok(slice) = self.region.get_slice(self.frame_at(slot, len), len) {
            prefetch_for_write(slice.ptr_guard().as_ptr(), slice.len());
        }
    }
}

/// The words of a small frame.
type Line = [u64; SMALL / 8];

/// The words that identify the ring, each with its offset in the memory.
fn head(depth: Depth, generation: u64) -> [(usize, u64); 4] {
    [
        (MAGIC_AT, MAGIC),
        (GENERATION_AT, generation),
        (DEPTH_AT, u64::from(depth.get())),
        (SLOT_SIZE_AT, (SMALL + LARGE) as u64),
    ]
}

impl Words for SharedMemory {
    type Word = AtomicU64;

    fn word(&self, which: Head) -> &AtomicU64 {
        self.word_at(which.offset())
    }

    fn fence(&self) {
        fence(Ordering::SeqCst);
    }
}
