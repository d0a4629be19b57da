//! The spelling of units in flags, settings and reports.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use proptest::prelude::*;
use shared::units::{BitRate, Bytes, LinkRate, Nanos, PacketRate, Percent, Ratio, UnitError, parse_accepted};

/// Parses `text`, or returns the error message.
fn read<T: FromStr<Err = UnitError>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: UnitError| error.to_string())
}

#[test]
fn each_spelling_parses_to_its_value() {
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
    assert_eq!(read("95%"), Ok(Percent(0.95)));
    assert_eq!(read("0.07%"), Ok(Percent(0.0007)));
    assert_eq!(read("99.9999%"), Ok(Percent(0.999_999)));
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
    refuse::<Percent>(
        &mut table,
        &["", "5", "1", "99.5", "0.5", "0.07", "0.95", "0", "0%", "0.0%", "-5%", "-5", "5 %"],
    );
    refuse::<Percent>(&mut table, &["100%", "150%", "99.99999%", "100", "1e1%", "%", "five%", &"9".repeat(400)]);
    insta::assert_snapshot!(table);
}

fn refuse<T: FromStr<Err = UnitError> + Debug>(table: &mut String, texts: &[&str]) {
    for text in texts {
        let message = read::<T>(text).expect_err("must be refused");
        assert_eq!(message.lines().count(), 1, "{message}");
        *table += &format!("{message}\n");
    }
}

#[test]
fn json_contains_units_as_they_are_spelled() {
    let json = serde_json::to_string(&(Nanos(1_820), LinkRate::Limited(BitRate(5_000)), Ratio(0.9))).unwrap();
    assert_eq!(json, r#"["1.82us","5kbit","0.9"]"#);
    let back: (Nanos, LinkRate, Ratio) = serde_json::from_str(&json).unwrap();
    assert_eq!(back, (Nanos(1_820), LinkRate::Limited(BitRate(5_000)), Ratio(0.9)));
    assert!(serde_json::from_str::<Nanos>("5").is_err());
}

/// Values with many trailing zeros, which have short spellings, and values without.
fn whole() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        (any::<u64>(), 0u32..64).prop_map(|(value, shift)| value >> shift),
        (0u64..100_000, 0u32..15).prop_map(|(value, zeros)| value * 10u64.pow(zeros)),
        (0u64..10_000, 0u32..50).prop_map(|(value, zeros)| value << zeros),
    ]
}

fn round_trips<T: FromStr<Err = UnitError> + Display + PartialEq + Debug>(value: T) {
    let text = value.to_string();
    assert_eq!(read::<T>(&text), Ok(value), "{text}");
}

/// Checks that every suggestion in the error message for `text` is in the message, parses, and is `accepted`.
fn suggestions_parse<T: FromStr<Err = UnitError> + Debug>(text: &str, accepted: impl Fn(&T) -> bool) {
    let Err(error) = text.parse::<T>() else { return };
    let message = error.to_string();
    for suggestion in error.suggestions() {
        let value = read::<T>(suggestion);
        assert!(value.as_ref().is_ok_and(&accepted), "{text}: {message}: {suggestion} is {value:?}");
        assert!(message.contains(suggestion), "{message}");
    }
    // The example in the description of a quantity must parse as well.
    if let Some((_, example)) = message.rsplit_once("such as ") {
        let example = example.split([' ', ',']).next().unwrap_or_default();
        assert!(read::<T>(example).as_ref().is_ok_and(&accepted), "{text}: {message}");
    }
}

#[test]
fn zero_is_suggested_for_no_rate_and_no_size() {
    for text in ["0", "0.0", "0.25bit", "0G", "0Mbps", "0.3k", "000", "0.5pps", "0.9B", "0K"] {
        suggestions_parse::<LinkRate>(text, |_| true);
        suggestions_parse::<BitRate>(text, |rate| rate.0 > 0);
        suggestions_parse::<PacketRate>(text, |rate| rate.0 > 0);
        suggestions_parse::<Bytes>(text, |size| size.0 > 0);
    }
    assert_eq!(
        read::<LinkRate>("0.25bit"),
        Err("0.25bit is not a whole number of bits a second: write 1bit for a link rate".to_owned())
    );
}

#[test]
fn a_value_that_is_not_accepted_is_not_suggested() {
    let least = |text| parse_accepted(text, |time: &Nanos| *time >= Nanos(1_500), "use at least 1500ns, as in 2us");
    assert_eq!(least("1.5us"), Ok(Nanos(1_500)));
    assert_eq!(
        least("1.2ns"),
        Err("1.2ns is not a whole number of nanoseconds: use at least 1500ns, as in 2us".to_owned())
    );
    assert_eq!(least("1"), Err("1 has no unit: write 1s or 1ms for a time".to_owned()));
    assert_eq!(least("0"), Err("0 has no unit: use at least 1500ns, as in 2us".to_owned()));
    assert_eq!(least("7ns"), Err("use at least 1500ns, as in 2us".to_owned()));
    assert_eq!(least("soon"), Err("soon is not a time: use at least 1500ns, as in 2us".to_owned()));
}

proptest! {
    #[test]
    fn every_suggestion_is_accepted(
        text in prop_oneof![
            "[0-9]{1,22}(\\.[0-9]{1,12})?(|n|u|m|k|K|M|G|T)i?(s|sec|B|b|bit|byte|pps|ps|%|/s|p/s|min|h|)",
            "0(\\.0{0,3}[0-9])?(k|M|G|)(bit|pps|B|iB|ns|us|ms|s|bps|)",
            "-?[0-9.]{0,6}[a-zA-Z]{0,4}",
        ],
        least in 1..5_000u64,
    ) {
        suggestions_parse::<Nanos>(&text, |_| true);
        suggestions_parse::<Bytes>(&text, |size| size.0 > 0);
        suggestions_parse::<BitRate>(&text, |rate| rate.0 > 0);
        suggestions_parse::<PacketRate>(&text, |rate| rate.0 > 0);
        suggestions_parse::<LinkRate>(&text, |_| true);
        suggestions_parse::<Ratio>(&text, |_| true);
        suggestions_parse::<Percent>(&text, |share| share.0 > 0.0 && share.0 < 1.0);
        if let Err(error) = text.parse::<Nanos>()
            && let Some(narrowed) = error.suggesting(|spelling| read::<Nanos>(spelling).is_ok_and(|time| time.0 >= least))
        {
            prop_assert!(narrowed.suggestions().all(|spelling| read::<Nanos>(spelling).unwrap().0 >= least));
        }
    }

    #[test]
    fn printed_values_parse_to_the_same_value(value in whole(), ratio in 0.0..1e300f64) {
        round_trips(Nanos(value));
        round_trips(Bytes(value));
        round_trips(BitRate(value));
        round_trips(PacketRate(value));
        round_trips(LinkRate::Limited(BitRate(value.max(1))));
        round_trips(Ratio(ratio));
    }

    #[test]
    fn no_text_makes_the_parser_panic(
        text in prop_oneof!["\\PC*", "[0-9.]{0,50}(|n|u|m|k|K|M|G)i?(s|B|b|bit|pps|%|/s)?", "-?[0-9]{1,25}.{0,5}"],
    ) {
        let _ = read::<Nanos>(&text).map(round_trips);
        let _ = read::<Bytes>(&text).map(round_trips);
        let _ = read::<BitRate>(&text).map(round_trips);
        let _ = read::<PacketRate>(&text).map(round_trips);
        let _ = read::<LinkRate>(&text).map(round_trips);
        let _ = read::<Ratio>(&text).map(round_trips);
    }
}
