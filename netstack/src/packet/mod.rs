//! A packet on its way down: a borrowed payload, and headers prepended in a small fixed headroom.

mod batch;
mod pending;
mod reservation;
mod waits;

pub use batch::{Batch, Encapsulate, Through};
pub use pending::PendingSend;
pub(crate) use pending::{Wait, WaitFor, WaitOver, Waited};
pub use reservation::Reservation;
pub(crate) use waits::{WaitPlace, WaitTimes};

use shared::ring::{HEADROOM, Headroom, MAX_FRAME};
use shared::units::Nanos;

use crate::error::SendError;

/// Which account a packet belongs to, its number there, and its intended time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp {
    /// The app's account.
    pub flow: u32,
    /// Number of the packet within the account, counted over all packets that the app offers.
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
    /// The waits of this send, if the caller keeps them; otherwise a layer that waits keeps its own.
    pending: Option<&'a PendingSend>,
    /// Where to keep slots for the next packets of the same app, if it has more to send.
    reservation: Option<&'a Reservation>,
}

impl<'a> Packet<'a> {
    /// A packet without headers.
    #[inline(always)]
    pub fn new(headroom: &'a mut Headroom, payload: &'a [u8], stamp: Stamp) -> Self {
        Self { headroom, start: HEADROOM, payload, stamp, pending: None, reservation: None }
    }

    /// The same packet, for which the layers keep their waits in `pending`.
    pub(crate) fn waiting_in<'b>(&'b mut self, pending: &'b PendingSend) -> Packet<'b> {
        let Self { ref mut headroom, start, payload, stamp, reservation, .. } = *self;
        Packet { headroom, start, payload, stamp, pending: Some(pending), reservation }
    }

    /// Like [`Packet::new`], but sent with a slot of `reservation` if that has any. A wait for room also reserves slots
    /// there for the packets that follow.
    #[inline(always)]
    pub(crate) fn reserving(
        headroom: &'a mut Headroom,
        payload: &'a [u8],
        stamp: Stamp,
        reservation: &'a Reservation,
    ) -> Self {
        Self { reservation: Some(reservation), ..Self::new(headroom, payload, stamp) }
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

    /// The waits of this send, if the caller keeps them.
    pub(crate) fn pending(&self) -> Option<&'a PendingSend> {
        self.pending
    }

    /// Notes that the packet has waited at `place` for `span`.
    pub(crate) fn note_wait(&self, place: WaitPlace, span: Nanos) {
        self.reservation.inspect(|reservation| reservation.note_wait(place, span));
    }

    /// The waits of this packet so far; `None` if it has not waited. The caller has accepted the packet, or drops it.
    #[inline(always)]
    pub(crate) fn take_waits(&self) -> Option<WaitTimes> {
        self.reservation.and_then(Reservation::take_waits)
    }

    /// The slots that its app has reserved, if it reserves any.
    #[inline(always)]
    pub(crate) fn reservation(&self) -> Option<&'a Reservation> {
        self.reservation
    }

    /// Account, sequence number and intended time.
    #[inline(always)]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }
}

/// A copy of a packet with its bytes, for a send that outlives the caller's packet.
pub(crate) struct OwnedPacket {
    headroom: Headroom,
    start: usize,
    payload: [u8; MAX_FRAME],
    len: usize,
    stamp: Stamp,
    /// Of this packet alone: for its waits.
    reservation: Reservation,
}

impl OwnedPacket {
    /// A copy of `packet`.
    ///
    /// # Errors
    /// [`SendError::TooLarge`] if its payload is longer than any frame.
    pub(crate) fn copy(packet: &Packet<'_>) -> Result<Self, SendError> {
        let Packet { ref headroom, start, payload, stamp, .. } = *packet;
        let (len, reservation) = (payload.len(), Reservation::default());
        // Its waits so far go on with the copy, which is what the device will see.
        let waits = packet.take_waits().unwrap_or_default();
        waits.spans().for_each(|(place, span)| reservation.note_wait(place, span));
        let mut copy = Self { headroom: **headroom, start, payload: [0; MAX_FRAME], len, stamp, reservation };
        let too_large = SendError::TooLarge { len: payload.len(), mtu: MAX_FRAME };
        copy.payload.get_mut(..copy.len).ok_or(too_large)?.copy_from_slice(payload);
        Ok(copy)
    }

    pub(crate) fn as_packet(&mut self) -> Packet<'_> {
        let Self { headroom, start, payload, len, stamp, reservation } = self;
        Packet { start: *start, ..Packet::reserving(headroom, &payload[..*len], *stamp, reservation) }
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
