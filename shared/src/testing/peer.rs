//! A peer in the middle of a session over shared memory.

use std::os::fd::AsFd;

use super::{COMPLETED, PRODUCED, Parcel, RawRing, Wire};
use crate::control::{Bye, Control};

/// The ring and the socket of a session, on either side.
#[derive(Debug)]
pub struct Peer {
    /// The memory.
    pub ring: RawRing,
    /// The socket.
    pub wire: Wire,
}

impl Peer {
    /// Publishes one frame, in a group of `frames` frames of `len` bytes.
    pub fn publish_one(&self, len: u32, frames: u32) {
        self.ring.frames(0, len, frames);
        self.ring.word(PRODUCED, 1);
    }

    /// Publishes `frames` frames and waits until the driver has completed them.
    pub fn send(&mut self, frames: u64) {
        let depth = u64::from(self.ring.depth());
        let mut published = 0;
        while published < frames {
            published = (published + depth).min(frames);
            self.ring.publish(published);
            self.wire.doorbells(1);
            self.ring.wait_for(COMPLETED, |count| count == published);
        }
    }

    /// Waits until the stack has filled the ring. Returns how many frames it submitted.
    pub fn full_ring(&self) -> u64 {
        let depth = u64::from(self.ring.depth());
        self.ring.wait_for(PRODUCED, |count| count == depth)
    }

    /// Waits until the stack has filled the ring, and publishes one completion, in a group of `completions` completions.
    pub(super) fn complete_one(&self, completions: u32, status: u32) {
        self.full_ring();
        self.ring.completions(0, completions, status, [99, 99]);
        self.ring.word(COMPLETED, 1);
    }

    /// Reads until the other side's BYE.
    pub fn bye(&mut self) -> Bye {
        match self.wire.control() {
            Some(Control::Bye(bye)) => *bye,
            other => panic!("not a BYE: {other:?}"),
        }
    }

    /// Sends descriptors again, which is a violation.
    pub(super) fn hand_over_again(&self) {
        Parcel::several(3, 1, 1).send(self.wire.as_fd());
    }
}
