//! The contract between neighbouring layers.
//!
//! A layer takes a packet with an address, prepends its header, and hands the packet to the layer below with the
//! address that this one needs. All layers share one trait, [`Egress`], which is generic over that address:
//!
//! | layer | takes packets to | may wait for |
//! | --- | --- | --- |
//! | [`UdpSocket`](crate::layers::UdpSocket) | a socket address | its send budget |
//! | [`Udp`](crate::layers::Udp) | a source port and a socket address | |
//! | [`Ip`](crate::layers::Ip) | a protocol and a route | |
//! | [`Ethernet`](crate::layers::Ethernet) | the IP address of a neighbour | the neighbour's Ethernet address |
//! | [`RingDevice`](crate::device::RingDevice) | `()`: there is one link | room in the ring, depending on its policy |
//!
//! A layer is generic over the layer below, so it can be tested against a fake one. A layer of your own implements
//! [`Egress`] and wraps the layer below; one that does not wait and keeps the address is shorter as a [`Decorator`].
//!
//! A send reserves room last. While it holds a permit it waits for nothing, so a permit is never held up by a wait for
//! a budget or a neighbour (at depth 1 that would deadlock).
//!
//! A layer that lets at most one packet pass per millisecond, and waits for that time:
//!
//! ```
//! use std::cell::Cell;
//!
//! use netstack::error::SendError;
//! use netstack::layer::Egress;
//! use netstack::packet::{Batch, Packet};
//! use shared::exec::Clock;
//! use shared::units::Nanos;
//!
//! struct Pacer<D> {
//!     below: D,
//!     clock: Clock,
//!     /// When the next packet may pass.
//!     next: Cell<Nanos>,
//! }
//!
//! impl<D> Pacer<D> {
//!     fn take_turn(&self) -> Nanos {
//!         let turn = self.next.get().max(self.clock.now());
//!         self.next.set(turn + Nanos::from_millis(1));
//!         turn
//!     }
//! }
//!
//! impl<To, D: Egress<To>> Egress<To> for Pacer<D> {
//!     async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
//!         self.clock.sleep_until(self.take_turn()).await;
//!         self.below.send(packet, to).await
//!     }
//!
//!     fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
//!         if self.next.get() > self.clock.now() {
//!             return Err(SendError::WouldBlock);
//!         }
//!         self.below.try_send(packet, to).inspect(|()| drop(self.take_turn()))
//!     }
//! }
//! # let _ = Pacer { below: (), clock: Clock::default(), next: Cell::default() };
//! ```

use shared::ring::{HEADROOM, Headroom};

use crate::error::SendError;
use crate::packet::{Batch, Packet};

/// A layer, as the layer above sees it. `To` is the address that a packet is sent to.
///
/// All three methods return the same errors for the same packet. After an error the payload is still the caller's. The
/// bytes of the packet are copied before a method returns; the headroom may contain more headers than before.
#[allow(async_fn_in_trait, reason = "one thread: no future has to be Send")]
pub trait Egress<To> {
    /// When an app calls [`Egress::try_send`], and when [`Egress::send`].
    const TRIES: Tries = Tries::First;

    /// Whether a pending [`Egress::send`] may be dropped, and continued by calling it again with the same packet. A
    /// layer may promise that if the layer below does, and if it keeps no state in its future.
    ///
    /// Without that promise, any `async fn` is right: under [`poll`](crate::dispatch::Dispatch::Poll) the future of a
    /// send that has to wait is kept, with a copy of the packet, in one allocation.
    const RESUMES: bool = false;

    /// Sends `packet`, and waits as long as this layer or one below has to wait. Dropping the future cancels the send;
    /// the packet was then never accepted.
    ///
    /// # Errors
    /// [`SendError`] if the packet cannot be sent at all.
    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError>;

    /// Sends `packet` without waiting.
    ///
    /// # Errors
    /// [`SendError::WouldBlock`] if [`Egress::send`] would wait; otherwise the same errors.
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError>;

