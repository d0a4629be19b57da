//! The end that submits frames.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::atomic::Ordering::Relaxed;

use super::end::{Core, port};
use super::slot::{bytes, encode, pack, unpack};
use super::staging::{LARGEST, Staging};
use super::{AWAKE, SharedMemory, ShmStats, planned_beyond};
use crate::exec::{Signal, Source};
use crate::report::Doorbells;
use crate::ring::{
    CloseReason, Completion, Descriptor, Frame, Frames, HEADROOM, Headroom, MAX_FRAME, Need, Port, ProducerPort,
};
use crate::wire::{Control, WireError};

/// The producer's end of a ring in shared memory.
pub struct ShmProducer {
    core: Core,
    staging: RefCell<Staging>,
    need: RefCell<Box<dyn Fn() -> Need>>,
}

impl ShmProducer {
    /// A producer on `memory`; `stream` is past the greeting.
    ///
    /// # Errors
    /// If `stream` is no stream socket.
    pub fn new(stream: OwnedFd, memory: SharedMemory) -> io::Result<Self> {
        Ok(Self {
            core: Core::producer(stream, memory)?,
            staging: RefCell::new(Staging::new()),
            need: RefCell::new(Box::new(|| Need::Completion)),
        })
    }

    /// The traffic so far.
    pub fn stats(&self) -> ShmStats {
        self.core.stats()
    }

    /// Puts what was staged into the ring.
    fn unload(&self) {
        self.unload_from(&mut self.staging.borrow_mut());
    }

    fn unload_from(&self, staging: &mut Staging) {
        self.core.put(staging.complete(), |memory, slot, place| memory.write_slot(slot, &[place.bytes()]));
        staging.clear();
    }

    /// Puts a frame into the ring that is not staged. Nothing may be staged before it.
    #[inline(always)]
    fn put_apart(&self, descriptor: Descriptor, headers: &[u8], payload: &[u8]) {
        let len = headers.len() + payload.len();
        if len > MAX_FRAME {
            let claimed = u16::try_from(len).unwrap_or(u16::MAX);
            return self.close(WireError::FrameTooLong(claimed).into());
        }
        let header = bytes(&encode(&Descriptor { len: len as u32, ..descriptor }));
        self.core.put([()], |memory, slot, ()| memory.write_slot(slot, &[&header, headers, payload]));
    }

    /// The count of completions to be woken for; [`AWAKE`] if there is none to come, or none that
    /// matters.
    fn wake_at(&self) -> u64 {
        let (put, completed) = self.core.counts();
        let outstanding = put - completed;
        match (self.need.borrow())() {
            _ if outstanding == 0 => AWAKE,
            Need::Nothing => AWAKE,
            Need::Completion => completed + 1,
            Need::Room => completed + outstanding.min(u64::from(self.core.memory.depth().get() / 2)).max(1),
        }
    }

    /// Announces what this side waits for. Returns whether it has to wait.
    fn announce(&self) -> bool {
        self.unload();
        let wake_at = self.wake_at();
        let must_wait = self.core.announce(wake_at);
        // A consumer that sleeps beyond it is told so. The fence between the announcement and this look
        // is that of the announcement.
        if must_wait && planned_beyond(&self.core.memory, wake_at) {
            self.core.ring();
        }
        must_wait
    }
}

impl ShmProducer {
    /// Submits a frame. Returns its headers, and whether it was staged.
    #[inline(always)]
    fn submit_one(&self, staging: &mut Staging, frames: &mut impl Frames) -> Option<(Headroom, bool)> {
        let mut headroom = [0; HEADROOM];
        let Frame { descriptor, headers, payload } = frames.next(&mut headroom)?;
        let staged = self.submit_in(staging, descriptor, headers, payload);
        Some((headroom, staged))
    }

    /// Submits up to `most` frames like the last one, which had these `headers` and was staged. Returns how many.
    #[inline(always)]
    fn stage_alike(&self, staging: &mut Staging, headers: &Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        loop {
            let free = staging.free().iter_mut().take((most - submitted) as usize);
            let staged = free.map_while(|place| place.fill_alike(headers, frames).then_some(())).count();
            // No more than `most`, which fits.
            submitted += staged as u32;
            if !staging.keep(staged) {
                return submitted;
            }
            self.unload_from(staging);
        }
    }

    /// Submits up to `most` frames like the last one, which had these `headers` and was too long to be staged. Returns
    /// how many.
    #[inline(always)]
    fn put_alike(&self, mut headers: Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        while submitted < most
            && let Some(Frame { descriptor, headers, payload }) = frames.next_alike(&mut headers)
        {
            self.put_apart(descriptor, headers, payload);
            submitted += 1;
        }
        submitted
    }

    /// Submits a frame. Returns whether it was staged.
    #[inline(always)]
    fn submit_in(&self, staging: &mut Staging, descriptor: Descriptor, headers: &[u8], payload: &[u8]) -> bool {
        let staged = headers.len() + payload.len() <= LARGEST && headers.len() <= HEADROOM;
        if !staged {
            self.unload_from(staging);
            self.put_apart(descriptor, headers, payload);
        } else if let Some(place) = staging.free().first_mut() {
            place.fill(descriptor, headers, payload);
            if staging.keep(1) {
                self.unload_from(staging);
            }
        }
        staged
    }
}

impl fmt::Debug for ShmProducer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShmProducer").field("core", &self.core).finish_non_exhaustive()
    }
}

impl Source for ShmProducer {
    fn exchange(&self) -> bool {
        self.unload();
        self.core.exchange()
    }

    fn before_spin(&self) -> bool {
        (self.need.borrow())() != Need::Room || self.announce()
    }

    fn after_spin(&self) {
        self.core.awake();
    }

    fn before_sleep(&self) -> bool {
        self.announce()
    }

    fn is_owed(&self) -> bool {
        self.core.is_owed()
    }

    fn missed(&self) {
        self.core.missed();
    }

    fn after_sleep(&self) {
        self.core.awake();
    }

    fn descriptor(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.core.descriptor()
    }
}

port!(ShmProducer);

impl ProducerPort for ShmProducer {
    /// The frame is as long as its parts.
    #[inline(always)]
    fn submit(&self, descriptor: Descriptor, headers: &[u8], payload: &[u8]) {
        self.submit_in(&mut self.staging.borrow_mut(), descriptor, headers, payload);
    }

    #[inline(always)]
    fn submit_burst(&self, most: u32, frames: &mut impl Frames) -> u32 {
        let staging = &mut *self.staging.borrow_mut();
        let mut submitted = 0;
        while submitted < most
            && let Some((headers, staged)) = self.submit_one(staging, frames)
        {
            submitted += 1;
            let left = most - submitted;
            submitted += match staged {
                true => self.stage_alike(staging, &headers, left, frames),
                false => self.put_alike(headers, left, frames),
            };
        }
        submitted
    }

    fn next_completion(&self) -> Option<Completion> {
        self.core.next(|memory, item| unpack(memory.completion(item.slot).load(Relaxed), item.position))
    }

    #[inline]
    fn take_alike(&self, first: &Completion) -> u32 {
        let word = pack(first);
        self.core.skip_while(|memory, slot| memory.completion(slot).load(Relaxed) == word)
    }

    fn before_sleep_ask(&self, need: Box<dyn Fn() -> Need>) {
        *self.need.borrow_mut() = need;
    }
}
