//! What an app sends: payloads that carry the number of their packet.
//!
//! A few of them take turns, and all but the one in use are numbered together. So a payload is older than a packet when
//! it is read, as that of an app with something to say would be: to read at once what was just written in other pieces
//! takes a processor longer than all layers together.

use std::ops::RangeInclusive;

/// Bytes that stay in the first-level cache beside everything else.
const CACHED: usize = 4096;

/// How many payloads take turns: enough for most of them to be old, and two at least.
const TURNS: RangeInclusive<usize> = 2..=64;

/// Payloads in turn.
#[derive(Debug)]
pub(super) struct Payloads {
    /// One behind the other.
    bytes: Vec<u8>,
    size: usize,
    /// Packets so far.
    taken: u64,
    /// The first packet whose number is in no payload yet.
    numbered: u64,
    /// Where the payload of the last one starts.
    at: usize,
}

impl Payloads {
    /// Payloads of `size` bytes, which is at least one.
    pub(super) fn new(size: usize) -> Self {
        let turns = (CACHED / size).clamp(*TURNS.start(), *TURNS.end());
        // A pattern that is easy to recognise in a capture.
        let bytes = (0..turns * size).map(|at| (at % size) as u8).collect();
        let mut payloads = Self { bytes, size, taken: 0, numbered: 0, at: (turns - 1) * size };
        payloads.number_others();
        payloads
    }

    /// The number of the next packet, and its payload.
    #[inline(always)]
    pub(super) fn next(&mut self) -> (u64, &[u8]) {
        let sequence = self.taken;
        let end = self.at + self.size;
        self.at = if end == self.bytes.len() { 0 } else { end };
        self.taken += 1;
        if self.taken == self.numbered {
            self.number_others();
        }
        (sequence, self.last())
    }

    /// Numbers the payloads behind the last one, whose packets are all gone.
    #[inline(never)]
    fn number_others(&mut self) {
        let (front, behind) = self.bytes.split_at_mut(self.at + self.size);
        let others = behind.chunks_exact_mut(self.size).chain(front[..self.at].chunks_exact_mut(self.size));
        // A chain walks itself as two plain loops; a loop over it would ask each time which of the two it is in.
        others.for_each(|payload| {
            number(payload, self.numbered);
            self.numbered += 1;
        });
    }

    /// The payload of the packet that was taken last.
    #[inline(always)]
    pub(super) fn last(&self) -> &[u8] {
        &self.bytes[self.at..self.at + self.size]
    }

    /// How many were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The packet that was taken last was not sent: it is the next one again.
    pub(super) fn give_back(&mut self) {
        self.taken -= 1;
        self.at = if self.at == 0 { self.bytes.len() } else { self.at } - self.size;
    }
}

/// Writes the number of its packet at the end of a payload. At its front, now and then a number would look like the
/// header of some protocol, and analysers would find it malformed.
#[inline(always)]
fn number(payload: &mut [u8], sequence: u64) {
    // Big-endian, so that a payload with room for less holds the bytes that change.
    match payload.last_chunk_mut() {
        Some(number) => *number = sequence.to_be_bytes(),
        None => payload.iter_mut().rev().zip(sequence.to_le_bytes()).for_each(|(byte, digit)| *byte = digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(size: usize, packets: u64) {
        let mut payloads = Payloads::new(size);
        for sequence in 0..packets {
            let (said, payload) = payloads.next();
            assert_eq!((said, payload.len()), (sequence, size));
            let digits = sequence.to_be_bytes();
            let shown = size.min(digits.len());
            assert_eq!(payload[size - shown..], digits[digits.len() - shown..], "packet {sequence} of {size} B");
            assert!(payload[..size - shown].iter().zip(0u8..=u8::MAX).all(|(byte, at)| *byte == at));
            if sequence % 3 == 0 {
                payloads.give_back();
                assert_eq!(payloads.next().0, sequence);
            }
        }
    }

    #[test]
    fn each_packet_has_its_number_at_the_end_whatever_its_size() {
        for size in [1, 7, 8, 22, 200, 1458, 9000] {
            numbers(size, 300);
        }
    }
}
