//! Encoding and decoding of a slot's header and of a completion.

use super::layout::SLOT_HEADER;
use crate::connection::CloseReason;
use crate::control::WireError;
use crate::frame::{Completion, Descriptor, MAX_FRAME, Status};
use crate::units::Nanos;

/// The lowest bits of a completion hold its status; the others hold its time.
const STATUS_BITS: u32 = 4;

/// A slot's header, as words.
pub(super) type Header = [u64; SLOT_HEADER / 8];

/// Encodes length (the first four bytes) and flow in one word, then sequence number and time of submission; the last
/// word is zero.
#[inline(always)]
pub(super) fn encode(descriptor: &Descriptor) -> Header {
    let [a, b, c, d] = descriptor.len.to_ne_bytes();
    let [e, f, g, h] = descriptor.flow.to_ne_bytes();
    [u64::from_ne_bytes([a, b, c, d, e, f, g, h]), descriptor.sequence, descriptor.submitted.0, 0]
}

/// The header as bytes.
#[inline(always)]
pub(super) fn bytes(header: &Header) -> [u8; SLOT_HEADER] {
    let mut bytes = [0; SLOT_HEADER];
    bytes.as_chunks_mut().0.iter_mut().zip(header).for_each(|(bytes, word)| *bytes = word.to_ne_bytes());
    bytes
}

/// The length of a slot that holds no frame. Small, unlike a [`CloseReason`]: a result with it stays in registers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SlotLength(u32);

impl From<SlotLength> for CloseReason {
    fn from(SlotLength(len): SlotLength) -> Self {
        Self::SlotLength(len)
    }
}

/// Decodes a private copy of a slot's header.
///
/// # Errors
/// [`SlotLength`] if the length is 0 or above [`MAX_FRAME`].
#[inline(always)]
pub(super) fn decode(header: &Header) -> Result<Descriptor, SlotLength> {
    let [first, sequence, submitted, _] = *header;
    let [a, b, c, d, e, f, g, h] = first.to_ne_bytes();
    let len = u32::from_ne_bytes([a, b, c, d]);
    if len == 0 || len as usize > MAX_FRAME {
        return Err(SlotLength(len));
    }
    Ok(Descriptor { len, flow: u32::from_ne_bytes([e, f, g, h]), sequence, submitted: Nanos(submitted) })
}

/// Encodes time and status in one word; 60 bits of nanoseconds are 36 years.
pub(super) fn pack(completion: &Completion) -> u64 {
    completion.at.0 << STATUS_BITS | completion.status as u64
}

/// Decodes the word of [`pack`].
///
/// # Errors
/// [`WireError::UnknownStatus`].
pub(super) fn unpack(word: u64, position: u64) -> Result<Completion, CloseReason> {
    // The cast cannot truncate: four bits.
    let status = (word & ((1 << STATUS_BITS) - 1)) as u8;
    let status = Status::from_byte(status).ok_or(WireError::UnknownStatus(status))?;
    Ok(Completion { position, status, at: Nanos(word >> STATUS_BITS) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_round_trips_and_an_invalid_length_is_refused() {
        let descriptor = Descriptor { len: 60, flow: 7, sequence: u64::MAX - 1, submitted: Nanos(3) };
        assert_eq!(decode(&encode(&descriptor)), Ok(descriptor));
        for len in [0, 1515, u32::MAX] {
            let lie = Descriptor { len, ..descriptor };
            assert_eq!(decode(&encode(&lie)).map_err(CloseReason::from), Err(CloseReason::SlotLength(len)));
        }
    }

    #[test]
    fn a_completion_round_trips_and_an_unknown_status_is_refused() {
        let completion = Completion { position: 9, status: Status::BadChecksum, at: Nanos(1 << 59) };
        assert_eq!(unpack(pack(&completion), 9), Ok(completion));
        assert_eq!(unpack(15, 0), Err(WireError::UnknownStatus(15).into()));
    }
}
