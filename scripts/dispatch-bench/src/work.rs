//! What a level does: next to nothing, but not the same in any two places.

use etherparse::UdpHeader;

/// Levels of each call, the leaf among them.
pub const LEVELS: usize = 5;

/// Variants of each level.
pub const VARIANTS: usize = if cfg!(feature = "all-variants") { 512 } else { 8 };

/// The constant of one level of one variant. It is in the code and nowhere else, so that no two
/// variants can share their code.
pub(crate) const fn key(variant: u64, level: u64) -> u64 {
    // One step of splitmix64: neighbours get unrelated constants.
    let seed = (variant * 8 + level + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

/// A level's work on the way down.
#[inline(always)]
pub(crate) fn down(word: u64, key: u64) -> u64 {
    (word ^ key).rotate_left(7)
}

/// A level's work on the way up: because of it, no level ends in a mere jump to the next.
#[inline(always)]
pub(crate) fn up(word: u64, key: u64) -> u64 {
    word.wrapping_add(key).rotate_left(9)
}

/// Payload of the smallest Ethernet frame.
const PAYLOAD: usize = 22;

/// Writes a UDP header and its checksum in front of a small payload that `word` decides, and returns
/// a digest of the header. One copy of the code for all arms, so that they differ in the call alone.
#[inline(never)]
pub(crate) fn encapsulate(word: u64) -> u64 {
    let mut datagram = [0; UdpHeader::LEN + PAYLOAD];
    let (header, payload) = datagram.split_at_mut(UdpHeader::LEN);
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte = word.rotate_left(3 * at as u32) as u8;
    }
    let length = (UdpHeader::LEN + PAYLOAD) as u16;
    let mut udp = UdpHeader { source_port: word as u16, destination_port: 9, length, checksum: 0 };
    // It can only fail for a payload that is too long.
    udp.checksum = udp.calc_checksum_ipv4_raw([10, 0, 0, 1], [10, 0, 0, 2], payload).unwrap_or_default();
    header.copy_from_slice(&udp.to_bytes());
    u64::from_le_bytes(udp.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn no_two_levels_of_any_variants_have_the_same_constant() {
        let all: BTreeSet<u64> =
            (0..512).flat_map(|variant| (0..LEVELS as u64).map(move |level| key(variant, level))).collect();
        assert_eq!(all.len(), 512 * LEVELS);
    }

    #[test]
    fn the_body_depends_on_its_word_in_ports_and_checksum() {
        let (one, other) = (encapsulate(1 << 40), encapsulate(2 << 40));
        assert_eq!(one as u32, other as u32, "the same ports");
        assert_ne!(one >> 48, other >> 48, "another checksum");
    }
}
