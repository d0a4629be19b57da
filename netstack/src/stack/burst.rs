//! Packets that go down together.
//!
//! A burst makes its packets one by one, as the device finds room for them. Each layer looks up once what all of
//! them need (a route, a neighbour) and hands down the same burst with its header put on. So the layers become one
//! loop, at the bottom, and what becomes of each packet is what would become of it alone.

use shared::ring::Headroom;

use super::{Packet, SendError};

/// Packets of one app to one destination, all meant for one time, one after the other. One that changes another takes
/// one packet from it for each of its own.
pub trait Burst: Sized {
    /// How many may be asked for in all. Who takes the burst stops there by itself.
    fn most(&self) -> u64;

    /// The next packet, its headers in `headroom`; `None` if there is none, or none that can be sent. Whoever asks
    /// for it has room for it, and is in the middle of its work: the stack may not be called meanwhile.
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>>;

    /// The next packet, if it is as long as the last one; `None` if it is not, if there is none, or if that is not
    /// known. `headroom` has the headers of the last one, or of one like it, which are made its own.
    fn next_alike<'a>(&'a mut self, _headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        None
    }

    /// The same packets, each with the header of `layer`.
    #[inline(always)]
    fn through<L: Encapsulate>(self, layer: L) -> Through<Self, L> {
        Through { burst: self, layer }
    }
}

/// What a layer does to each packet, once it has looked up what they have in common.
pub trait Encapsulate {
    /// Puts the header on `packet`.
    ///
    /// # Errors
    /// [`SendError::TooLarge`].
    fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError>;

    /// Puts the header on `packet`, which is as long as the last one, as is everything that was put on it: the header
    /// of the last one, or of one like it, is there, and only has to be [made its own](Packet::renew).
    fn encapsulate_alike(&mut self, packet: &mut Packet<'_>);
}

/// See [`Burst::through`]. A packet that the layer cannot send ends the burst.
#[derive(Debug)]
pub struct Through<B, L> {
    burst: B,
    layer: L,
}

impl<B: Burst, L: Encapsulate> Burst for Through<B, L> {
    #[inline(always)]
    fn most(&self) -> u64 {
        self.burst.most()
    }

    #[inline(always)]
    fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let mut packet = self.burst.next(headroom)?;
        self.layer.encapsulate(&mut packet).ok()?;
        Some(packet)
    }

    #[inline(always)]
    fn next_alike<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
        let mut packet = self.burst.next_alike(headroom)?;
        self.layer.encapsulate_alike(&mut packet);
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stack::Stamp;
    use shared::ring::HEADROOM;

    /// Payloads of one byte, two, and so on.
    struct Growing(usize);

    impl Burst for Growing {
        fn most(&self) -> u64 {
            9
        }

        fn next<'a>(&'a mut self, headroom: &'a mut Headroom) -> Option<Packet<'a>> {
            self.0 += 1;
            Some(Packet::new(headroom, &b"123456789"[..self.0], Stamp::default()))
        }
    }

    /// A header, and a limit on what it is put in front of.
    struct Layer(&'static [u8], usize);

    impl Encapsulate for Layer {
        fn encapsulate(&mut self, packet: &mut Packet<'_>) -> Result<(), SendError> {
            if packet.len() > self.1 {
                return Err(SendError::TooLarge { len: packet.len(), mtu: self.1 });
            }
            packet.prepend(self.0);
            Ok(())
        }

        fn encapsulate_alike(&mut self, _: &mut Packet<'_>) {
            unreachable!("none is as long as another");
        }
    }

    #[test]
    fn each_layer_puts_its_header_on_until_one_cannot() {
        let mut burst = Growing(0).through(Layer(b"inner", 9)).through(Layer(b"outer", 7));
        let mut seen = Vec::new();
        while let Some(packet) = burst.next(&mut [0; HEADROOM]) {
            seen.push([packet.headers(), packet.payload()].concat());
        }
        assert_eq!(seen, [&b"outerinner1"[..], b"outerinner12"]);
    }
}
