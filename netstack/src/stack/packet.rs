//! A packet on its way down: borrowed payload, headers prepended in a small fixed headroom.

use shared::ring::{HEADROOM, Headroom};
use shared::units::Nanos;

use super::Place;

/// Who sent a packet, and when it should have been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// The app's flow.
    pub flow: u32,
    /// Number of the packet within the flow, counted over all that the app wanted to send.
    pub sequence: u64,
    /// When the app's schedule wanted to send it.
    pub intended: Nanos,
}

/// A packet on its way down.
#[derive(Debug)]
pub struct Packet<'a> {
    headroom: &'a mut Headroom,
    start: usize,
    payload: &'a [u8],
    stamp: Stamp,
    /// Where its waits are kept, if the caller does that.
    place: Option<&'a Place>,
}

impl<'a> Packet<'a> {
    /// A packet without headers.
    #[inline(always)]
    pub fn new(headroom: &'a mut Headroom, payload: &'a [u8], stamp: Stamp) -> Self {
        Self { headroom, start: HEADROOM, payload, stamp, place: None }
    }

    /// Keeps its waits in `place`.
    pub fn wait_in(&mut self, place: &'a Place) {
        self.place = Some(place);
    }

    /// Puts `header` in front of everything so far. Headers of all layers together must fit into
    /// [`HEADROOM`]; what does not fit is a fault of the program.
    #[inline(always)]
    pub fn prepend(&mut self, header: &[u8]) {
        let start = self.start - header.len();
        self.headroom[start..self.start].copy_from_slice(header);
        self.start = start;
    }

    /// Puts on a header that is already there, the next `len` bytes in front of everything so far. The caller makes it
    /// that of this packet.
    #[inline(always)]
    pub fn renew(&mut self, len: usize) -> &mut [u8] {
        let end = self.start;
        self.start -= len;
        &mut self.headroom[self.start..end]
    }

    /// Takes off again what was put in front of the innermost `len` bytes of headers.
    pub(crate) fn strip_to(&mut self, len: usize) {
        self.start = self.start.max(HEADROOM - len);
    }

    /// The headers so far, outermost first.
    #[inline(always)]
    pub fn headers(&self) -> &[u8] {
        &self.headroom[self.start..]
    }

    /// Its headers and its payload.
    #[inline(always)]
    pub fn into_parts(self) -> (&'a [u8], &'a [u8]) {
        (&self.headroom[self.start..], self.payload)
    }

    /// The app's bytes.
    #[inline(always)]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Headers and payload together, in bytes.
    #[inline(always)]
    pub fn len(&self) -> usize {
        HEADROOM - self.start + self.payload.len()
    }

    /// Whether there is neither header nor payload.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where its waits are kept, if the caller does that.
    pub(super) fn place(&self) -> Option<&'a Place> {
        self.place
    }

    /// Who sent it.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_headers(headroom: &mut Headroom) -> Packet<'_> {
        let mut packet = Packet::new(headroom, b"payload", Stamp::default());
        packet.prepend(b"udp");
        packet.prepend(b"ip");
        packet
    }

    #[test]
    fn the_last_header_is_outermost() {
        let mut headroom = [0; HEADROOM];
        let packet = with_headers(&mut headroom);
        assert_eq!((packet.headers(), packet.payload(), packet.len()), (&b"ipudp"[..], &b"payload"[..], 12));
    }

    #[test]
    fn a_header_that_is_there_can_be_made_that_of_another_packet() {
        let mut headroom = [0; HEADROOM];
        with_headers(&mut headroom);
        let mut packet = Packet::new(&mut headroom, b"another", Stamp::default());
        packet.renew(3)[0] = b'U';
        assert_eq!(packet.renew(2), b"ip");
        assert_eq!(packet.into_parts(), (&b"ipUdp"[..], &b"another"[..]));
    }
}
