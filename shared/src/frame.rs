//! A frame's descriptor, which goes from producer to consumer, and its completion, which goes back.

use crate::units::Nanos;

/// The largest Ethernet frame a slot holds, without frame check sequence: 1500 B of IP behind a
/// 14 B header.
pub const MAX_FRAME: usize = 1514;

/// The smallest valid frame: an Ethernet header without payload.
pub const MIN_FRAME: usize = 14;

/// What the producer states about a frame. The consumer trusts none of it: it checks the length before use, and
/// uses the other fields for statistics and seeds only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Descriptor {
    /// Frame length in bytes, from destination address to the end of the payload.
    pub len: u32,
    /// The app that offered it.
    pub flow: u32,
    /// Its number within the flow.
    pub sequence: u64,
    /// When it was submitted.
    pub submitted: Nanos,
}

/// How the hardware finished a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Status {
    /// Sent on the link.
    #[default]
    Sent = 0,
    /// Refused: its length is below [`MIN_FRAME`] or above [`MAX_FRAME`].
    BadLength = 1,
    /// Refused: headers do not parse, or lengths in them contradict the frame.
    BadHeader = 2,
    /// Refused: a checksum is wrong.
    BadChecksum = 3,
}

impl Status {
    /// The status whose discriminant is `byte`; `None` if there is none.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Sent, Self::BadLength, Self::BadHeader, Self::BadChecksum].into_iter().find(|s| *s as u8 == byte)
    }
}

/// The hardware has finished with a frame; its slot is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Completion {
    /// Position in the ring's order: the first frame of a session is 0.
    pub position: u64,
    /// How it was finished.
    pub status: Status,
    /// When the hardware took the frame: from then on its transmission is up to the hardware. At most `at`.
    pub taken: Nanos,
    /// When the hardware finished: the ideal time of the hardware model, not when the driver noticed.
    pub at: Nanos,
}

impl Completion {
    /// The completion that is `frames` positions behind this one in a group, which shares status and times.
    #[inline(always)]
    pub(crate) fn behind(self, frames: u32) -> Self {
        Self { position: self.position.wrapping_add(u64::from(frames)), ..self }
    }

    /// The same at `now`, with times that are possible: no frame completes after now, or is taken after it completed.
    /// The peer states both.
    #[inline(always)]
    pub(crate) fn possible(self, now: Nanos) -> Self {
        let at = self.at.min(now);
        Self { taken: self.taken.min(at), at, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_round_trips_through_its_byte_and_other_bytes_are_refused() {
        for byte in 0..=u8::MAX {
            match Status::from_byte(byte) {
                Some(status) => assert_eq!(status as u8, byte),
                None => assert!(byte > 3),
            }
        }
    }

    #[test]
    fn times_in_the_wrong_order_become_possible_ones() {
        let times = |taken, at| {
            let completion = Completion { position: 0, status: Status::Sent, taken: Nanos(taken), at: Nanos(at) };
            let Completion { taken, at, .. } = completion.possible(Nanos(100));
            (taken.0, at.0)
        };
        assert_eq!([times(7, 9), times(9, 9), times(100, 100)], [(7, 9), (9, 9), (100, 100)]);
        assert_eq!([times(9, 7), times(7, 101), times(u64::MAX, u64::MAX)], [(7, 7), (7, 100), (100, 100)]);
    }
}
