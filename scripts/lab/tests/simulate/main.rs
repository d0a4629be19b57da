//! `lab simulate` and `lab theory`, as a person meets them.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use shared::report::RunReport;

fn lab(flags: &str, input: &str) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    command.args(flags.split(' ')).write_stdin(input).output().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap() + &String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn ends(flags: &str, status: i32, saying: &str) {
    let output = lab(flags, "");
    assert_eq!(output.status.code(), Some(status), "{}", said(&output));
    assert!(said(&output).contains(saying), "{}", said(&output));
}

fn json(flags: &str, input: &str) -> String {
    let output = lab(&format!("{flags} --json -"), input);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_same_flags_give_the_same_bytes_and_a_report_can_be_simulated_again() {
    let flags = "simulate --app poisson:load=1.1 --packets 2000 --depth 8 --policy drop-newest --stack-cost 4us";
    let first = json(flags, "");
    assert_eq!(json(flags, ""), first);
    assert_eq!(json("simulate --from -", &first), first, "the stack's cost included");
    let other: RunReport = serde_json::from_str(&json("simulate --from - --depth 9", &first)).unwrap();
    assert_eq!(other.ring.depth, 9);
}

#[test]
fn a_report_says_what_ran_and_what_theory_says() {
    let text = json("simulate --app poisson:load=0.5 --packets 5000 --depth 4 --policy drop-newest", "");
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&report["clock"], &report["theory"]["model"]), (&"virtual".into(), &"M/D/1/4 at load 0.5".into()));
    assert!(report["steady"]["after_ns"].as_u64().unwrap() > 0);
    assert!(report["theory"].get("agrees").is_none(), "a single run cannot tell");
    let text = json("simulate --app bulk --packets 100", "");
    assert!(serde_json::from_str::<Value>(&text).unwrap().get("theory").is_none());
}

#[test]
fn a_packet_that_costs_no_time_is_refused_with_a_remedy() {
    ends("simulate --policy drop-newest", 2, "--stack-cost");
    ends("simulate --link unlimited", 2, "--stack-cost");
    ends("simulate --policy drop-newest --stack-cost 4us --duration 1ms", 0, "balanced");
    ends("simulate --socket /tmp/x", 2, "--socket is a flag of netstack and driver");
    ends("simulate --app bulk --packets 9 --idle spin", 2, "--idle is a flag of lab run");
}

#[test]
fn the_budget_of_a_packet_bounds_its_rate() {
    let text = json("simulate --app bulk:size=22B --duration 10ms --link 10Gbit --stack-cost 4us", "");
    let report: RunReport = serde_json::from_str(&text).unwrap();
    assert!((report.rate.packets_per_second / 250_000.0 - 1.0).abs() < 0.01, "{}", report.rate.packets_per_second);
}

#[test]
fn theory_is_asserted_and_disagreement_is_told() {
    let agreed = "simulate --app cbr:load=1.5 --depth 8 --policy drop-newest --packets 20000 --assert-theory";
    ends(agreed, 0, "agrees with");
    // Too short to fill the ring: what is measured is the beginning, and nothing is lost in it.
    let short =
        "simulate --app poisson:load=2 --depth 64 --policy drop-newest --packets 40 --warmup 0s --assert-theory";
    ends(short, 1, "differs from");
    ends("simulate --app bulk --assert-theory", 2, "no model fits");
}

#[test]
fn means_that_are_not_known_well_enough_are_called_rough() {
    let rough = "simulate --app poisson:load=0.9 --depth 8 --policy drop-newest --packets 500 --precision 1% \
                 --max-replications 3";
    ends(rough, 0, "still wider");
    let report: RunReport = serde_json::from_str(&json(rough, "")).unwrap();
    let estimate = report.estimate.unwrap();
    assert_eq!((estimate.replications, estimate.first_seed, estimate.last_seed), (3, 1, 3));
    assert!(report.warnings.iter().any(|warning| warning.text.contains("still wider")), "{:?}", report.warnings);
}

#[test]
fn models_are_printed_without_a_run() {
    ends("theory mm1k --load 0.9 --places 8", 0, "0.070271");
    ends("theory erlang-b --offered 8 --servers 8", 0, "0.235570");
    ends("theory for --app poisson:load=1.1 --depth 8 --policy drop-newest", 0, "M/D/1/8 at load 1.1");
    ends("theory for --app bulk", 2, "no model fits");
    ends("theory mm1 --load 2", 2, "below 1");
    ends("theory dd1k --interarrival 8us --places 8", 2, "--service-time");
}
