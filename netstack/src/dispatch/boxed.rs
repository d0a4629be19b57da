//! `boxed`: a trait object at each level, and a boxed future for each send.
//!
//! This is the usual cost of `async fn` in an object-safe trait (`async_trait`): one allocation for each level that a
//! packet passes.

use async_trait::async_trait;

use crate::error::SendError;
use crate::layer::{Egress, Tries};
use crate::packet::{Batch, Packet};

/// A layer behind a trait object.
pub(super) type Boxed<To> = Box<dyn BoxedEgress<To>>;

#[async_trait(?Send)]
pub(super) trait BoxedEgress<To> {
    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError>;
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError>;
}

#[async_trait(?Send)]
impl<To, L: Egress<To>> BoxedEgress<To> for L {
    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        Egress::send(self, packet, to).await
    }

    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        Egress::try_send(self, packet, to)
    }
}

impl<To> Egress<To> for Boxed<To> {
    const TRIES: Tries = Tries::IfItMustNotWait;

    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        (**self).send(packet, to).await
    }

    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        (**self).try_send(packet, to)
    }

    /// None: between trait objects each packet is a call.
    fn try_send_batch(&self, _: impl Batch, _: &To) -> u64 {
        0
    }
}
