//! Decimal numbers without rounding.

/// A number in decimal digits, with or without a decimal point, as it was written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Decimal<'a> {
    whole: &'a str,
    /// Without trailing zeros.
    fraction: &'a str,
}

/// A decimal number of units, converted to base units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scaled {
    /// Exactly this many.
    Exactly(u64),
    /// More than this and less than one more.
    Above(u64),
    /// Above `u64::MAX`.
    TooLarge,
}

impl<'a> Decimal<'a> {
    /// Reads `12` or `1.5`: digits on both sides of the point, no sign, no exponent.
    pub(super) fn read(text: &'a str) -> Option<Self> {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        (digits(whole) && digits(fraction)).then(|| Self { whole, fraction: fraction.trim_end_matches('0') })
    }

    /// Converts this many units of `factor` base units each. `factor` is at most 2^30.
    pub(super) fn times(self, factor: u64) -> Scaled {
        let Ok(whole) = self.whole.parse::<u64>() else { return Scaled::TooLarge };
        let (part, exact) = self.fraction_times(factor);
        match whole.checked_mul(factor).and_then(|base| base.checked_add(part)) {
            Some(value) if exact => Scaled::Exactly(value),
            Some(value) => Scaled::Above(value),
            None => Scaled::TooLarge,
        }
    }

    /// The fraction times `factor`, rounded down, and whether that is exact.
    fn fraction_times(self, factor: u64) -> (u64, bool) {
        // Binary units need at most 30 decimals; 38 are the most that fit into 128 bits.
        const MOST: usize = 38;
        let kept = &self.fraction[..self.fraction.len().min(MOST)];
        let digits = kept.parse::<u128>().unwrap_or(0);
        let scale = 10u128.pow(kept.len() as u32);
        // Reduced, so that the product fits into 128 bits: `digits` is less than `scale`.
        let common = gcd(u128::from(factor), scale);
        let product = digits * (u128::from(factor) / common);
        let scale = scale / common;
        let exact = product.is_multiple_of(scale) && kept.len() == self.fraction.len();
        (u64::try_from(product / scale).unwrap_or(u64::MAX), exact)
    }
}

/// `value` base units as a decimal number of units of `factor` base units. Exact: the only prime factors of `factor`
/// are 2 and 5, so the number of decimals is finite.
pub(super) fn write(value: u64, factor: u64) -> String {
    let mut text = (value / factor).to_string();
    let mut rest = value % factor;
    if rest > 0 {
        text.push('.');
    }
    while rest > 0 {
        // Cannot overflow: the rest is less than a factor of at most 2^30.
        rest *= 10;
        text.extend(char::from_digit((rest / factor) as u32, 10));
        rest %= factor;
    }
    text
}

fn gcd(a: u128, b: u128) -> u128 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(text: &str, factor: u64) -> Scaled {
        Decimal::read(text).unwrap().times(factor)
    }

    #[test]
    fn a_conversion_is_exact_or_reported_as_inexact() {
        assert_eq!(times("1.82", 1_000), Scaled::Exactly(1_820));
        assert_eq!(times("1.8200", 1_000), Scaled::Exactly(1_820));
        assert_eq!(times("1.8205", 1_000), Scaled::Above(1_820));
        assert_eq!(times("0.000000000931322574615478515625", 1 << 30), Scaled::Exactly(1));
        assert_eq!(times("0.1", 1 << 10), Scaled::Above(102));
        assert_eq!(times(&format!("0.{}1", "0".repeat(60)), 1), Scaled::Above(0));
    }

    #[test]
    fn a_number_above_64_bits_is_too_large() {
        assert_eq!(times("18446744073709551615", 1), Scaled::Exactly(u64::MAX));
        assert_eq!(times("18446744073.709551615", 1_000_000_000), Scaled::Exactly(u64::MAX));
        assert_eq!(times("18446744073.709551616", 1_000_000_000), Scaled::TooLarge);
        assert_eq!(times("18446744073709551616", 1), Scaled::TooLarge);
    }

    #[test]
    fn only_digits_and_one_point_are_a_number() {
        for bad in ["", ".", "1.", ".5", "+1", "-1", "1e3", "1_000", "1.2.3", "٣", " 1"] {
            assert!(Decimal::read(bad).is_none(), "{bad}");
        }
    }
}
