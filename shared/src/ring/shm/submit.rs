//! Submitting frames: small ones are staged and written to the ring in batches; large ones are written directly.

use std::cell::RefMut;

use super::end::End;
use super::slot::{bytes, encode};
use super::staging::{LARGEST, Staging};
use crate::connection::Connection;
use crate::ring::{Frame, Frames, HEADROOM, Headroom};

/// Submits frames to the ring of `end`, for the duration of one call.
pub(super) struct Submission<'a> {
    connection: &'a Connection,
    end: &'a End,
    staging: RefMut<'a, Staging>,
}

impl<'a> Submission<'a> {
    /// Borrows the staging buffer of an end.
    #[inline(always)]
    pub(super) fn new(connection: &'a Connection, end: &'a End, staging: RefMut<'a, Staging>) -> Self {
        Self { connection, end, staging }
    }

    /// Submits a frame. Returns whether it was staged.
    #[inline(always)]
    pub(super) fn submit(&mut self, frame: Frame<'_>) -> bool {
        let staged = frame.len() <= LARGEST && frame.headers.len() <= HEADROOM;
        if !staged {
            self.flush();
            self.write(frame);
        } else if let Some(buffer) = self.staging.free().first_mut() {
            buffer.fill(frame);
            let len = buffer.bytes().len();
            self.end.memory.prefetch_for_write(self.end.slot_behind(self.staging.used()), len);
            self.keep(1);
        }
        staged
    }

    /// Submits up to `most` of `frames`. Returns how many were submitted.
    #[inline(always)]
    pub(super) fn submit_batch(&mut self, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        while submitted < most {
            let mut headroom = [0; HEADROOM];
            let Some(frame) = frames.next(&mut headroom) else { break };
            let staged = self.submit(frame);
            submitted += 1;
            let left = most - submitted;
            submitted += if staged {
                self.stage_same_length(&headroom, left, frames)
            } else {
                self.write_same_length(headroom, left, frames)
            };
        }
        submitted
    }

    /// Writes the staged frames into the ring.
    fn flush(&mut self) {
        let due = flush(self.end, &mut self.staging);
        self.publish_if(due);
    }

    #[inline(always)]
    fn publish_if(&self, due: bool) {
        if due && let Some(doorbell) = self.connection.doorbell() {
            self.end.publish(doorbell);
        }
    }

    /// Stages up to `most` frames like the last one, which had these `headers` and was staged. Returns how many.
    #[inline(always)]
    fn stage_same_length(&mut self, headers: &Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        loop {
            let mut slot = self.end.slot_behind(self.staging.used());
            let free = self.staging.free().iter_mut().take((most - submitted) as usize);
            let staged = free.map_while(|buffer| {
                let staged = buffer.fill_same_length(headers, frames);
                staged.then(|| {
                    self.end.memory.prefetch_for_write(slot, buffer.bytes().len());
                    slot = self.end.memory.next_slot(slot);
                })
            });
            let staged = staged.count();
            // The cast cannot truncate: `staged` is at most `most`, which is a u32.
            submitted += staged as u32;
            if !self.keep(staged) {
                return submitted;
            }
        }
    }

    /// Accepts the frames built in the first `buffers` free buffers. If none is free now, writes the staged frames to
    /// the ring and returns `true`.
    #[inline(always)]
    fn keep(&mut self, buffers: usize) -> bool {
        let full = self.staging.keep(buffers);
        if full {
            self.flush();
        }
        full
    }

    /// Writes up to `most` frames like the last one, which had these `headers` and was too long to be staged. Returns
    /// how many.
    #[inline(always)]
    fn write_same_length(&self, mut headers: Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        while submitted < most
            && let Some(frame) = frames.next_same_length(&mut headers)
        {
            self.write(frame);
            submitted += 1;
        }
        submitted
    }

    /// Writes a frame into the ring directly. No frame may be staged, or this one would overtake it.
    #[inline(always)]
    fn write(&self, frame: Frame<'_>) {
        match frame.described() {
            Ok(descriptor) => {
                let parts = [&bytes(&encode(&descriptor)), frame.headers, frame.payload];
                let due = self.end.put([parts], |memory, slot, parts| memory.write_slot(slot, &parts));
                self.publish_if(due);
            }
            Err(error) => self.connection.close(error.into()),
        }
    }
}

/// Writes the staged frames into the ring. Returns whether a batch is due to be published.
pub(super) fn flush(end: &End, staging: &mut Staging) -> bool {
    let due = end.put(staging.complete(), |memory, slot, frame| memory.write_slot(slot, &[frame.bytes()]));
    staging.clear();
    due
}
