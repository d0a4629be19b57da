//! A packet on its way down: a borrowed payload, and headers prepended in a small fixed headroom.

use shared::ring::{HEADROOM, Headroom};
use shared::units::Nanos;

use super::Place;

/// Which flow a packet belongs to, its number there, and its intended time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// The app's flow.
    pub flow: u32,
    /// Number of the packet within the flow, counted over all packets that the app offers.
    pub sequence: u64,
    /// Intended time: when the app's schedule sends it.
    pub intended: Nanos,
}

/// A packet on its way down.
#[derive(Debug)]
pub struct Packet<'a> {
    headroom: &'a mut Headroom,
    /// Index of the outermost header in `headroom`; headers fill it from the end towards the beginning.
    start: usize,
    payload: &'a [u8],
    stamp: Stamp,
    /// State of the pending send; `None` if a layer that waits keeps that state in its own future.
    place: Option<&'a Place>,
}

impl<'a> Packet<'a> {
    /// A packet without headers.
    #[inline(always)]
    pub fn new(headroom: &'a mut Headroom, payload: &'a [u8], stamp: Stamp) -> Self {
        Self { headroom, start: HEADROOM, payload, stamp, place: None }
    }

    /// Makes the layers keep the waits of this send in `place`.
    pub fn wait_in(&mut self, place: &'a Place) {
        self.place = Some(place);
    }

    /// Puts `header` in front of everything so far.
    ///
    /// # Panics
    /// If the headers of all layers together exceed [`HEADROOM`]: a bug in a layer, not an input error.
    #[inline(always)]
    pub fn prepend(&mut self, header: &[u8]) {
        let start = self.start - header.len();
        self.headroom[start..self.start].copy_from_slice(header);
        self.start = start;
    }

    /// Prepends the `len` bytes that are already in the headroom, which are the header of an earlier packet, and
    /// returns them. The caller overwrites the fields that differ for this packet.
    #[inline(always)]
    pub fn renew(&mut self, len: usize) -> &mut [u8] {
        let end = self.start;
        self.start -= len;
        &mut self.headroom[self.start..end]
    }

    /// Removes headers until only the innermost `len` bytes are left; no effect if there are fewer.
    pub(crate) fn strip_to(&mut self, len: usize) {
        self.start = self.start.max(HEADROOM - len);
    }

    /// The headers so far, outermost first.
    #[inline(always)]
    pub fn headers(&self) -> &[u8] {
        &self.headroom[self.start..]
    }

    /// The headers and the payload.
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

    /// State of the pending send, if the caller keeps it.
    pub(super) fn place(&self) -> Option<&'a Place> {
        self.place
    }

    /// Flow, sequence number and intended time.
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
    fn a_header_left_in_the_headroom_is_reused_for_the_next_packet() {
        let mut headroom = [0; HEADROOM];
        with_headers(&mut headroom);
        let mut packet = Packet::new(&mut headroom, b"another", Stamp::default());
        packet.renew(3)[0] = b'U';
        assert_eq!(packet.renew(2), b"ip");
        assert_eq!(packet.into_parts(), (&b"ipUdp"[..], &b"another"[..]));
    }
}
