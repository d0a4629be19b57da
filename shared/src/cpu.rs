//! What the processor can do and the language cannot say without `unsafe`: the only such place.
//!
//! Measured against the same code without it, two processes, frames of 1500 B: the sum over the payload took 33 of
//! the 128 ns that the stack has for a packet, and took 12 of 107 in wider registers; asking for the next slot while
//! this one is copied takes the driver from 78 to 66 ns. (Asking for slots before they are written cost 7 ns of 88.)
#![allow(unsafe_code, reason = "a sixth of the time of a large packet on either side, and nothing else goes in here")]

/// The kind of processor, as far as it decides which of the functions below run.
pub fn kind() -> String {
    let arch = std::env::consts::ARCH;
    if has_wide_registers() { format!("{arch} with wide registers") } else { arch.to_owned() }
}

fn has_wide_registers() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("avx2");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Sums up the 32-bit words of `blocks`, each in the machine's byte order.
///
/// It overflows beyond 16 GiB, which no packet comes near.
pub fn sum_words(blocks: &[[u8; 32]]) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if has_wide_registers() {
        // SAFETY: the function needs nothing but the instructions that were just found to be there.
        return unsafe { sum_words_avx2(blocks) };
    }
    sum_words_anywhere(blocks)
}

/// The same, compiled for wider registers.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn sum_words_avx2(blocks: &[[u8; 32]]) -> u64 {
    sum_words_anywhere(blocks)
}

/// Asks for the lines of `len` bytes at `at`, which are read soon. A hint: it reads nothing by itself.
#[inline(always)]
pub fn prefetch(at: *const u8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for line in (0..len).step_by(64) {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a hint about any address is allowed: it changes nothing, and faults nowhere.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(line).cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, len);
}

#[inline(always)]
fn sum_words_anywhere(blocks: &[[u8; 32]]) -> u64 {
    // Eight sums side by side, as registers hold them.
    let mut lanes = [0u64; 8];
    for block in blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<4>().0) {
            *lane += u64::from(u32::from_ne_bytes(*word));
        }
    }
    lanes.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn wider_registers_give_the_same_sum(bytes in proptest::collection::vec(any::<u8>(), 0..3000)) {
            let (blocks, _) = bytes.as_chunks::<32>();
            let plain: u64 = blocks.as_flattened().as_chunks::<4>().0.iter().map(|word| u64::from(u32::from_ne_bytes(*word))).sum();
            prop_assert_eq!(sum_words(blocks), plain);
            prop_assert_eq!(sum_words_anywhere(blocks), plain);
        }
    }
}
