//! `poll`: a trait object at each level, and no future that outlives a call.
//!
//! A non-blocking try comes first: an ordinary call from object to object. If the send has to wait, it is polled, and
//! each poll calls the layers' `send` again from the top; that future lives on the call stack, for one poll. Between
//! polls the state is in a [`PendingSend`], which keeps the position in each wait queue (FIFO); dropping it cancels the
//! send.
//!
//! A layer whose `send` cannot be continued by calling it again ([`Egress::RESUMES`]) keeps its future instead, with a
//! copy of the packet: one allocation for a send that waits.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_util::FutureExt;

use crate::error::SendError;
use crate::layer::Egress;
use crate::packet::{Batch, OwnedPacket, Packet, PendingSend};

/// A layer behind a trait object that is polled.
pub struct Polled<To>(Box<dyn PollEgress<To>>);

impl<To: Clone + 'static> Polled<To> {
    /// `layer` behind a trait object.
    pub fn new<L: Egress<To> + 'static>(layer: L) -> Self {
        Self(if L::RESUMES { Box::new(Resuming(layer)) } else { Box::new(Keeping(Rc::new(layer))) })
    }
}

/// The result of a poll. After `Pending` the caller calls again with the same pending send.
type Sent = Poll<Result<(), SendError>>;

trait PollEgress<To> {
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError>;
    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, pending: &PendingSend, to: &To) -> Sent;
}

/// A layer whose pending send is continued by calling it again.
struct Resuming<L>(L);

impl<To, L: Egress<To>> PollEgress<To> for Resuming<L> {
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.0.try_send(packet, to)
    }

    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, pending: &PendingSend, to: &To) -> Sent {
        // Each poll calls the layers again, and they prepend their headers again: to a packet without them.
        let mut packet = packet.waiting_in(pending);
        pin!(self.0.send(&mut packet, to)).poll(cx)
    }
}

/// A layer whose future is kept while a send is pending.
struct Keeping<L>(Rc<L>);

impl<To: Clone + 'static, L: Egress<To> + 'static> PollEgress<To> for Keeping<L> {
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.0.try_send(packet, to)
    }

    fn poll_send(&self, cx: &mut Context<'_>, packet: &mut Packet<'_>, pending: &PendingSend, to: &To) -> Sent {
        pending.poll_kept(cx, || {
            let (layer, copy, to) = (Rc::clone(&self.0), OwnedPacket::copy(packet), to.clone());
            async move { layer.send(&mut copy?.as_packet(), &to).await }.boxed_local()
        })
    }
}

impl<To> Egress<To> for Polled<To> {
    const RESUMES: bool = true;

    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        let own = PendingSend::default();
        let pending = packet.pending().unwrap_or(&own);
        poll_fn(|cx| self.0.poll_send(cx, packet, pending, to)).await
    }

    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.0.try_send(packet, to)
    }

    /// None: between trait objects each packet is a call.
    fn try_send_batch(&self, _: impl Batch, _: &To) -> u64 {
        0
    }
}
