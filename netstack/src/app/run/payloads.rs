//! Payloads that begin with a [`PayloadHeader`], in which the number of their packet is.
//!
//! Several payload buffers are used in rotation, and all but the current one are numbered in one pass. So the stack
//! reads a payload some packets after it was written, as with a real app. Reading bytes at once in other widths than
//! they were just written in would stall the processor (failed store forwarding) for longer than all layers take.
//!
//! If payloads differ in length, each packet numbers the buffer of the packet before it, for its next use. That is
//! behind the branch that an app with one length takes once in a rotation, so that such an app pays nothing for it.

use std::ops::RangeInclusive;

use shared::units::Nanos;

use crate::app::PayloadHeader;
use crate::app::sizes::Lengths;

/// Bytes of all payloads together: few enough to stay in the first-level cache (usually 32 KiB) beside everything else.
const CACHED: usize = 4096;

/// How many payloads are in rotation: at least two, so that the current one is not overwritten, and enough that most
/// were not written just before.
const TURNS: RangeInclusive<usize> = 2..=64;

/// The payloads of one app, in rotation.
#[derive(Debug)]
pub(super) struct Payloads {
    /// All buffers, contiguous.
    bytes: Vec<u8>,
    /// Bytes of a buffer: the largest length.
    size: usize,
    lengths: Lengths,
    /// The length of the payload of the last packet.
    length: usize,
    /// Packets taken so far, which is also the number of the next one.
    taken: u64,
    /// The first number that is in no payload yet.
    numbered: u64,
    /// Where the payload of the last packet starts.
    at: usize,
    /// What all headers have in common.
    header: PayloadHeader,
    /// Whether the headers state the intended times. They are written just before the stack reads them, which costs time:
    /// so only if there is a far end.
    states_times: bool,
}

impl Payloads {
    /// Payloads of these lengths, of which none is 0, of app number `app`.
    pub(super) fn new(lengths: Lengths, app: u32, states_times: bool) -> Self {
        let size = lengths.largest();
        let turns = (CACHED / size).clamp(*TURNS.start(), *TURNS.end());
        let header = PayloadHeader { app, sequence: 0, intended: Nanos::ZERO };
        let mut bytes: Vec<u8> = (0..turns * size).map(|at| pattern(at % size)).collect();
        bytes.chunks_exact_mut(size).for_each(|buffer| write_header(buffer, header));
        let at = (turns - 1) * size;
        let mut payloads = Self { bytes, size, lengths, length: size, taken: 0, numbered: 0, at, header, states_times };
        if let Lengths::One(_) = payloads.lengths {
            payloads.number_others();
        } else {
            for (buffer, sequence) in payloads.bytes.chunks_exact_mut(size).zip(0..turns as u64 - 1) {
                begin(&mut buffer[..payloads.lengths.of(sequence)], PayloadHeader { sequence, ..header });
            }
            payloads.numbered = 1;
        }
        payloads
    }

    /// Takes the next packet, which is intended for `intended`: its number and its payload.
    #[inline(always)]
    pub(super) fn next(&mut self, intended: Nanos) -> (u64, &[u8]) {
        let sequence = self.taken;
        let end = self.at + self.size;
        self.at = if end == self.bytes.len() { 0 } else { end };
        self.taken += 1;
        if self.taken == self.numbered {
            self.number_others();
        }
        if self.states_times {
            self.state(intended);
        }
        (sequence, self.last())
    }

    /// Writes the intended time into the current payload.
    #[inline(never)]
    fn state(&mut self, intended: Nanos) {
        let payload = &mut self.bytes[self.at..self.at + self.length];
        if payload.len() >= PayloadHeader::LEN {
            payload[PayloadHeader::INTENDED..PayloadHeader::LEN].copy_from_slice(&intended.0.to_be_bytes());
        }
    }

    /// Writes the next numbers into all payloads except the current one, in order of use. Their packets were sent.
    #[inline(never)]
    fn number_others(&mut self) {
        if !matches!(self.lengths, Lengths::One(_)) {
            return self.number_previous();
        }
        let (front, behind) = self.bytes.split_at_mut(self.at + self.size);
        let others = behind.chunks_exact_mut(self.size).chain(front[..self.at].chunks_exact_mut(self.size));
        // `for_each` on a chain runs two plain loops; a `for` loop would check in each turn which half it is in.
        others.for_each(|payload| {
            number(payload, self.numbered);
            self.numbered += 1;
        });
    }

