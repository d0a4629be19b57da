//! Rates: bits and packets a second.

use serde_with::{DeserializeFromStr, SerializeDisplay};

use super::Nanos;
use super::error::Quantity;
use super::scale::{Prefix, Scale, Unit, spelled, split_prefix};

/// Bits a second, spelled `10Mbit` or `2.5Gbit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, SerializeDisplay, DeserializeFromStr)]
pub struct BitRate(pub u64);

/// Packets a second, spelled `500pps` or `250kpps`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, SerializeDisplay, DeserializeFromStr)]
pub struct PacketRate(pub u64);

impl BitRate {
    /// How long `bits` take at this rate, rounded down to a whole nanosecond.
    ///
    /// For many frames do not sum these times, because the rounding errors add up; compute the time of the sum of
    /// their bits. Returns [`Nanos::MAX`] at a rate of zero, and beyond 584 years.
    pub fn time_for_bits(self, bits: u64) -> Nanos {
        let span = (u128::from(bits) * 1_000_000_000).checked_div(u128::from(self.0));
        Nanos(span.and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or(u64::MAX))
    }
}

pub(super) const BIT_RATE: Scale = Scale {
    quantity: Quantity::BitRate,
    base: "bits a second",
    units: &[
        Unit::new("Gbit", 1_000_000_000),
        Unit::new("Mbit", 1_000_000),
        Unit::new("kbit", 1_000),
        Unit::new("bit", 1),
    ],
    zero: false,
    bare: &["bit", "kbit", "Mbit", "Gbit"],
    slip: bit_rate_slip,
};

const PACKET_RATE: Scale = Scale {
    quantity: Quantity::PacketRate,
    base: "packets a second",
    units: &[
        Unit::new("Gpps", 1_000_000_000),
        Unit::new("Mpps", 1_000_000),
        Unit::new("kpps", 1_000),
        Unit::new("pps", 1),
    ],
    zero: false,
    bare: &["pps", "kpps", "Mpps"],
    slip: packet_rate_slip,
};

spelled!(BitRate, BIT_RATE);
spelled!(PacketRate, PACKET_RATE);

/// `Mbps`, `Mbit/s`, `mbit` and `Mb/s` are bits; `MB/s` is bytes, eight bits each.
fn bit_rate_slip(unit: &str) -> &'static [u64] {
    let unit = unit.strip_suffix("/s").or_else(|| unit.strip_suffix("ps")).unwrap_or(unit);
    let (prefix, rest) = split_prefix(unit);
    match rest {
        "" | "b" | "bit" | "bits" => decimal(prefix),
        "B" | "byte" | "bytes" | "Byte" | "Bytes" => match prefix {
            None => &[8],
            Some(Prefix::Kilo) => &[8_000],
            Some(Prefix::Mega) => &[8_000_000],
            Some(Prefix::Giga) => &[8_000_000_000],
        },
        _ => &[],
    }
}

fn packet_rate_slip(unit: &str) -> &'static [u64] {
    let (prefix, rest) = split_prefix(unit);
    let packets = rest.is_empty() || ["pps", "p/s", "packets/s", "/s"].iter().any(|p| rest.eq_ignore_ascii_case(p));
    if packets { decimal(prefix) } else { &[] }
}

fn decimal(prefix: Option<Prefix>) -> &'static [u64] {
    match prefix {
        None => &[1],
        Some(Prefix::Kilo) => &[1_000],
        Some(Prefix::Mega) => &[1_000_000],
        Some(Prefix::Giga) => &[1_000_000_000],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_round_down_and_never_panic() {
        assert_eq!(BitRate(1_000_000_000).time_for_bits(1538 * 8), Nanos(12_304));
        assert_eq!(BitRate(3).time_for_bits(1), Nanos(333_333_333));
        assert_eq!(BitRate(0).time_for_bits(0), Nanos::MAX);
        assert_eq!(BitRate(1).time_for_bits(u64::MAX), Nanos::MAX);
    }
}
