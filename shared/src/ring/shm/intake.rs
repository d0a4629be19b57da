//! How frames get into the ring: small ones are staged, and leave together; large ones leave at once.

use std::cell::RefMut;

use super::end::Core;
use super::slot::{bytes, encode};
use super::staging::{LARGEST, Staging};
use crate::ring::{Frame, Frames, HEADROOM, Headroom, Port};

/// The way into the ring, for the time of a call.
pub(super) struct Intake<'a> {
    core: &'a Core,
    staging: RefMut<'a, Staging>,
}

impl<'a> Intake<'a> {
    /// By way of `staging` into the ring of `core`.
    #[inline(always)]
    pub(super) fn new(core: &'a Core, staging: RefMut<'a, Staging>) -> Self {
        Self { core, staging }
    }

    /// Submits a frame. Returns whether it was staged.
    #[inline(always)]
    pub(super) fn submit(&mut self, frame: Frame<'_>) -> bool {
        let staged = frame.len() <= LARGEST && frame.headers.len() <= HEADROOM;
        if !staged {
            self.unload();
            self.put(frame);
        } else if let Some(place) = self.staging.free().first_mut() {
            place.fill(frame);
            self.keep(1);
        }
        staged
    }

    /// Submits up to `most` of `frames`. Returns how many there were.
    #[inline(always)]
    pub(super) fn submit_burst(&mut self, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        while submitted < most {
            let mut headroom = [0; HEADROOM];
            let Some(frame) = frames.next(&mut headroom) else { break };
            let staged = self.submit(frame);
            submitted += 1;
            let left = most - submitted;
            submitted +=
                if staged { self.stage_alike(&headroom, left, frames) } else { self.put_alike(headroom, left, frames) };
        }
        submitted
    }

    /// Puts what is staged into the ring.
    pub(super) fn unload(&mut self) {
        self.core.put(self.staging.complete(), |memory, slot, place| memory.write_slot(slot, &[place.bytes()]));
        self.staging.clear();
    }

    /// Submits up to `most` frames like the last one, which had these `headers` and was staged. Returns how many.
    #[inline(always)]
    fn stage_alike(&mut self, headers: &Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        loop {
            let free = self.staging.free().iter_mut().take((most - submitted) as usize);
            let staged = free.map_while(|place| place.fill_alike(headers, frames).then_some(())).count();
            // No more than `most`, which fits.
            submitted += staged as u32;
            if !self.keep(staged) {
                return submitted;
            }
        }
    }

    /// Frames are complete in the first `places` that were free. Returns whether those were all, and have left.
    #[inline(always)]
    fn keep(&mut self, places: usize) -> bool {
        let full = self.staging.keep(places);
        if full {
            self.unload();
        }
        full
    }

    /// Submits up to `most` frames like the last one, which had these `headers` and was too long to be staged. Returns
    /// how many.
    #[inline(always)]
    fn put_alike(&self, mut headers: Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        while submitted < most
            && let Some(frame) = frames.next_alike(&mut headers)
        {
            self.put(frame);
            submitted += 1;
        }
        submitted
    }

    /// Puts a frame into the ring as it is. Nothing may be staged before it.
    #[inline(always)]
    fn put(&self, frame: Frame<'_>) {
        match frame.described() {
            Ok(descriptor) => {
                let parts = [&bytes(&encode(&descriptor)), frame.headers, frame.payload];
                self.core.put([parts], |memory, slot, parts| memory.write_slot(slot, &parts));
            }
            Err(error) => self.core.channel.close(error.into()),
        }
    }
}
