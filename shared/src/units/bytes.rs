//! Sizes.

use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::error::Quantity;
use super::scale::{Prefix, Scale, Unit, spelled, split_prefix};

/// A number of bytes, spelled `1500B`, `64kB` or `64KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, SerializeDisplay, DeserializeFromStr)]
pub struct Bytes(pub u64);

const SCALE: Scale = Scale {
    quantity: Quantity::Size,
    base: "bytes",
    units: &[
        Unit::new("B", 1),
        Unit::new("kB", 1_000),
        Unit::new("KiB", 1 << 10),
        Unit::new("MB", 1_000_000),
        Unit::new("MiB", 1 << 20),
        Unit::new("GB", 1_000_000_000),
        Unit::new("GiB", 1 << 30),
    ],
    zero: false,
    bare: &["B", "kB", "KiB"],
    slip,
};

spelled!(Bytes, SCALE);

/// `K` and `KB` are ambiguous: 1000 or 1024. `Ki` and `kib` are clear.
fn slip(unit: &str) -> &'static [u64] {
    let (prefix, rest) = split_prefix(unit);
    let (prefix, byte) = match (prefix, rest.strip_prefix(['i', 'I'])) {
        (Some(Prefix::Kilo), Some(byte)) => (&[1 << 10][..], byte),
        (Some(Prefix::Mega), Some(byte)) => (&[1 << 20][..], byte),
        (Some(Prefix::Giga), Some(byte)) => (&[1 << 30][..], byte),
        (Some(Prefix::Kilo), None) => (&[1_000, 1 << 10][..], rest),
        (Some(Prefix::Mega), None) => (&[1_000_000, 1 << 20][..], rest),
        (Some(Prefix::Giga), None) => (&[1_000_000_000, 1 << 30][..], rest),
        (None, _) => (&[1][..], rest),
    };
    if matches!(byte, "" | "B" | "b" | "byte" | "bytes") { prefix } else { &[] }
}
