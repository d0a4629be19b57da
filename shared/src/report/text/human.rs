//! Numbers for people: three digits and a unit.
//!
//! They are rounded, unlike the spellings in [`units`](crate::units), and not meant to be parsed: the
//! JSON has the exact values.

/// A time of `nanos` nanoseconds: `12.3 us`.
pub fn time(nanos: f64) -> String {
    scaled(nanos, &[("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)])
}

/// A rate in bits a second: `954 Mbit/s`.
pub fn bit_rate(bits_per_second: f64) -> String {
    scaled(bits_per_second, &[("bit/s", 1.0), ("kbit/s", 1e3), ("Mbit/s", 1e6), ("Gbit/s", 1e9)])
}

/// A rate in packets a second: `81.3 kpps`.
pub fn packet_rate(packets_per_second: f64) -> String {
    scaled(packets_per_second, &[("pps", 1.0), ("kpps", 1e3), ("Mpps", 1e6), ("Gpps", 1e9)])
}

/// Formats a figure with `form`; `-` if there is none.
pub fn known(form: impl Fn(f64) -> String, figure: Option<f64>) -> String {
    figure.map_or_else(|| "-".to_owned(), form)
}

/// A time of whole nanoseconds; `-` if there is none.
pub fn span(nanos: Option<u64>) -> String {
    known(time, nanos.map(|nanos| nanos as f64))
}

/// A ratio as a percentage: `49.9 %`.
pub fn percent(ratio: f64) -> String {
    format!("{} %", three_digits(ratio * 100.0))
}

/// A mean: `63.9`.
pub fn mean(value: f64) -> String {
    three_digits(value)
}

/// A count, exact, with thousands separators: `406,370`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A count of things whose plural ends with s: `1 wait`, `2,000 waits`.
pub fn counted(value: u64, what: &str) -> String {
    format!("{} {what}{}", count(value), if value == 1 { "" } else { "s" })
}

/// Formats `value` in the largest unit in which it is at least 1 after rounding.
fn scaled(value: f64, units: &[(&str, f64)]) -> String {
    // 0.9995 is the smallest value that three digits round to 1.00.
    let reaches = |&&(_, factor): &&(&str, f64)| value.abs() >= factor * 0.9995;
    let (unit, factor) = units.iter().rev().find(reaches).or(units.first()).copied().unwrap_or(("", 1.0));
    format!("{} {unit}", three_digits(value / factor))
}

/// Three significant digits. Whole numbers keep all their digits and get no decimals. Never an exponent.
fn three_digits(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    // The factor accounts for rounding up: 9.996 becomes 10.0, so it has one decimal, like 10.
    let magnitude = (size * 1.0005).log10().floor();
    let decimals = (2.0 - magnitude).clamp(0.0, 12.0) as usize;
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_has_three_digits_and_the_largest_unit_that_fits() {
        let cases = [
            (0.0, "0 ns"),
            (5.0, "5 ns"),
            (5.25, "5.25 ns"),
            (999.4, "999 ns"),
            (999.6, "1.00 us"),
            (1_000.0, "1 us"),
            (9_996.0, "10.0 us"),
            (12_345.0, "12.3 us"),
            (123_456.0, "123 us"),
            (5_000_000_000.0, "5 s"),
            (61_234_567_890.0, "61.2 s"),
            (1.234e13, "12340 s"),
        ];
        for (nanos, expected) in cases {
            assert_eq!(time(nanos), expected);
        }
        assert_eq!(bit_rate(954.3e6), "954 Mbit/s");
        assert_eq!(packet_rate(81_274.0), "81.3 kpps");
    }

    #[test]
    fn a_small_share_is_not_rounded_to_nothing() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(1.0), "100 %");
        assert_eq!(percent(0.4988), "49.9 %");
        assert_eq!(percent(1e-6 / 3.0), "0.0000333 %");
    }

    #[test]
    fn counts_are_exact() {
        for (value, expected) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(value), expected);
        }
        assert_eq!([0, 1, 2000].map(|value| counted(value, "wait")), ["0 waits", "1 wait", "2,000 waits"]);
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
    }
}
