//! A run's report: as JSON for programs, as text for people.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod machine;
mod made_up;

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;
use shared::report::{Ending, RunReport, Sample, human, interval_header, interval_line};
use shared::units::Nanos;

#[test]
fn a_finished_run() {
    insta::assert_snapshot!(made_up::finished());
}

#[test]
fn an_interrupted_run_with_drops() {
    insta::assert_snapshot!(made_up::interrupted());
}

#[test]
fn a_run_whose_driver_failed() {
    insta::assert_snapshot!(made_up::peer_failed());
}

#[test]
fn an_estimate_beside_theory() {
    insta::assert_snapshot!(made_up::estimated());
}

#[test]
fn a_profiled_run() {
    insta::assert_snapshot!(made_up::profiled());
}

#[test]
fn a_run_of_many_apps_shows_those_that_were_blocked_most() {
    insta::assert_snapshot!(made_up::crowded());
}

#[test]
fn two_hosts_with_a_way_up() {
    insta::assert_snapshot!(made_up::two_hosts());
}

#[test]
fn quantiles_that_are_not_known_are_null_and_an_older_report_without_the_count_is_read() {
    let mut json = serde_json::to_value(made_up::crowded()).unwrap();
    assert_eq!(json["apps"][3]["latency_ns"]["p99"], Value::Null);
    assert_eq!(json["apps"][3]["latency_ns"]["max"], 45_678_912_u64 * 40);
    assert_eq!(json.as_object_mut().unwrap().remove("apps_without_quantiles"), Some(25.into()));
    assert_eq!(serde_json::from_value::<RunReport>(json).unwrap().apps_without_quantiles, 0);
}

#[test]
fn interval_lines_are_aligned_with_their_header() {
    let first = Sample { time_ns: 1_000_004_321, delivered: 81_274, delivered_bytes: 119_635_328, ..Sample::default() };
    let second = Sample {
        time_ns: 2_000_104_321,
        delivered: 40_637,
        delivered_bytes: 59_817_664,
        dropped: 40_600,
        refused: 37,
        occupancy: 65_536,
        blocked_ns: 987_654_321,
    };
    let lines = [
        interval_header(),
        interval_line(&first, Nanos::ZERO),
        interval_line(&second, Nanos(first.time_ns)),
        interval_line(&second, Nanos(second.time_ns)),
    ];
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_two_ends_of_an_interval_are_printed_differently() {
    let label = |from, to| {
        let line = interval_line(&Sample { time_ns: to, ..Sample::default() }, Nanos(from));
        line.split(" s").next().unwrap_or_default().trim_start().to_owned()
    };
    assert_eq!(label(1_000_000, 2_000_000), "0.001-0.002");
    assert_eq!(label(2_500_000, 5_000_000), "0.0025-0.0050");
    assert_eq!(label(40_000_000, 50_000_000), "0.04-0.05");
    assert_eq!(label(2_000_000_000, 3_000_000_000), "2.00-3.00");
    assert_eq!(label(1_234_567_890, 2_469_135_780), "1.23-2.47");
    // The last of a run.
    assert_eq!(label(7_000_000_000, 7_012_345_678), "7.0000-7.0123");
    assert_eq!(label(7_000_000_000, 7_000_000_001), "7.000000000-7.000000001");
}

/// The keys that do not move: programs that read reports rely on them.
const KEYS: &str = "
    schema config seed clock host arrivals_digest elapsed_ns
    totals.offered totals.accepted totals.refused totals.delivered totals.dropped totals.in_flight totals.lost
    totals.loss_ratio ledger.balanced drops rate.packets_per_second rate.bits_per_second
    sojourn_ns.mean sojourn_ns.p50 sojourn_ns.p99 sojourn_ns.p999 sojourn_ns.max
    latency_ns.mean latency_ns.p50 latency_ns.p99 latency_ns.p999 latency_ns.max
    blocked.stops blocked.wakes blocked.total_ns ring.depth ring.occupancy_mean ring.occupancy_max
    date version git_revision command_line
    hardware.starved_ns doorbells.rung doorbells.suppressed
    apps.0.name apps.0.offered apps.0.accepted apps.0.refused apps.0.delivered apps.0.dropped apps.0.lost
    series_interval_ns series.0.time_ns series.0.delivered series.0.dropped series.0.refused series.0.occupancy series.0.blocked_ns
";

#[test]
fn the_stable_keys_exist() {
    let json = serde_json::to_value(made_up::interrupted()).unwrap();
    for key in KEYS.split_whitespace() {
        let found = json.pointer(&format!("/{}", key.replace('.', "/")));
        assert!(found.is_some_and(|value| !value.is_null()), "{key}");
    }
    assert_eq!(json["schema"], "pushback.run/2");
    let up = &serde_json::to_value(made_up::two_hosts()).unwrap()["up"]["totals"];
    for key in ["received", "delivered", "consumed", "dropped", "in_flight", "lost"] {
        assert!(up[key].is_u64(), "up.totals.{key}");
    }
    assert_eq!(json["drops"]["DEVICE_RING_FULL"], 300_123);
}

#[test]
fn a_report_round_trips_through_json() {
    for report in [
        made_up::finished(),
        made_up::interrupted(),
        made_up::peer_failed(),
        made_up::estimated(),
        made_up::profiled(),
        made_up::crowded(),
        made_up::two_hosts(),
    ] {
        let json = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<RunReport>(&json).unwrap(), report);
    }
}

