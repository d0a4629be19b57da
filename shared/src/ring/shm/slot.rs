//! What a slot and a completion say, byte by byte.

use super::layout::SLOT_HEADER;
use crate::ring::{CloseReason, Completion, Descriptor, MAX_FRAME, Status};
use crate::units::Nanos;
use crate::wire::WireError;

/// Bits of a completion that hold its status; the others hold its time.
const STATUS_BITS: u32 = 4;

/// Length, flow, sequence number, time of submission; the last 8 bytes are zero.
#[inline(always)]
pub(super) fn encode(descriptor: &Descriptor) -> [u8; SLOT_HEADER] {
    let mut header = [0; SLOT_HEADER];
    header[0..4].copy_from_slice(&descriptor.len.to_ne_bytes());
    header[4..8].copy_from_slice(&descriptor.flow.to_ne_bytes());
    header[8..16].copy_from_slice(&descriptor.sequence.to_ne_bytes());
    header[16..24].copy_from_slice(&descriptor.submitted.0.to_ne_bytes());
    header
}

/// Reads a private copy of a slot's header.
///
/// # Errors
/// [`CloseReason::SlotLength`] if the slot holds nothing, or more than it can.
pub(super) fn decode(header: &[u8; SLOT_HEADER]) -> Result<Descriptor, CloseReason> {
    let len = u32::from_ne_bytes(bytes_at(header, 0));
    if len == 0 || len as usize > MAX_FRAME {
        return Err(CloseReason::SlotLength(len));
    }
    Ok(Descriptor {
        len,
        flow: u32::from_ne_bytes(bytes_at(header, 4)),
        sequence: u64::from_ne_bytes(bytes_at(header, 8)),
        submitted: Nanos(u64::from_ne_bytes(bytes_at(header, 16))),
    })
}

fn bytes_at<const N: usize>(header: &[u8; SLOT_HEADER], at: usize) -> [u8; N] {
    std::array::from_fn(|byte| header[at + byte])
}

/// Time and status in one word; 60 bits of nanoseconds are 36 years.
pub(super) fn pack(completion: &Completion) -> u64 {
    completion.at.0 << STATUS_BITS | completion.status as u64
}

/// Reads what [`pack`] wrote.
///
/// # Errors
/// [`WireError::UnknownStatus`].
pub(super) fn unpack(word: u64, position: u64) -> Result<Completion, CloseReason> {
    // Four bits fit.
    let status = (word & ((1 << STATUS_BITS) - 1)) as u8;
    let status = Status::from_byte(status).ok_or(WireError::UnknownStatus(status))?;
    Ok(Completion { position, status, at: Nanos(word >> STATUS_BITS) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_descriptor_survives_and_a_length_that_cannot_be_does_not() {
        let descriptor = Descriptor { len: 60, flow: 7, sequence: u64::MAX - 1, submitted: Nanos(3) };
        assert_eq!(decode(&encode(&descriptor)), Ok(descriptor));
        for len in [0, 1515, u32::MAX] {
            let lie = Descriptor { len, ..descriptor };
            assert_eq!(decode(&encode(&lie)), Err(CloseReason::SlotLength(len)));
        }
    }

    #[test]
    fn a_completion_survives_and_an_unknown_status_does_not() {
        let completion = Completion { position: 9, status: Status::BadChecksum, at: Nanos(1 << 59) };
        assert_eq!(unpack(pack(&completion), 9), Ok(completion));
        assert_eq!(unpack(15, 0), Err(WireError::UnknownStatus(15).into()));
    }
}
