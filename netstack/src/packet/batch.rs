//! Batches: packets of one app that descend together.
//!
//! A batch produces its packets on demand. Each layer looks up once what all packets share (a route, a neighbour),
//! and passes the batch down wrapped in [`Through`], which prepends that layer's header to each packet. Nothing has
//! been produced by then. The ring, at the bottom, pulls one packet for each free slot, through all the wrappers:
//!
//! ```text
//!            calls go down once per batch               packets are pulled, one per free slot
//!
//!  app       try_send_batch(batch, to)                  next(): number and payload
//!   |                                                     ^
//!  Udp       batch.through(UDP headers)                 next(): + UDP header
//!   |                                                     ^
//!  Ip        batch.through(IP headers)                  next(): + IP header
//!   |                                                     ^
//!  Ethernet  batch.through(Ethernet headers)            next(): + Ethernet header
//!   |                                                     ^
//!  device    records in the in-flight table             next(): + record
//!   |                                                     ^
//!  ring      submit_batch(free slots, frames)  ------>  copies the frame into its slot
//! ```
//!
//! So all layers run in one loop, and each frame and its ledger entry are the same as for a packet sent alone.

use shared::ring::Headroom;

use super::{Packet, Reservation};
use crate::error::SendError;

/// Packets of one app to one destination, in order. A wrapper must consume exactly one inner packet for each packet it
/// yields.
pub trait Batch: Sized {
    /// How many packets may be pulled in all. The caller enforces this; [`Batch::next`] does not check it.
    fn most(&self) -> u64;

    /// The next packet, with its headers in `headroom`; `None` if there is none, or if it cannot be sent.
    ///
    /// The caller has room for the packet, and borrows the state of the ring and the in-flight table during this call:
    /// an implementation must not call the stack.
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>>;

    /// Fast path: the next packet, if it has the length of the last one. `headroom` contains the headers of the last
    /// packet (or of one of equal length), and this call overwrites the fields that differ. `None` if the next packet
    /// differs in length or there is none; the caller then calls [`Batch::next`].
    fn next_same_length<'a>(&'a mut self, _headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        None
    }

    /// The slots that the app has reserved for these packets, if it reserves any.
    fn reservation(&self) -> Option<&Reservation> {
        None
    }

    /// The same packets, each with the header of `layer` prepended.
    #[inline(always)]
    fn through<L: Encapsulate>(self, layer: L) -> Through<Self, L> {
        Through { batch: self, layer }
    }
}

/// Prepends one layer's header to packets that share a route and a neighbour.
pub trait Encapsulate {
    /// Prepends the header to `packet`.
    ///
    /// # Errors
    /// [`SendError::TooLarge`].
    fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError>;

    /// Fast path for a `packet` with the length of the last one, and with upper headers of equal length. The headroom
    /// contains this layer's header of the last packet: [`Packet::renew`] prepends it, and only fields that differ are
    /// written.
    fn encapsulate_same_length(&mut self, packet: &mut Packet<'_>);
}

/// The batch that [`Batch::through`] returns. It ends at the first packet that the layer cannot encapsulate.
#[derive(Debug)]
pub struct Through<B, L> {
    batch: B,
    layer: L,
}

impl<B: Batch, L: Encapsulate> Batch for Through<B, L> {
    #[inline(always)]
    fn most(&self) -> u64 {
        self.batch.most()
    }

    #[inline(always)]
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let mut packet = self.batch.next(headroom)?;
        self.layer.encapsulate(&mut packet).ok()?;
        Some(packet)
    }

    #[inline(always)]
    fn next_same_length<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let mut packet = self.batch.next_same_length(headroom)?;
        self.layer.encapsulate_same_length(&mut packet);
        Some(packet)
    }

    #[inline(always)]
    fn reservation(&self) -> Option<&Reservation> {
        self.batch.reservation()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::Stamp;
    use shared::ring::HEADROOM;

    /// Payloads of one byte, two, and so on.
    struct Growing(usize);

    impl Batch for Growing {
        fn most(&self) -> u64 {
            9
        }

        fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
            self.0 += 1;
            Some(Packet::new(headroom, &b"123456789"[..self.0], Stamp::default()))
        }
    }

    /// A header, and the longest packet that it may be prepended to.
    struct Layer(&'static [u8], usize);

    impl Encapsulate for Layer {
        fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError> {
            if packet.len() > self.1 {
                return Err(SendError::TooLarge { len: packet.len(), mtu: self.1 });
            }
            packet.prepend(self.0);
            Ok(())
        }

        fn encapsulate_same_length(&mut self, _: &mut Packet<'_>) {
            unreachable!("none is as long as another");
        }
    }

    #[test]
    fn each_layer_prepends_its_header_and_a_packet_that_is_too_long_ends_the_batch() {
        let mut batch = Growing(0).through(Layer(b"inner", 9)).through(Layer(b"outer", 7));
        let mut seen = Vec::new();
        while let Some(packet) = batch.next(&mut [0; HEADROOM]) {
            seen.push([packet.headers(), packet.payload()].concat());
        }
        assert_eq!(seen, [&b"outerinner1"[..], b"outerinner12"]);
    }
}
