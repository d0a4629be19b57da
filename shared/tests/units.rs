//! The spelling of units, as flags, configuration and reports rely on it.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::prelude::*;
use shared::units::{BitRate, Bytes, LinkRate, Nanos, PacketRate, Ratio, UnitError};

/// Parses, or gives the message.
fn read<T: FromStr<Err = UnitError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: UnitError| error.to_string())
}

#[test]
fn each_spelling_means_what_it_says() {
    assert_eq!(read("1Gbit"), Ok(BitRate(1_000_000_000)));
    assert_eq!(read("2.5Gbit"), Ok(BitRate(2_500_000_000)));
    assert_eq!(read("250kpps"), Ok(PacketRate(250_000)));
    assert_eq!(read("1500B"), Ok(Bytes(1500)));
    assert_eq!(read("64KiB"), Ok(Bytes(65_536)));
    assert_eq!(read("64kB"), Ok(Bytes(64_000)));
    assert_eq!(read("12us"), Ok(Nanos(12_000)));
    assert_eq!(read("1.5ms"), Ok(Nanos(1_500_000)));
    assert_eq!(read("0s"), Ok(Nanos(0)));
    assert_eq!(read("0.9"), Ok(Ratio(0.9)));
    assert_eq!(read("90%"), Ok(Ratio(0.9)));
    assert_eq!(read("7.3%"), Ok(Ratio(0.073)));
    assert_eq!(read("2"), Ok(Ratio(2.0)));
    assert_eq!(read("unlimited"), Ok(LinkRate::Unlimited));
    assert_eq!(read("100Mbit"), Ok(LinkRate::Limited(BitRate(100_000_000))));
}

#[test]
fn values_are_printed_in_their_shortest_exact_spelling() {
    let printed = [
        Nanos(12_000).to_string(),
        Nanos(1_820).to_string(),
        Nanos(12_304).to_string(),
        Nanos(100_000).to_string(),
        Nanos(0).to_string(),
        Bytes(1500).to_string(),
        Bytes(65_536).to_string(),
        Bytes(1_500_000).to_string(),
        Bytes(u64::MAX).to_string(),
        BitRate(1_000_000_000).to_string(),
        BitRate(100_000).to_string(),
        PacketRate(250_000).to_string(),
        PacketRate(81_274).to_string(),
        Ratio(0.9).to_string(),
        LinkRate::Unlimited.to_string(),
    ];
    let expected = "12us 1.82us 12304ns 100us 0s 1500B 64KiB 1.5MB 18446744073709551615B \
                    1Gbit 100kbit 250kpps 81274pps 0.9 unlimited";
    assert_eq!(printed.join(" "), expected);
}

#[test]
fn every_refusal_names_the_right_spelling() {
    let mut table = String::new();
    let long = "9".repeat(100);
    refuse::<Nanos>(&mut table, &["", "5", "5S", "5 s", " 5s", "5sec", "5µs", "5m", "5min", "5h", "5Gbit", "s"]);
    refuse::<Nanos>(&mut table, &["-5s", "-", "+5s", "1e3s", "0x10s", "1.s", ".5s", "1.2345us", "5\ns"]);
    refuse::<Nanos>(&mut table, &["18446744074s", &long, &format!("{long}s")]);
    refuse::<Bytes>(&mut table, &["", "1500", "64K", "64k", "64KB", "64kb", "64Ki", "64kib", "1.1M", "1G", "1500b"]);
    refuse::<Bytes>(&mut table, &["1.5B", "0.0001KiB", "-1B", "99999999999GiB", "1.5", "1Gbit", "many"]);
    refuse::<BitRate>(&mut table, &["", "10", "10M", "10mbit", "10Mbps", "10Mb/s", "1GB/s", "10MB", "1Gibit", "10pps"]);
    refuse::<BitRate>(&mut table, &["0.5bit", "-1Gbit", "99999999999Gbit"]);
    refuse::<PacketRate>(&mut table, &["", "250", "250k", "250K", "250KPPS", "250kp/s", "1.5pps", "-1pps", "1Gbit"]);
    refuse::<LinkRate>(&mut table, &["", "1000", "1G", "Unlimited", "fast", "0bit", "0Gbit", "-1Gbit", "1GB/s"]);
    refuse::<Ratio>(&mut table, &["", "-1", "-1%", "1e3", "inf", "NaN", "90 %", "9O%", "%", &"9".repeat(400)]);
    insta::assert_snapshot!(table);
}

fn refuse<T: FromStr<Err = UnitError> + Debug>(table: &mut String, texts: &[&str]) {
    for text in texts {
        let message = read::<T>(text).unwrap_err();
        assert_eq!(message.lines().count(), 1, "{message}");
        *table += &format!("{message}\n");
    }
}

#[test]
fn json_holds_units_as_people_write_them() {
    let json = serde_json::to_string(&(Nanos(1_820), LinkRate::Limited(BitRate(5_000)), Ratio(0.9))).unwrap();
    assert_eq!(json, r#"["1.82us","5kbit","0.9"]"#);
    let back: (Nanos, LinkRate, Ratio) = serde_json::from_str(&json).unwrap();
    assert_eq!(back, (Nanos(1_820), LinkRate::Limited(BitRate(5_000)), Ratio(0.9)));
    assert!(serde_json::from_str::<Nanos>("5").is_err());
}

/// Values with many zeros at the end, which have short spellings, beside values that have none.
fn whole() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift),
        (0u64..100_000, 0u32..15).prop_map(|(value, zeros)| value * 10u64.pow(zeros)),
        (0u64..10_000, 0u32..50).prop_map(|(value, zeros)| value << zeros),
    ]
}

fn survives<T: FromStr<Err = UnitError> + Display + PartialEq + Debug>(value: T) {
    let text = value.to_string();
    assert_eq!(read::<T>(&text), Ok(value), "{text}");
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_as_the_same(value in whole(), ratio in 0.0..1e300f64) {
        survives(Nanos(value));
        survives(Bytes(value));
        survives(BitRate(value));
        survives(PacketRate(value));
        survives(LinkRate::Limited(BitRate(value.max(1))));
        survives(Ratio(ratio));
    }

    #[test]
    fn no_text_is_too_strange(
        text in prop_oneof!["\\PC*", "[0-9.]{0,50}(|n|u|m|k|K|M|G)i?(s|B|b|bit|pps|%|/s)?", "-?[0-9]{1,25}.{0,5}"],
    ) {
        let _ = read::<Nanos>(&text).map(survives);
        let _ = read::<Bytes>(&text).map(survives);
        let _ = read::<BitRate>(&text).map(survives);
        let _ = read::<PacketRate>(&text).map(survives);
        let _ = read::<LinkRate>(&text).map(survives);
        let _ = read::<Ratio>(&text).map(survives);
    }
}
