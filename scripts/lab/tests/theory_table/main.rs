//! The simulated system against queueing theory, at points where theory is exact.
//!
//! Seeds are counted from 1, and the number of runs follows from the precision: each row is repeated until the
//! half-width of each of its intervals is at most 1 % of the mean. All intervals of this file hold together at 99.9 %.
//!
//! The long rows simulate some hundred million packets and are ignored by default: `cargo test --release -p lab --test
//! theory_table -- --include-ignored`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../common/setup.rs"]
mod setup;

use lab::runner::{Repeat, replicate, simulate};
use lab::theory::estimate::bonferroni;
use lab::theory::{Model, Prediction, theory_of};
use shared::report::{EstimateReport, FigureReport, Verdict};
use shared::units::Nanos;

use setup::settings_of;

/// The number of rows in this file, including the short ones.
const ROWS: u32 = 17;

/// The level of each interval, so that the three intervals of all rows hold together at 99.9 %.
fn level() -> f64 {
    bonferroni(0.999, 3 * ROWS).unwrap()
}

/// Times of many thousand nanoseconds, so that rounding them to whole ones changes no figure; short frames without a
/// copy, because only their time matters.
const LINK: [&str; 3] = ["wake=each", "link=10Mbit", "dma=none"];
const SERVICE_NS: f64 = 67_200.0;

/// Repeats `flags` until the means are precise; returns them with the model that the run reports.
fn estimate(flags: &[&str]) -> (EstimateReport, String) {
    let link: &[&str] = if flags.contains(&"link=unlimited") { &["wake=each", "dma=none"] } else { &LINK };
    let mut settings = settings_of(&[link, flags].concat(), Nanos::ZERO);
    settings.simulation.warmup = None;
    let repeat = Repeat { level: level(), precision: Some(0.01), runs: None, at_most: 2_000 };
    let replicated = replicate(&settings, repeat).unwrap();
    assert!(replicated.precise && replicated.report.ledger.balanced, "{:?}", replicated.report.warnings);
    let estimate = replicated.report.estimate.unwrap();
    let theory = replicated.report.theory.unwrap();
    assert_eq!(theory.verdict, Some(Verdict::Yes), "{theory}");
    assert_eq!(estimate.first_seed, 1);
    (estimate, theory.model)
}

/// Whether all figures of `estimate` agree with `prediction`, without slack.
fn agrees(estimate: &EstimateReport, prediction: &Prediction, service_ns: f64) -> bool {
    let within = |figure: FigureReport, predicted: f64| {
        // For figures that hardly vary, half a part in ten thousand is allowed, because a run is finite.
        let least = predicted * 5e-5;
        (figure.mean - predicted).abs() <= figure.half_width.unwrap_or(0.0).max(least)
    };
    within(estimate.loss_ratio, prediction.loss_ratio)
        && within(estimate.sojourn_mean_ns, prediction.sojourn_mean_ns(service_ns))
        && within(estimate.packets_per_second, prediction.packets_per_second(service_ns))
}

/// One row: the flags, the model that the run must report, and the published figures.
#[track_caller]
fn row(flags: &[&str], model: Model, loss: &str, sojourn: &str) {
    let (estimate, named) = estimate(flags);
    assert_eq!(named, model.to_string());
    let prediction = model.predict().unwrap();
    digits(prediction.loss_ratio, loss);
    digits(prediction.sojourn_mean, sojourn);
    let service_ns = if matches!(model, Model::ErlangB { .. }) { 1e6 } else { SERVICE_NS };
    assert!(agrees(&estimate, &prediction, service_ns), "{model} {prediction:?} {estimate:?}");
}

#[track_caller]
fn digits(value: f64, printed: &str) {
    let decimals = printed.split('.').nth(1).map_or(0, str::len);
    assert_eq!(format!("{value:.decimals$}"), printed);
}

/// Poisson arrivals into K places.
#[track_caller]
fn places(exponential: bool, load: f64, places: u32, loss: &str, sojourn: &str) {
    let (app, depth) = (format!("app=poisson:size=1B,load={load}"), format!("depth={places}"));
    let (service, model) = match exponential {
        true => ("service=exponential", Model::Mm1k { load, places }),
        false => ("service=fixed", Model::Md1k { load, places }),
    };
    row(&[&app, &depth, service, "policy=drop-newest", "packets=1000000"], model, loss, sojourn);
}

#[test]
#[ignore = "long: run in release"]
fn mm1k_at_0_9_and_8() {
    places(true, 0.9, 8, "0.070271", "3.953");
}

#[test]
#[ignore = "long: run in release"]
fn mm1k_at_1_and_16() {
    places(true, 1.0, 16, "0.058824", "8.5");
}

#[test]
#[ignore = "long: run in release"]
fn mm1k_at_1_5_and_16() {
    places(true, 1.5, 16, "0.333672", "14.02");
}

#[test]
#[ignore = "long: run in release"]
fn mm1k_at_0_95_and_32() {
    places(true, 0.95, 32, "0.01187", "12.31");
}

#[test]
#[ignore = "long: run in release"]
fn md1k_at_0_9_and_8() {
    places(false, 0.9, 8, "0.027264", "3.446");
}

#[test]
#[ignore = "long: run in release"]
fn md1k_at_1_and_16() {
    places(false, 1.0, 16, "0.031579", "8.335");
}

#[test]
#[ignore = "long: run in release"]
fn md1k_at_1_1_and_8() {
    places(false, 1.1, 8, "0.116485", "5.175");
}

