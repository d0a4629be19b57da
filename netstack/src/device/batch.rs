//! A batch on its way into the ring: each frame that the ring pulls is recorded in the in-flight table.

use std::cell::RefMut;

use shared::ring::{Frame, Frames, Headroom};
use shared::units::Nanos;

use super::in_flight::{FrameGroup, InFlight, PacketRecord};
use crate::packet::Batch;

/// The frames of a batch, recorded in the in-flight table as the ring pulls them.
pub(super) struct BatchFrames<'a, B> {
    pub(super) batch: B,
    /// Time of acceptance and submission, read once for the whole batch.
    pub(super) now: Nanos,
    /// The open group: the last packets that were pulled, not yet in the table.
    pub(super) group: FrameGroup,
    pub(super) in_flight: RefMut<'a, InFlight>,
}

impl<B: Batch> Frames for BatchFrames<'_, B> {
    #[inline(always)]
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
        let packet = self.batch.next(headroom)?;
        let next = FrameGroup::of(PacketRecord::of(&packet, self.now));
        self.in_flight.push(std::mem::replace(&mut self.group, next));
        Some(next.frame(packet))
    }

    #[inline(always)]
    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Frame<'a>> {
        let packet = self.batch.next_same_length(headroom)?;
        debug_assert!(self.group.each.is_like(&packet, self.now), "a batch is of one app");
        self.in_flight.extend(&mut self.group, packet.stamp().intended);
        Some(self.group.frame(packet))
    }
}
