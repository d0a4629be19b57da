//! `sync`: no futures. A send that would have to wait is refused. This is the baseline for the other ways.

use crate::error::SendError;
use crate::layer::{Egress, Tries};
use crate::packet::{Batch, Packet};

/// A layer whose `send` refuses instead of waiting.
pub(super) struct Refusing<L>(pub(super) L);

impl<To, L: Egress<To>> Egress<To> for Refusing<L> {
    const TRIES: Tries = Tries::Always;

    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.try_send(packet, to)
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.0.try_send(packet, to)
    }

    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, to: &To) -> u64 {
        self.0.try_send_batch(batch, to)
    }
}
