//! `lab compare` in virtual time, as a user calls it.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../common/undated.rs"]
mod undated;

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

use undated::undated;

/// Two depths under the same random arrivals.
const DEPTHS: &str =
    "compare --app poisson:load=0.95 --packets 500 --policy drop-newest --vary depth=2,8 --repetitions 10";

fn lab(arguments: &str) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    command.args(arguments.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn text_of(output: &Output) -> String {
    text(&output.stderr) + &text(&output.stdout)
}

/// What it prints.
#[track_caller]
fn prints(arguments: &str) -> String {
    let output = lab(arguments);
    assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()));
    text(&output.stdout)
}

#[track_caller]
fn json(arguments: &str) -> Value {
    serde_json::from_slice(&lab(&format!("{arguments} --json -")).stdout).unwrap()
}

#[test]
fn two_depths_with_repetitions() {
    insta::assert_snapshot!(prints(DEPTHS));
}

#[test]
fn policies_with_one_run_of_each() {
    insta::assert_snapshot!(prints("compare --app cbr:load=2 --link 20Mbit --depth 64 --packets 1000"));
}

#[test]
fn without_an_app_policies_are_compared_at_twice_the_rate_of_the_link() {
    let text = prints("compare --packets 100 --depth 8");
    assert!(
        text.starts_with("In virtual time: 4 settings, 1 run each, seed 1. The app is cbr:load=2, because"),
        "{text}"
    );
    let bulk = prints("compare --packets 100 --depth 8 --stack-cost 1us");
    assert!(bulk.starts_with("In virtual time: 4 settings, 1 run each, seed 1.\n"), "{bulk}");
    let refused = lab("compare --packets 100 --app bulk");
    assert!(refused.status.code() == Some(2) && text_of(&refused).contains("--stack-cost"), "{}", text_of(&refused));
}

#[test]
fn the_same_command_writes_the_same_bytes() {
    let written = |jobs: u32| undated(&text(&lab(&format!("{DEPTHS} --json - --jobs {jobs}")).stdout));
    assert_eq!(written(2), written(1));
    assert!(written(2).contains("pushback.compare/1"));
}

#[test]
fn the_report_has_the_settings_of_each_run_and_the_differences() {
    let report = json(DEPTHS);
    let runs = report["runs"].as_array().unwrap();
    let of = |run: &Value| (run["ring"]["depth"].as_u64().unwrap(), run["seed"].as_u64().unwrap());
    let expected: Vec<(u64, u64)> =
        [2, 8].into_iter().flat_map(|depth| (1..=10).map(move |seed| (depth, seed))).collect();
    assert_eq!(runs.iter().map(of).collect::<Vec<_>>(), expected);
    assert!(runs.iter().all(|run| run["host"].is_null() && run["clock"] == "virtual"));
    let depths = report["settings"].as_array().unwrap().iter().map(|setting| setting["depth"].as_str().unwrap());
    assert!(depths.eq(expected.iter().map(|(depth, _)| if *depth == 2 { "2" } else { "8" })));
    // The mean of the differences is the difference of the means.
    let losses = |runs: &[Value]| runs.iter().map(|run| run["totals"]["loss_ratio"].as_f64().unwrap()).sum::<f64>();
    let expected = (losses(&runs[10..]) - losses(&runs[..10])) / 10.0;
    let apart = &report["differences"][0];
    let loss = &apart["figures"]["loss_ratio"];
    assert!((loss["difference"].as_f64().unwrap() - expected).abs() < 1e-12, "{loss}");
    assert!(loss["upper"].as_f64().unwrap() < 0.0 && loss["shown"] == true && loss["pairs"] == 10, "{loss}");
    assert_eq!((&apart["reference"]["depth"], &apart["setting"]["depth"]), (&"2".into(), &"8".into()));
    let best = &report["verdict"]["best"][0];
    assert_eq!((&best["figure"], &best["settings"]), (&"loss_ratio".into(), &serde_json::json!([{"depth": "8"}])));
}

#[test]
fn without_randomness_one_run_is_exact_and_a_queue_size_is_recorded_where_there_is_a_queue() {
    let report = json("compare --app cbr:load=2 --packets 300 --depth 8 --txqueue 5 --repetitions 7");
    assert_eq!(report["runs"].as_array().unwrap().len(), 4);
    let sizes = report["runs"].as_array().unwrap().iter().map(|run| run["ring"]["txqueue"].as_u64().unwrap());
    assert_eq!(sizes.collect::<Vec<_>>(), [0, 0, 5, 0]);
    let loss = &report["differences"][0]["figures"]["loss_ratio"];
    assert!(loss["difference"] == loss["lower"] && loss["difference"] == loss["upper"], "{loss}");
    assert_eq!((&loss["shown"], &report["verdict"]["best"][0]["shown"]), (&true.into(), &true.into()));
    let random = json("compare --app poisson:load=2 --packets 300 --depth 8");
    assert!(random["differences"][0]["figures"]["loss_ratio"]["shown"].is_null());
    assert!(random["verdict"]["best"][0]["shown"].is_null());
}

#[test]
fn a_precision_gives_all_settings_as_many_runs() {
    let report =
        json("compare --app poisson:load=0.9 --packets 200 --vary depth=1,64 --policy drop-newest --precision 10%");
    let depths: Vec<u64> =
        report["runs"].as_array().unwrap().iter().map(|run| run["ring"]["depth"].as_u64().unwrap()).collect();
    let of = |depth| depths.iter().filter(|other| **other == depth).count();
    assert!(of(1) == of(64) && of(1) > 10, "{depths:?}");
}

#[test]
fn wrong_usage_is_refused_with_the_remedy() {
    for (arguments, saying) in [
        ("compare --policies wait,wait", "given twice"),
        ("compare --policies wait --vary depth=1,2", "--vary policy="),
        ("compare --policies wait --vary policy=wait", "--vary policy="),
        ("compare --policy wait", "--policies"),
        ("compare --policy wait --vary policy=wait,drop-newest", "--policies"),
        ("compare --vary depth=1 --vary depth=2", "given twice"),
        ("compare --vary detph=1", "did you mean depth?"),
        ("compare --idle sleep", "use --clock real"),
        ("compare --vary idle=spin,sleep", "use --clock real"),
        ("compare --clock real --stack-cost 1us", "use --clock virtual"),
        ("compare --fail-if lsos>1%", "did you mean"),
    ] {
        let output = lab(arguments);
        let stderr = text(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(saying), "{arguments}: {stderr}");
        assert!(stderr.lines().count() == 1 && output.stdout.is_empty(), "{arguments}: {stderr}");
    }
}

#[test]
fn each_condition_names_the_run_for_which_it_is_true() {
    let output = lab(&format!("{DEPTHS} --quiet --fail-if loss>15%"));
    let stderr = text(&output.stderr);
    assert!(output.status.code() == Some(1) && output.stdout.is_empty(), "{stderr}");
    assert!(
        stderr.starts_with("lab: depth=2 with seed 1: --fail-if loss>15%: ") && !stderr.contains("depth=8"),
        "{stderr}"
    );
}
