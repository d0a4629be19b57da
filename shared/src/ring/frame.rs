//! What crosses the ring: a frame's descriptor one way, its completion the other.

use std::collections::VecDeque;

use crate::units::Nanos;

/// The largest Ethernet frame a slot holds, without frame check sequence: 1500 B of IP behind a
/// 14 B header.
pub const MAX_FRAME: usize = 1514;

/// The smallest frame that can be a frame: an Ethernet header.
pub const MIN_FRAME: usize = 14;

/// What the producer says of a frame. Everything in it is a claim: the consumer checks the length
/// before it uses it, and uses the rest for statistics and seeds only.
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

/// What became of a frame in the hardware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// On the wire.
    Sent = 0,
    /// Refused: its length is not that of a frame.
    BadLength = 1,
    /// Refused: headers do not parse, or lengths in them contradict the frame.
    BadHeader = 2,
    /// Refused: a checksum is wrong.
    BadChecksum = 3,
}

impl Status {
    /// Reads what [`Status`] `as u8` wrote; `None` for anything else.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Sent, Self::BadLength, Self::BadHeader, Self::BadChecksum].into_iter().find(|s| *s as u8 == byte)
    }
}

/// The hardware has finished with a frame; its slot is free again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// Position in the ring's order: the first frame of a session is 0.
    pub position: u64,
    /// What became of it.
    pub status: Status,
    /// When the hardware finished, by the hardware's own ideal times.
    pub at: Nanos,
}

impl Completion {
    /// The completions of `frames` of which the same is to be said, this one first.
    pub(super) fn run(self, frames: u32) -> impl Iterator<Item = Self> {
        (0..u64::from(frames)).map(move |behind| Self { position: self.position.wrapping_add(behind), ..self })
    }

    /// Takes from the front of `behind` what follows this completion and says the same. Returns how many.
    pub(super) fn take_alike(&self, behind: &mut VecDeque<Self>) -> u32 {
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
    fn status_survives_its_byte_and_no_other_byte_is_one() {
        for byte in 0..=u8::MAX {
            match Status::from_byte(byte) {
                Some(status) => assert_eq!(status as u8, byte),
                None => assert!(byte > 3),
            }
        }
    }

    #[test]
    fn only_what_follows_and_says_the_same_is_alike() {
        let completion = |position, at| Completion { position, status: Status::Sent, at: Nanos(at) };
        let mut behind =
            VecDeque::from([(5, 7), (6, 7), (8, 7), (7, 7)].map(|(position, at)| completion(position, at)));
        assert_eq!((completion(4, 7).take_alike(&mut behind), behind.len()), (2, 2));
        assert_eq!((completion(7, 6).take_alike(&mut behind), behind.len()), (0, 2));
    }
}
