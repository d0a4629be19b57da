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

use super::layout::{BACK, DEPTH_AT, FRONT, GENERATION_AT, Layout, MAGIC, MAGIC_AT, RECORD, SLOT_SIZE_AT};
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

    #[inline(always)]
    fn front_at(&self, slot: u32) -> usize {
        self.layout.fronts + slot as usize * FRONT
    }

    #[inline(always)]
    fn back_at(&self, slot: u32) -> usize {
        self.layout.backs + slot as usize * BACK
    }

    /// Writes `bytes` into the frame of `slot`, `behind` bytes behind its start. They must end within a frame.
    #[inline(always)]
    pub(super) fn write_frame(&self, slot: u32, behind: usize, bytes: &[u8]) {
        let (front, back) = bytes.split_at(FRONT.saturating_sub(behind).min(bytes.len()));
        match front.as_array::<FRONT>() {
            Some(whole) => self.write_front(slot, whole),
            None => self.write(self.front_at(slot) + behind, front),
        }
        self.write(self.back_at(slot) + (behind + front.len()).saturating_sub(FRONT), back);
    }

    /// Writes the whole front of a frame. A copy of a constant length needs no call of memcpy.
    #[inline(always)]
    fn write_front(&self, slot: u32, front: &[u8; FRONT]) {
        let mut words = [0; FRONT / 8];
        words.iter_mut().zip(front.as_chunks().0).for_each(|(word, bytes)| *word = u64::from_ne_bytes(*bytes));
        if let Ok(place) = self.region.get_ref::<[u64; FRONT / 8]>(self.front_at(slot)) {
            place.store(words);
        }
    }

    /// Reads the whole front of a frame.
    #[inline(always)]
    fn read_front(&self, slot: u32, front: &mut [u8; FRONT]) {
        if let Ok(place) = self.region.get_ref::<[u64; FRONT / 8]>(self.front_at(slot)) {
            let words = place.load();
            front.as_chunks_mut().0.iter_mut().zip(words).for_each(|(bytes, word)| *bytes = word.to_ne_bytes());
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

    /// Copies the frame in `slot` into `buffer`, as much as it holds.
    #[inline(always)]
    pub(super) fn read_frame(&self, slot: u32, buffer: &mut [u8]) {
        let (front, back) = buffer.split_at_mut(FRONT.min(buffer.len()));
        match front.as_mut_array::<FRONT>() {
            Some(whole) => self.read_front(slot, whole),
            None => self.read(self.front_at(slot), front),
        }
        self.read(self.back_at(slot), back);
    }

    #[inline(always)]
    fn read(&self, at: usize, buffer: &mut [u8]) {
        if !buffer.is_empty()
            && let Ok(slice) = self.region.get_slice(at, buffer.len())
        {
            slice.copy_to(buffer);
        }
    }

    /// Prefetches the cache lines that the back of a frame of `len` bytes in `slot` occupies. Fronts lie side by side:
    /// processors find those by themselves.
    #[inline(always)]
    pub(super) fn prefetch_back(&self, slot: u32, len: usize) {
        if len > FRONT
            && let Ok(slice) = self.region.get_slice(self.back_at(slot), len - FRONT)
        {
            prefetch(slice.ptr_guard().as_ptr(), slice.len());
        }
    }

    /// Prefetches the cache lines of `slot` to which a frame of `len` bytes will be written.
    #[inline(always)]
    pub(super) fn prefetch_for_write(&self, slot: u32, len: usize) {
        let ask = |at, len| {
            if let Ok(slice) = self.region.get_slice(at, len) {
                prefetch_for_write(slice.ptr_guard().as_ptr(), slice.len());
            }
        };
        ask(self.front_at(slot), len.min(FRONT));
        if len > FRONT {
            ask(self.back_at(slot), len - FRONT);
        }
    }
}

/// The words that identify the ring, each with its offset in the memory.
fn head(depth: Depth, generation: u64) -> [(usize, u64); 4] {
    [
        (MAGIC_AT, MAGIC),
        (GENERATION_AT, generation),
        (DEPTH_AT, u64::from(depth.get())),
        (SLOT_SIZE_AT, (FRONT + BACK) as u64),
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
