//! Payloads that contain the number of their packet.
//!
//! Several payload buffers are used in rotation, and all but the current one are numbered in one pass. So the stack
//! reads a payload some packets after it was written, as with a real app. Reading bytes at once in other widths than
//! they were just written in would stall the processor (failed store forwarding) for longer than all layers take.

use std::ops::RangeInclusive;

/// Bytes of all payloads together: few enough to stay in the first-level cache (usually 32 KiB) beside everything else.
const CACHED: usize = 4096;

/// How many payloads are in rotation: at least two, so that the current one is not overwritten, and enough that most
/// were not written just before.
const TURNS: RangeInclusive<usize> = 2..=64;

/// The payloads of one app, in rotation.
#[derive(Debug)]
pub(super) struct Payloads {
    /// All payloads, contiguous.
    bytes: Vec<u8>,
    size: usize,
    /// Packets taken so far, which is also the number of the next one.
    taken: u64,
    /// The first number that is in no payload yet.
    numbered: u64,
    /// Where the payload of the last packet starts.
    at: usize,
}

impl Payloads {
    /// Payloads of `size` bytes each; `size` is at least 1.
    pub(super) fn new(size: usize) -> Self {
        let turns = (CACHED / size).clamp(*TURNS.start(), *TURNS.end());
        // Bytes 0, 1, 2, ...: easy to recognise in a capture. The cast wraps on purpose.
        let bytes = (0..turns * size).map(|at| (at % size) as u8).collect();
        let mut payloads = Self { bytes, size, taken: 0, numbered: 0, at: (turns - 1) * size };
        payloads.number_others();
        payloads
    }

    /// Takes the next packet: its number and its payload.
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

    /// Writes the next numbers into all payloads except the current one, in order of use. Their packets were sent.
    #[inline(never)]
    fn number_others(&mut self) {
        let (front, behind) = self.bytes.split_at_mut(self.at + self.size);
        let others = behind.chunks_exact_mut(self.size).chain(front[..self.at].chunks_exact_mut(self.size));
        // `for_each` on a chain runs two plain loops; a `for` loop would check in each turn which half it is in.
        others.for_each(|payload| {
            number(payload, self.numbered);
            self.numbered += 1;
        });
    }

    /// The payload of the packet taken last.
    #[inline(always)]
    pub(super) fn last(&self) -> &[u8] {
        &self.bytes[self.at..self.at + self.size]
    }

    /// How many packets were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Undoes the last [`Payloads::next`]: that packet was not sent, and is the next one again.
    pub(super) fn give_back(&mut self) {
        self.taken -= 1;
        self.at = if self.at == 0 { self.bytes.len() } else { self.at } - self.size;
    }
}

/// Writes `sequence` at the end of `payload`. At the beginning, packet analysers would mistake some numbers for the
/// header of a protocol and report the packet as malformed.
#[inline(always)]
fn number(payload: &mut [u8], sequence: u64) {
    // Big-endian, so that a payload shorter than 8 bytes contains the low bytes, which change.
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
            let (number, payload) = payloads.next();
            assert_eq!((number, payload.len()), (sequence, size));
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
    fn payloads_of_every_size_end_with_the_packet_number() {
        for size in [1, 7, 8, 22, 200, 1458, 9000] {
            numbers(size, 300);
        }
    }
}
