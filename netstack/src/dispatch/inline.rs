//! `inline`: a trait object at each level, and a future for each send in space that the caller provides.
//!
//! The object reports the size of its future, and constructs it in the caller's space; nothing is allocated. The future
//! of a level contains the space for the level below, so the space grows from level to level. The future of a layer of
//! your own may need more space than is reserved here: it is then allocated.

use std::mem::MaybeUninit;

use dynify::{Dynify, dynify};

use crate::error::SendError;
use crate::layer::{Egress, Tries};
use crate::packet::{Batch, Packet, Wait};

/// Upper bound for one wait: its future contains a [`Wait`], and less than 512 bytes besides.
const WAIT: usize = size_of::<Wait>() + 512;

// Space at each level: that of the level below, and what its own waits (two at most) or headers need. With too little
// space each send allocates, which a test of this way shows.
pub(super) const DEVICE: usize = 2 * WAIT;
pub(super) const ETHERNET: usize = DEVICE + 2 * WAIT;
pub(super) const IP: usize = ETHERNET + 256;
pub(super) const UDP: usize = IP + 256;
pub(super) const SOCKET: usize = UDP + 2 * WAIT;

/// A layer behind a trait object, with `SPACE` bytes for its future in the future of its caller.
pub(super) struct Inline<To, const SPACE: usize>(Box<dyn InlineEgress<To>>);

impl<To, const SPACE: usize> Inline<To, SPACE> {
    pub(super) fn new(layer: impl Egress<To> + 'static) -> Self {
        Self(Box::new(layer))
    }
}

#[dynify(remote = "Egress")]
trait InlineEgress<To> {
    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError>;
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError>;
}

impl<To, const SPACE: usize> Egress<To> for Inline<To, SPACE> {
    const TRIES: Tries = Tries::IfItMustNotWait;

    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        // Left uninitialised: clearing it would cost time for each packet.
        let mut space = MaybeUninit::<[u8; SPACE]>::uninit();
        let mut heap = Vec::<MaybeUninit<u8>>::new();
        self.0.send(packet, to).init2(&mut space, &mut heap).await
    }

    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.0.try_send(packet, to)
    }

    /// None: between trait objects each packet is a call.
    fn try_send_batch(&self, _: impl Batch, _: &To) -> u64 {
        0
    }
}
