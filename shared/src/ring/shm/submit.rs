//! Submitting frames: small ones are staged and written to the ring in batches; large ones are written directly. Frames
//! that differ in the sequence number only are one group, until they are published.

use std::cell::RefMut;

use super::end::{End, behind};
use super::record::Item;
use super::staging::{FrameBuffer, LARGEST, Staging};
use crate::connection::Connection;
use crate::frame::{Completion, Descriptor};
use crate::ring::{Frame, Frames, HEADROOM, Headroom};

/// What was submitted and is not written to the ring yet.
#[derive(Debug)]
pub(super) struct Unwritten {
    staging: Staging,
    group: FrameGroup,
    /// The slot of the next frame.
    slot: u32,
}

/// The last frames, of which only the record is missing: `frames` of them, which may be none.
#[derive(Debug, Default)]
struct FrameGroup {
    first: Descriptor,
    frames: u32,
}

impl FrameGroup {
    /// Adds a frame with this `descriptor`, or begins another group with it.
    #[inline(always)]
    fn add(&mut self, descriptor: Descriptor, end: &End<Completion>) {
        if self.first.behind(self.frames) != descriptor {
            self.put(end);
            self.first = descriptor;
        }
        self.frames += 1;
    }

    /// Adds a frame whose descriptor differs from that of the last one in the `sequence` number only.
    #[inline(always)]
    fn add_like(&mut self, sequence: u64, end: &End<Completion>) {
        self.add(Descriptor { sequence, ..self.first }, end);
    }

    /// Puts the record of these frames, and begins another group.
    fn put(&mut self, end: &End<Completion>) {
        if self.frames > 0 {
            end.put_group(&self.first, self.frames);
            self.frames = 0;
        }
    }
}

impl Unwritten {
    pub(super) fn new() -> Self {
        Self { staging: Staging::new(), group: FrameGroup::default(), slot: 0 }
    }

    /// Writes the staged frames into their slots, and the record of the last group. The caller publishes.
    pub(super) fn write(&mut self, end: &End<Completion>) {
        let staged = self.staging.complete();
        staged.iter().map(FrameBuffer::frame).for_each(|(slot, frame)| end.memory.write_frame(slot, frame));
        end.count(staged.len() as u64);
        self.staging.clear();
        self.group.put(end);
    }
}

/// Submits frames to the ring of `end`, for the duration of one call.
pub(super) struct Submission<'a> {
    connection: &'a Connection,
    end: &'a End<Completion>,
    unwritten: RefMut<'a, Unwritten>,
}

impl<'a> Submission<'a> {
    /// Borrows what an end has not written yet.
    #[inline(always)]
    pub(super) fn new(connection: &'a Connection, end: &'a End<Completion>, unwritten: RefMut<'a, Unwritten>) -> Self {
        Self { connection, end, unwritten }
    }

    /// Submits a frame. Returns whether it was staged.
    #[inline(always)]
    pub(super) fn submit(&mut self, frame: Frame<'_>) -> bool {
        let staged = frame.len() <= LARGEST && frame.headers.len() <= HEADROOM;
        if staged {
            self.stage(&frame);
        } else {
            self.write_staged();
            self.write(&frame);
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

    /// Writes everything into the ring, and publishes it.
    fn publish(&mut self) {
        self.unwritten.write(self.end);
        if let Some(doorbell) = self.connection.doorbell() {
            self.end.publish(doorbell);
        }
    }

    /// Writes the staged frames into the ring; none may be staged when a frame is written directly, or that one would
    /// overtake them.
    #[inline(always)]
    fn write_staged(&mut self) {
        if self.unwritten.staging.used() > 0 {
            self.unwritten.write(self.end);
        }
    }

    /// Stages a small frame.
    #[inline(always)]
    fn stage(&mut self, frame: &Frame<'_>) {
        let Unwritten { staging, group, slot } = &mut *self.unwritten;
        if let Some(buffer) = staging.free().first_mut() {
            let len = frame.len();
            buffer.fill(frame, *slot);
            // The cast cannot truncate: the frame is small.
            group.add(Descriptor { len: len as u32, ..frame.descriptor }, self.end);
            self.end.memory.prefetch_for_write(*slot, len);
            *slot = behind(*slot, 1, self.end.memory.depth());
            self.keep(1);
        }
    }

    /// Stages up to `most` frames like the last one, which had these `headers` and was staged. Returns how many.
    #[inline(always)]
    fn stage_same_length(&mut self, headers: &Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        loop {
            let Unwritten { staging, group, slot } = &mut *self.unwritten;
            let (memory, mut staged) = (&self.end.memory, 0);
            for buffer in staging.free().iter_mut().take((most - submitted) as usize) {
                let Some(sequence) = buffer.fill_same_length(headers, frames, *slot) else { break };
                group.add_like(sequence, self.end);
                memory.prefetch_for_write(*slot, group.first.len as usize);
                *slot = behind(*slot, 1, memory.depth());
                staged += 1;
            }
            // The cast cannot truncate: `staged` is at most `most`, which is a u32.
            submitted += staged as u32;
            if !self.keep(staged) {
                return submitted;
            }
        }
    }

    /// Accepts the frames built in the first `buffers` free buffers. If none is free now, publishes everything and
    /// returns `true`.
    #[inline(always)]
    fn keep(&mut self, buffers: usize) -> bool {
        let full = self.unwritten.staging.keep(buffers);
        if full {
            self.publish();
        }
        full
    }

    /// Writes up to `most` frames like the last one, which had these `headers` and was too long to be staged. Returns
    /// how many.
    #[inline(always)]
    fn write_same_length(&mut self, mut headers: Headroom, most: u32, frames: &mut impl Frames) -> u32 {
        let mut submitted = 0;
        while submitted < most
            && let Some(frame) = frames.next_same_length(&mut headers)
        {
            self.write(&frame);
            submitted += 1;
        }
        submitted
    }

    /// Writes a frame into the ring directly.
    #[inline(always)]
    fn write(&mut self, frame: &Frame<'_>) {
        let descriptor = match frame.described() {
            Ok(descriptor) => descriptor,
            Err(error) => return self.connection.close(error.into()),
        };
        let Unwritten { group, slot, .. } = &mut *self.unwritten;
        group.add(descriptor, self.end);
        self.end.memory.write_parts(*slot, frame.headers, frame.payload);
        *slot = behind(*slot, 1, self.end.memory.depth());
        if self.end.count(1) {
            self.publish();
        }
    }
}
