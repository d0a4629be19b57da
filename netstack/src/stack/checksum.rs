//! The sum over a payload, as UDP's checksum needs it.
//!
//! The checksum itself is `etherparse`'s. But a sum of 16-bit words may be taken over wider words
//! and folded afterwards (RFC 1071, section 2), as wide as the processor adds.

use shared::cpu::sum_words;

/// Eight bytes that sum up to what `payload` does.
#[inline(always)]
pub(super) fn condense(payload: &[u8]) -> [u8; 8] {
    let (blocks, rest) = payload.as_chunks::<32>();
    let (words, rest) = rest.as_chunks::<8>();
    let mut sum = if blocks.is_empty() { 0 } else { u128::from(sum_words(blocks)) };
    let word = |word: &[u8; 8]| u128::from(u64::from_ne_bytes(*word));
    // There are three at most, and a loop takes longer than all of them.
    let (pairs, single) = words.as_chunks::<2>();
    if let [[a, b]] = pairs {
        sum += word(a) + word(b);
    }
    if let [a] = single {
        sum += word(a);
    }
    sum += u128::from(tail(payload, rest.len()));
    // What went over the top comes in again at the bottom.
    let (sum, carry) = (sum as u64).overflowing_add((sum >> 64) as u64);
    (sum + u64::from(carry)).to_ne_bytes()
}

/// The last `len` bytes, below 8, at the beginning of a word.
#[inline(always)]
fn tail(payload: &[u8], len: usize) -> u64 {
    let word = match payload.last_chunk::<8>() {
        _ if len == 0 => 0,
        // Read with the bytes in front of them, which are shifted out: one load, for any length.
        Some(last) => u64::from_le_bytes(*last) >> (8 * (8 - len)),
        None => payload.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    word.to_le()
}

#[cfg(test)]
mod tests {
    use super::*;
    use etherparse::checksum::Sum16BitWords;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_checksum_stays_the_same(payload in proptest::collection::vec(any::<u8>(), 0..1600)) {
            let of = |bytes: &[u8]| Sum16BitWords::new().add_2bytes([0, 1]).add_slice(bytes).ones_complement();
            prop_assert_eq!(of(&condense(&payload)), of(&payload));
        }

        #[test]
        fn nothing_overflows(byte in any::<u8>(), len in 0usize..70_000) {
            let payload = vec![byte; len];
            let of = |bytes: &[u8]| Sum16BitWords::new().add_2bytes([0, 1]).add_slice(bytes).ones_complement();
            prop_assert_eq!(of(&condense(&payload)), of(&payload));
        }
    }
}
