//! Internet checksums (RFC 1071), as fast as the processor adds.

use etherparse::IpNumber;
use etherparse::checksum::Sum16BitWords;
use shared::cpu::sum_words;

use super::Addresses;

/// The sum over the pseudo-header (addresses, protocol and length), which the checksums of UDP and ICMPv6 cover besides the message
/// of `length` bytes.
#[inline(always)]
pub(super) fn pseudo_header(addresses: &Addresses, protocol: IpNumber, length: u16) -> Sum16BitWords {
    let [high, low] = length.to_be_bytes();
    let mut sum = match addresses {
        Addresses::V4 { source, destination } => {
            let [a, b, c, d] = source.octets();
            let [e, f, g, h] = destination.octets();
            Sum16BitWords::new().add_8bytes([a, b, c, d, e, f, g, h])
        }
        Addresses::V6 { source, destination } => {
            Sum16BitWords::new().add_16bytes(source.octets()).add_16bytes(destination.octets())
        }
    };
    // IPv6 has protocol and length as wider fields; the additional bytes are zero and do not change the sum.
    sum.add_4bytes([0, protocol.0, high, low])
}

/// Eight bytes with the same ones' complement sum as `payload`, from which etherparse computes the checksum. Such a sum
/// of 16-bit words may be computed over wider words and folded afterwards (RFC 1071, section 2): this function sums
/// words as wide as the processor adds.
#[inline(always)]
pub(super) fn condense(payload: &[u8]) -> [u8; 8] {
    let (blocks, rest) = payload.as_chunks::<32>();
    let (words, rest) = rest.as_chunks::<8>();
    let mut sum = if blocks.is_empty() { 0 } else { u128::from(sum_words(blocks)) };
    let word = |word: &[u8; 8]| u128::from(u64::from_ne_bytes(*word));
    // At most three words are left; a loop over them would take longer than these two tests.
    let (pairs, single) = words.as_chunks::<2>();
    if let [[a, b]] = pairs {
        sum += word(a) + word(b);
    }
    if let [a] = single {
        sum += word(a);
    }
    sum += u128::from(tail(payload, rest.len()));
    // Fold to 64 bits: both casts truncate on purpose, and the upper half and the carry are added at the bottom
    // (end-around carry).
    let (sum, carry) = (sum as u64).overflowing_add((sum >> 64) as u64);
    (sum + u64::from(carry)).to_ne_bytes()
}

/// The last `len` bytes (fewer than 8) as the first bytes of a word, padded with zeros.
#[inline(always)]
fn tail(payload: &[u8], len: usize) -> u64 {
    let word = match payload.last_chunk::<8>() {
        _ if len == 0 => 0,
        // One load for any `len`: read the last 8 bytes and shift out those in front of the tail.
        Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - len)),
        None => payload.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    // The word was assembled in little-endian order; put it in memory order, as `from_ne_bytes` above reads words.
    word.to_le()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_checksum_equals_that_of_the_payload(payload in proptest::collection::vec(any::<u8>(), 0..1600)) {
            let of = |bytes: &[u8]| Sum16BitWords::new().add_2bytes([0, 1]).add_slice(bytes).ones_complement();
            prop_assert_eq!(of(&condense(&payload)), of(&payload));
        }

        #[test]
        fn long_payloads_do_not_overflow(byte in any::<u8>(), len in 0usize..70_000) {
            let payload = vec![byte; len];
            let of = |bytes: &[u8]| Sum16BitWords::new().add_2bytes([0, 1]).add_slice(bytes).ones_complement();
            prop_assert_eq!(of(&condense(&payload)), of(&payload));
        }
    }
}