proptest! {
    /// Text is rendered from the value alone, so a report read from a file must render to the same text.
    #[test]
    fn floats_round_trip_exactly(ratio in 0.0..1.0f64, rate in 0.0..1e12f64) {
        let mut report = made_up::finished();
        report.totals.loss_ratio = Some(ratio);
        report.rate.bits_per_second = Some(rate);
        let json = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<RunReport>(&json).unwrap(), report);
    }
}

#[test]
fn every_number_in_the_text_is_in_the_value() {
    for report in
        [made_up::finished(), made_up::interrupted(), made_up::peer_failed(), made_up::estimated(), made_up::profiled()]
    {
        let mut known = BTreeSet::from(["50", "99", "99.9"].map(str::to_owned));
        spell(&serde_json::to_value(&report).unwrap(), &mut known);
        // The only sum that is in the text and not in the value: an app's time blocked at all stages.
        for app in &report.apps {
            let sum: u128 = app.blocked.values().map(|stage| stage.total_ns).sum();
            known.extend(numbers(&human::time(sum as f64)));
        }
        derived(&report, &mut known);
        for number in numbers(&report.to_string()) {
            assert!(known.contains(&number), "{number} is in none of the fields");
        }
    }
}

/// The quotients of two fields that the text shows.
fn derived(report: &RunReport, known: &mut BTreeSet<String>) {
    let mut share = |part: u128, whole: f64| known.extend(numbers(&human::percent(part as f64 / whole)));
    share(report.blocked.total_ns, report.elapsed_ns as f64);
    for stage in report.apps.iter().flat_map(|app| app.blocked.values()) {
        share(stage.total_ns, report.elapsed_ns as f64);
    }
    if let Some(split) = &report.latency_split {
        split.places().iter().for_each(|(_, span)| share(*span, split.latency_ns as f64));
        let means = split.places().into_iter().map(|(_, span)| human::time(span as f64 / split.packets as f64));
        known.extend(means.flat_map(|mean| numbers(&mean)));
    }
    for row in report.blame.iter().flat_map(|blame| &blame.rows) {
        let slots = row.columns(true);
        let depth = f64::from(report.ring.depth);
        known.extend(slots.flat_map(|slots| numbers(&human::time(slots as f64 / depth))));
    }
    let fairness = report.fairness.as_ref();
    known.extend(fairness.and_then(|fairness| fairness.jain_index).map(|jain| format!("{jain:.4}")));
    let deviation = fairness.and_then(|fairness| fairness.max_min_deviation);
    known.extend(deviation.iter().flat_map(|deviation| numbers(&human::percent(deviation.abs()))));
    known.insert(human::count(report.apps.len() as u64));
}

/// Every way in which the numbers below `value` may be printed.
fn spell(value: &Value, known: &mut BTreeSet<String>) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().unwrap_or_default();
            let forms = [human::time, human::bit_rate, human::packet_rate, human::percent, human::mean];
            known.extend(forms.iter().flat_map(|form| numbers(&form(float))));
            known.extend(number.as_u64().map(human::count));
            known.insert(number.to_string());
        }
        Value::String(text) => known.extend(numbers(text)),
        Value::Array(values) => values.iter().for_each(|value| spell(value, known)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| {
            known.extend(numbers(key));
            spell(value, known);
        }),
        Value::Null | Value::Bool(_) => {}
    }
}

/// The sequences of digits in a text, with the commas and points inside them.
fn numbers(text: &str) -> Vec<String> {
    let pieces = text.split(|c: char| !c.is_ascii_digit() && c != ',' && c != '.');
    let trimmed = pieces.map(|piece| piece.trim_matches([',', '.']).to_owned());
    trimmed.filter(|piece| !piece.is_empty()).collect()
}

#[test]
fn control_characters_from_the_peer_are_escaped() {
    let mut report = made_up::finished();
    report.ending = Ending::PeerFailed("\x1b[2Jgone\nWarning none".to_owned());
    let text = report.to_string();
    assert!(text.contains("\\u{1b}[2Jgone\\nWarning none"), "{text}");
    assert!(text.chars().all(|c| c == '\n' || !c.is_control()) && !text.ends_with('\n'));
}

#[test]
fn an_empty_report_can_be_rendered() {
    let mut report = made_up::finished();
    report.config = Default::default();
    report.apps.clear();
    report.driver = None;
    report.totals = Default::default();
    report.sojourn_ns = Default::default();
    report.latency_ns = Default::default();
    report.rate = Default::default();
    let text = report.to_string();
    assert!(text.contains("ended before it sent its report"), "{text}");
    assert!(text.contains("\nLoss         nothing was accepted\nDelivered    - of payload, -: 0 packets\n"), "{text}");
    assert!(!text.contains("Times of the delivered"), "{text}");
}