    /// Sends packets of `batch` in order until one of them cannot be sent without waiting, with the same result as
    /// calling [`Egress::try_send`] for each. Returns how many were sent; one more may have been taken from `batch`. A
    /// layer may take no batch at all and return 0: the caller sends the next packet alone in any case.
    ///
    /// By default the packets pass this layer one by one. A layer that passes them down together wraps `batch` (see
    /// [`Batch::through`]), so that the ring takes them in one loop.
    fn try_send_batch(&self, mut batch: impl Batch, to: &To) -> u64 {
        let (most, mut headroom, mut sent) = (batch.most(), [0; HEADROOM], 0);
        while sent < most
            && let Some(mut packet) = batch.next(&mut headroom)
            && self.try_send(&mut packet, to).is_ok()
        {
            sent += 1;
        }
        sent
    }
}

/// When an app tries to send without waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tries {
    /// For every packet, and `send` only if that would block: most sends need not wait, and a try is an ordinary
    /// call without a future.
    First,
    /// Only if the app must not wait: here a try costs as much as a `send` that is ready at once.
    IfItMustNotWait,
    /// Always, and `send` is never called: instead of waiting, the packet is refused.
    Always,
}

/// What a layer of your own does to the packets that pass it, if it never waits: one method is enough.
///
/// [`Decorated`] makes a layer of it, which passes batches on as batches.
pub trait Decorator {
    /// Sees each packet before the layer below does, and may change its headers or refuse it. A packet that finds no
    /// room below is seen again when it is sent again. It must not send through the stack: the layers of a batch are
    /// borrowed meanwhile (see [`Batch::next`]).
    ///
    /// # Errors
    /// [`SendError`], with which the packet is refused. It ends a batch.
    fn pass(&self, packet: &mut Packet<'_>) -> Result<(), SendError> {
        let _ = packet;
        Ok(())
    }

    /// The layer below has accepted `packets` more packets.
    fn accepted(&self, packets: u64) {
        let _ = packets;
    }
}

/// A layer that hands packets to `below` as they are, but for what its decorator does to them.
#[derive(Debug)]
pub struct Decorated<W, D> {
    decorator: W,
    below: D,
}

impl<W, D> Decorated<W, D> {
    /// `decorator` on top of `below`.
    pub fn new(decorator: W, below: D) -> Self {
        Self { decorator, below }
    }
}

impl<To, W: Decorator, D: Egress<To>> Egress<To> for Decorated<W, D> {
    const TRIES: Tries = D::TRIES;
    const RESUMES: bool = D::RESUMES;

    async fn send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.decorator.pass(packet)?;
        self.below.send(packet, to).await.inspect(|()| self.decorator.accepted(1))
    }

    #[inline(always)]
    fn try_send(&self, packet: &mut Packet<'_>, to: &To) -> Result<(), SendError> {
        self.decorator.pass(packet)?;
        self.below.try_send(packet, to).inspect(|()| self.decorator.accepted(1))
    }

    #[inline(always)]
    fn try_send_batch(&self, batch: impl Batch, to: &To) -> u64 {
        let accepted =
            self.below.try_send_batch(DecoratedBatch { batch, decorator: &self.decorator, refused: false }, to);
        self.decorator.accepted(accepted);
        accepted
    }
}

/// The batch below a [`Decorated`] layer.
struct DecoratedBatch<'a, B, W> {
    batch: B,
    decorator: &'a W,
    /// Whether the decorator has refused a packet. Those behind it must not overtake it.
    refused: bool,
}

impl<B, W: Decorator> DecoratedBatch<'_, B, W> {
    fn pass<'a>(decorator: &W, refused: &mut bool, mut packet: Packet<'a>) -> Option<Packet<'a>> {
        *refused = decorator.pass(&mut packet).is_err();
        (!*refused).then_some(packet)
    }
}

impl<B: Batch, W: Decorator> Batch for DecoratedBatch<'_, B, W> {
    fn most(&self) -> u64 {
        self.batch.most()
    }

    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        if self.refused {
            return None;
        }
        Self::pass(self.decorator, &mut self.refused, self.batch.next(headroom)?)
    }

    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        Self::pass(self.decorator, &mut self.refused, self.batch.next_same_length(headroom)?)
    }
}
