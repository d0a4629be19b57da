//! The header in the payloads of apps, from which the far end knows what it has received.
//!
//! A payload of at least 22 bytes ([`PayloadHeader::LEN`]) begins with it; all numbers are big-endian:
//!
//! | offset | bytes | what |
//! | --- | --- | --- |
//! | 0 | 2 | magic: `0x50 0x42`, "PB" |
//! | 2 | 4 | the number of the sending app in its stack, from 0 |
//! | 6 | 8 | the sequence number of the packet within that app, from 0 |
//! | 14 | 8 | its intended time in nanoseconds of the sender's clock (CLOCK_MONOTONIC, or virtual time); 0 if the sender does not state it |
//!
//! A payload that is shorter, or does not begin with the magic, has no header: a receiver counts it and knows no more. A
//! program of another language that sends these bytes is checked like an app of Pushback. The frame of 64 B has a
//! payload of 22 B, so it has room for a header.
//!
//! ```
//! use netstack::app::PayloadHeader;
//! use shared::units::Nanos;
//!
//! let header = PayloadHeader { app: 3, sequence: 7, intended: Nanos(12_304) };
//! let mut payload = [0; 64];
//! payload[..PayloadHeader::LEN].copy_from_slice(&header.to_bytes());
//! assert_eq!(PayloadHeader::read(&payload), Some(header));
//! assert_eq!(PayloadHeader::read(&payload[..21]), None);
//! ```

use shared::units::Nanos;

/// The header in front of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadHeader {
    /// The number of the sending app.
    pub app: u32,
    /// The number of the packet within the app.
    pub sequence: u64,
    /// When the app's schedule sent it; zero if that is not stated.
    pub intended: Nanos,
}

/// "PB".
const MAGIC: [u8; 2] = [0x50, 0x42];

impl PayloadHeader {
    /// Its length in bytes.
    pub const LEN: usize = 22;
    /// Where the sequence number is.
    pub(super) const SEQUENCE: usize = 6;
    /// Where the intended time is.
    pub(super) const INTENDED: usize = 14;

    /// Its bytes.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..2].copy_from_slice(&MAGIC);
        bytes[2..Self::SEQUENCE].copy_from_slice(&self.app.to_be_bytes());
        bytes[Self::SEQUENCE..Self::INTENDED].copy_from_slice(&self.sequence.to_be_bytes());
        bytes[Self::INTENDED..].copy_from_slice(&self.intended.0.to_be_bytes());
        bytes
    }

    /// The header of `payload`; `None` if that has none.
    pub fn read(payload: &[u8]) -> Option<Self> {
        let bytes = payload.first_chunk::<{ Self::LEN }>()?;
        let (magic, rest) = bytes.split_first_chunk::<2>()?;
        let (app, rest) = rest.split_first_chunk::<4>()?;
        let (sequence, intended) = rest.split_first_chunk::<8>()?;
        let intended = u64::from_be_bytes(*intended.first_chunk()?);
        let header =
            Self { app: u32::from_be_bytes(*app), sequence: u64::from_be_bytes(*sequence), intended: Nanos(intended) };
        (*magic == MAGIC).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layout_is_as_specified_and_other_payloads_have_no_header() {
        let header = PayloadHeader { app: 0x01020304, sequence: 0x05060708090a0b0c, intended: Nanos(0x0d) };
        let bytes = header.to_bytes();
        assert_eq!(bytes, [0x50, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0, 0, 0, 0, 0, 0, 0, 13]);
        assert_eq!(PayloadHeader::read(&bytes), Some(header));
        for wrong in 0..2 {
            let mut other = bytes;
            other[wrong] ^= 1;
            assert_eq!(PayloadHeader::read(&other), None);
        }
    }
}
