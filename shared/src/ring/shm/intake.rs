//! Submitting frames: small ones are staged and written to the ring in batches; large ones are written directly.

use std::cell::RefMut;

use super::end::Core;
use super::slot::{bytes, encode};
use super::staging::{LARGEST, Staging};
use crate::ring::{Frame, Frames, HEADROOM, Headroom, Port};

/// Writes frames into the ring of `core`, for the duration of one call.
pub(super) struct Intake<'a> {
    core: &'a Core,
    staging: RefMut<'a, Staging>,
}

impl<'a> Intake<'a> {
    /// Borrows the staging buffer of an end.
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

    /// Submits up to `most` of `frames`. Returns how many were submitted.
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

    /// Writes the staged frames into the ring.
    pub(super) fn unload(&mut self) {
        self.core.put(self.staging.complete(), |memory, slot, place| memory.write_slot(slot, &[place.bytes()]));
        self.staging.clear();
    }

    /// Stages up to `most` frames like the last one, which had these `headers` and was staged. Returns how many.
    #[inline(always)]
    fn stage_alike(&mut self, headers: &Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        loop {
            let free = self.staging.free().iter_mut().take((most - submitted) as usize);
            let staged = free.map_while(|place| place.fill_alike(headers, frames).then_some(())).count();
            // The cast cannot truncate: `staged` is at most `most`, which is a u32.
            submitted += staged as u32;
            if !self.keep(staged) {
                return submitted;
            }
        }
    }

    /// Accepts the frames built in the first `places` free places. If that makes the staging buffer full, writes it to
    /// the ring and returns `true`.
    #[inline(always)]
    fn keep(&mut self, places: usize) -> bool {
        let full = self.staging.keep(places);
        if full {
            self.unload();
        }
        full
    }

    /// Writes up to `most` frames like the last one, which had these `headers` and was too long to be staged. Returns
    /// how many.
    #[inline(always)]
    fn put_alike(&self, mut headers: Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        while submitted < most
            && let Some(frame) = frames.next_same_length(&mut headers)
        {
            self.put(frame);
            submitted += 1;
        }
        submitted
    }

    /// Writes a frame into the ring directly. No frame may be staged, or this one would overtake it.
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
