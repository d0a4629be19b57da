//! A peer in the middle of a session over shared memory.

use std::os::fd::AsFd;

use super::{COMPLETED, PRODUCED, Parcel, RawRing, Wire};
use crate::wire::{Bye, Control};

/// The ring and the socket of a session, on either side.
#[derive(Debug)]
pub struct Peer {
    /// The memory.
    pub ring: RawRing,
    /// The socket.
    pub wire: Wire,
}

impl Peer {
    /// Puts a frame into the first slot whose header claims `len` bytes, and publishes it.
    pub fn publish_one(&self, len: u32) {
        self.ring.slot(0, len);
        self.ring.word(PRODUCED, 1);
    }

    /// Publishes and completes honestly until `frames` frames have gone through the driver.
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

    /// Waits until a stack that sends all it can has filled the ring. Returns how many frames it
    /// submitted.
    pub fn full_ring(&self) -> u64 {
        let depth = u64::from(self.ring.depth());
        self.ring.wait_for(PRODUCED, |count| count == depth)
    }

    /// The other side's farewell, whatever comes before it.
    pub fn bye(&mut self) -> Bye {
        match self.wire.control() {
            Some(Control::Bye(bye)) => *bye,
            other => panic!("no farewell: {other:?}"),
        }
    }

    /// Sends descriptors once more.
    pub(super) fn hand_over_again(&self) {
        Parcel::several(3, 1, 1).send(self.wire.as_fd());
    }
}
