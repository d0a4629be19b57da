//! The work of a level: very little, but with a different constant for each level of each variant.

use etherparse::UdpHeader;

/// Levels of each call, including the leaf.
pub const LEVELS: usize = 5;

/// Variants of each level.
pub const VARIANTS: usize = if cfg!(feature = "all-variants") { 512 } else { 8 };

/// The constant of one level of one variant. It occurs only in the code, so that no two variants can share their code.
pub(crate) const fn key(variant: u64, level: u64) -> u64 {
    // One step of splitmix64, so that consecutive inputs give unrelated constants.
    let seed = (variant * 8 + level + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed ^ (mixed >> 31)
}

/// A level's work on the way down.
#[inline(always)]
pub(crate) fn down(word: u64, key: u64) -> u64 {
    (word ^ key).rotate_left(7)
}

/// A level's work on the way up: it prevents a tail call, in which a level would only jump to the next.
#[inline(always)]
pub(crate) fn up(word: u64, key: u64) -> u64 {
    word.wrapping_add(key).rotate_left(9)
}

/// Payload of the smallest Ethernet frame: 64 B minus 42 B of headers.
const PAYLOAD: usize = 22;

/// Writes a UDP header with its checksum in front of a small payload derived from `word`, and returns a digest of the
/// header. All arms share this one copy of the code, so that they differ in the calls only.
#[inline(never)]
pub(crate) fn encapsulate(word: u64) -> u64 {
    let mut datagram = [0; UdpHeader::LEN + PAYLOAD];
    let (header, payload) = datagram.split_at_mut(UdpHeader::LEN);
    for (at, byte) in payload.iter_mut().enumerate() {
        *byte = word.rotate_left(3 * at as u32) as u8;
    }
    let length = (UdpHeader::LEN + PAYLOAD) as u16;
    let mut udp = UdpHeader { source_port: word as u16, destination_port: 9, length, checksum: 0 };
    // Fails only for a payload above 65 527 bytes.
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
