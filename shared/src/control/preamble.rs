//! The first 8 bytes of a connection. Their format is the same in every version.

/// The version of the protocol that follows the preamble.
pub const VERSION: u32 = 6;

/// Bytes of a preamble.
pub const PREAMBLE_LEN: usize = 8;

// Ends in a control character (escape), so that no text matches.
const MAGIC: [u8; 4] = *b"PBK\x1b";

/// The magic, then the version in little-endian order.
pub fn preamble() -> [u8; PREAMBLE_LEN] {
    let mut bytes = [0; PREAMBLE_LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4..].copy_from_slice(&VERSION.to_le_bytes());
    bytes
}

/// The version that `bytes` announces; `None` if they are not a preamble at all.
pub fn check_preamble(bytes: [u8; PREAMBLE_LEN]) -> Option<u32> {
    let [a, b, c, d, version @ ..] = bytes;
    ([a, b, c, d] == MAGIC).then(|| u32::from_le_bytes(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preamble_contains_the_version_and_other_bytes_are_refused() {
        assert_eq!(check_preamble(preamble()), Some(VERSION));
        assert_eq!(check_preamble(*b"GET / HT"), None);
    }
}
