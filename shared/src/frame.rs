//! A frame's descriptor, which goes from producer to consumer, and its completion, which goes back.

use std::collections::VecDeque;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Sent on the link.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Position in the ring's order: the first frame of a session is 0.
    pub position: u64,
    /// How it was finished.
    pub status: Status,
    /// When the hardware finished: the ideal time of the hardware model, not when the driver noticed.
    pub at: Nanos,
}

impl Completion {
    /// `frames` completions in consecutive positions with one status and time, this one first.
    pub(crate) fn group(self, frames: u32) -> impl Iterator<Item = Self> {
        (0..u64::from(frames)).map(move |behind| Self { position: self.position.wrapping_add(behind), ..self })
    }

    /// Removes from the front of `behind` the completions that continue this one: next position, equal status and
    /// time. Returns how many.
    pub(crate) fn take_group(&self, behind: &mut VecDeque<Self>) -> u32 {
        let mut next = *self;
        let mut taken = 0;
        loop {
            next.position = next.position.wrapping_add(1);
            if behind.pop_front_if(|completion| *completion == next).is_none() {
                return taken;
            }
            taken += 1;
        }
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
    fn only_consecutive_completions_with_equal_status_and_time_are_taken_together() {
        let completion = |position, at| Completion { position, status: Status::Sent, at: Nanos(at) };
        let mut behind =
            VecDeque::from([(5, 7), (6, 7), (8, 7), (7, 7)].map(|(position, at)| completion(position, at)));
        assert_eq!((completion(4, 7).take_group(&mut behind), behind.len()), (2, 2));
        assert_eq!((completion(7, 6).take_group(&mut behind), behind.len()), (0, 2));
    }
}