/// Points that are not published: one place, and a queue that is rarely full.
#[test]
#[ignore = "long: run in release"]
fn other_points() {
    places(true, 0.8, 1, "0.444444", "1.000");
    places(false, 2.0, 1, "0.666667", "1.000");
    places(true, 0.6, 5, "0.032626", "2.0784");
}

/// For the app, a refusal is what a drop is under `drop-newest`.
#[test]
#[ignore = "long: run in release"]
fn a_skipped_packet_counts_as_lost_in_the_model() {
    let model = Model::Md1k { load: 1.1, places: 8 };
    let app = "app=poisson:size=1B,load=1.1,when-blocked=skip";
    row(&[app, "depth=8", "hw-queue=1", "packets=1000000"], model, "0.116485", "5.175");
}

#[test]
#[ignore = "long: run in release"]
fn erlang_b_at_8_and_8() {
    let model = Model::ErlangB { offered: 8.0, servers: 8 };
    let flags = ["app=poisson:rate=8kpps,size=1B", "link=unlimited", "latency=1ms", "depth=8", "hw-queue=8"];
    row(&[&flags[..], &["policy=drop-newest", "packets=1000000"]].concat(), model, "0.235570", "1.000");
}

#[test]
#[ignore = "long: run in release"]
fn four_sources_that_think_twice_as_long_as_they_are_served() {
    let model = Model::FiniteSource { sources: 4, ratio: 0.5 };
    let app = "app=reqresp:size=1B,think=134400ns,distribution=exponential";
    digits(model.predict().unwrap().throughput, "0.90476");
    row(&[app, app, app, app, "service=exponential", "duration=20s"], model, "0", "2.4211");
}

/// Without losses packets queue behind the ring, however shallow it is.
#[test]
#[ignore = "long: run in release"]
fn waiting_is_an_unbounded_queue() {
    for depth in ["depth=1", "depth=64"] {
        let flags = ["app=poisson:size=1B,load=0.8", "packets=1000000", depth];
        row(&[&flags[..], &["service=exponential"]].concat(), Model::Mm1 { load: 0.8 }, "0", "5.0");
    }
}

#[test]
#[ignore = "long: run in release"]
fn waiting_for_fixed_service_is_an_unbounded_queue_too() {
    row(&["app=poisson:size=1B,load=0.8", "packets=1000000", "depth=5"], Model::Md1 { load: 0.8 }, "0", "3.0");
}

/// Common mistakes: the wrong service, and K without the packet in service or with one too many.
#[test]
#[ignore = "long: run in release"]
fn a_wrong_model_is_detected() {
    let flags = ["app=poisson:size=1B,load=0.9", "depth=8", "policy=drop-newest", "packets=1000000"];
    let (estimate, _) = estimate(&[&flags[..], &["service=exponential"]].concat());
    let fits = |model: Model| agrees(&estimate, &model.predict().unwrap(), SERVICE_NS);
    assert!(fits(Model::Mm1k { load: 0.9, places: 8 }));
    assert!(!fits(Model::Md1k { load: 0.9, places: 8 }));
    assert!(!fits(Model::Mm1k { load: 0.9, places: 7 }));
    assert!(!fits(Model::Mm1k { load: 0.9, places: 9 }));
    assert!(!fits(Model::Mm1k { load: 0.92, places: 8 }));
    assert!(!fits(Model::Mm1 { load: 0.9 }));
}

/// Counts agree to the packet, and the mean to the nanosecond.
#[test]
fn a_constant_rate_is_exact() {
    for (load, depth) in [("0.5", 4), ("1", 1), ("1", 8), ("1.5", 1), ("1.5", 8), ("2", 1), ("1.1", 3), ("2.4", 5)] {
        for blocked in ["policy=drop-newest", "hw-queue=1"] {
            let skip = if blocked == "hw-queue=1" { ",when-blocked=skip" } else { "" };
            let app = format!("app=cbr:size=1B,load={load}{skip}");
            let flags = [&app, blocked, &format!("depth={depth}"), "packets=10007", LINK[0], LINK[1]];
            let report = simulate(&settings_of(&flags, Nanos::ZERO)).unwrap();
            let theory = theory_of(&report).unwrap();
            assert!(theory.model.starts_with("D/D/1/"), "{}", theory.model);
            assert!(theory.admitted.is_some() || depth == 1, "{load} {depth}");
            assert_eq!(theory.measured.admitted, theory.admitted, "{load} {depth} {blocked}");
            let lindley = lindley(load.parse().unwrap(), depth, report.totals.offered);
            assert_eq!((lindley.accepted, lindley.dropped), {
                let lost = report.totals.dropped + report.totals.refused;
                (report.totals.offered - lost, lost)
            });
            let sum = (report.sojourn_ns.mean.unwrap_or(0.0) * report.sojourn_ns.count as f64).round();
            assert_eq!(sum as u128, lindley.sojourn_sum_ns, "{load} {depth} {blocked}");
        }
    }
}

/// The same packets through Lindley's recursion, which has no events and no queue.
fn lindley(load: f64, places: u32, packets: u64) -> lab::theory::lindley::Outcome {
    let parts = (load * 10.0).round() as u64;
    let pace = lab::theory::Pace::of(parts, 10 * SERVICE_NS as u64).unwrap();
    lab::theory::lindley::fixed_service(packets, |index| pace.arrival_ns(index), SERVICE_NS as u64, places).unwrap()
}