    /// Sets the length of the current payload, and writes the number of its next use into the buffer of the packet
    /// before, which was sent.
    fn number_previous(&mut self) {
        let turns = (self.bytes.len() / self.size) as u64;
        let current = self.taken - 1;
        self.length = self.lengths.of(current);
        self.numbered = self.taken + 1;
        let at = if self.at == 0 { self.bytes.len() } else { self.at } - self.size;
        let next = current + turns - 1;
        let payload = &mut self.bytes[at..][..self.lengths.of(next)];
        begin(payload, PayloadHeader { sequence: next, ..self.header });
    }

    /// How many of the next packets, `most` at most, have the same length.
    #[inline(always)]
    pub(super) fn run(&self, most: u64) -> u64 {
        self.lengths.run(self.taken, most)
    }

    /// The payload of the packet taken last.
    #[inline(always)]
    pub(super) fn last(&self) -> &[u8] {
        &self.bytes[self.at..self.at + self.length]
    }

    /// How many packets were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Undoes the last [`Payloads::next`]: that packet was not sent, and is the next one again.
    pub(super) fn give_back(&mut self) {
        self.taken -= 1;
        if !matches!(self.lengths, Lengths::One(_)) {
            self.numbered = self.taken + 1;
        }
        self.at = if self.at == 0 { self.bytes.len() } else { self.at } - self.size;
    }
}

/// The byte at `at` of each payload: 0, 1, 2, ..., easy to recognise in a capture. The cast wraps on purpose.
fn pattern(at: usize) -> u8 {
    at as u8
}

/// Writes `header` to the beginning of `payload`, if that is long enough for it.
fn write_header(payload: &mut [u8], header: PayloadHeader) {
    if let Some(place) = payload.first_chunk_mut() {
        *place = header.to_bytes();
    }
}

/// Writes what `payload` begins with: the header, or if there is no room for it the pattern with the number at the end.
fn begin(payload: &mut [u8], header: PayloadHeader) {
    if payload.len() < PayloadHeader::LEN {
        payload.iter_mut().enumerate().for_each(|(at, byte)| *byte = pattern(at));
    }
    write_header(payload, header);
    number(payload, header.sequence);
}

/// Writes `sequence` into `payload`, whose header has everything else; without room for a header, to its end.
#[inline(always)]
fn number(payload: &mut [u8], sequence: u64) {
    if payload.len() >= PayloadHeader::LEN {
        payload[PayloadHeader::SEQUENCE..PayloadHeader::INTENDED].copy_from_slice(&sequence.to_be_bytes());
        return;
    }
    // Big-endian, so that a payload shorter than 8 bytes contains the low bytes, which change.
    match payload.last_chunk_mut() {
        Some(number) => *number = sequence.to_be_bytes(),
        None => payload.iter_mut().rev().zip(sequence.to_le_bytes()).for_each(|(byte, digit)| *byte = digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(lengths: &Lengths, packets: u64) {
        let mut payloads = Payloads::new(lengths.clone(), 5, true);
        for sequence in 0..packets {
            let intended = Nanos(1_000 * sequence);
            let (number, payload) = payloads.next(intended);
            let size = lengths.of(sequence);
            assert_eq!((number, payload.len()), (sequence, size));
            let (pattern, from) = match PayloadHeader::read(payload) {
                Some(header) => {
                    assert_eq!(header, PayloadHeader { app: 5, sequence, intended });
                    (&payload[PayloadHeader::LEN..], PayloadHeader::LEN as u8)
                }
                None => {
                    let digits = sequence.to_be_bytes();
                    let shown = size.min(digits.len());
                    assert_eq!(
                        payload[size - shown..],
                        digits[digits.len() - shown..],
                        "packet {sequence} of {size} B"
                    );
                    assert!(size < PayloadHeader::LEN);
                    (&payload[..size - shown], 0)
                }
            };
            assert!(pattern.iter().zip((0u8..=u8::MAX).cycle().skip(from.into())).all(|(byte, at)| *byte == at));
            if sequence % 3 == 0 {
                payloads.give_back();
                assert_eq!(payloads.next(intended).0, sequence);
                assert_eq!(payloads.last().len(), size);
            }
        }
    }

    #[test]
    fn payloads_of_every_size_have_the_packet_number() {
        for size in [1, 7, 8, 21, 22, 200, 1458, 9000] {
            numbers(&Lengths::One(size), 300);
        }
    }

    #[test]
    fn payloads_of_a_mix_have_their_own_number_and_no_other() {
        for mix in ["1B:1/9B:1", "64B:7/576B:4/1472B:1", "1B:1/2B:1/3B:1/300B:9", "21B:1/22B:1/23B:1", "5000B:1/8B:1"] {
            numbers(&crate::app::Sizes::read_mix(mix).unwrap().lengths(3, 1), 3_000);
        }
    }
}
