//! `lab tune` as a command line.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

fn lab(flags: &str) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    command.args(flags.split_whitespace()).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap() + &String::from_utf8(output.stdout.clone()).unwrap()
}

/// The JSON answer to `flags`, with the status.
fn answer(flags: &str) -> (Value, i32) {
    let output = lab(&format!("tune --no-confirm {flags} --json -"));
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)));
    (json, output.status.code().unwrap())
}

/// Problems whose loss never rises with depth.
const MONOTONIC: [&str; 6] = [
    "--app poisson:load=0.9 --packets 4000 --max-loss 0.2%",
    "--app onoff:rate=1600Mbit,on=2ms,off=6ms --duration 60ms --max-loss 0.1%",
    "--app poisson:load=0.8 --packets 4000 --hw-queue 256 --coalesce frames=32,for=50us --max-loss 0.1%",
    "--app onoff:rate=1600Mbit,on=500us,off=1500us,distribution=exponential --duration 60ms --max-loss 1%",
    "--app poisson:load=0.8 --service exponential --packets 4000 --min-goodput 740Mbit",
    "--app poisson:load=0.7 --stall every=20ms,for=1ms,distribution=exponential --packets 4000 --max-loss 0.1%",
];

#[test]
fn a_search_finds_what_trying_all_depths_finds_in_at_most_forty_runs() {
    for problem in MONOTONIC {
        let (found, status) = answer(problem);
        let (all, _) = answer(&format!("{problem} --exhaustive --max-depth 400"));
        assert_eq!((&found["depth"], status), (&all["depth"], 0), "{problem}");
        assert!(found["depth"].as_u64().unwrap() > 1, "{problem}");
        assert!(found["depths_simulated"].as_u64().unwrap() <= 40, "{problem}: {}", found["depths_simulated"]);
        let losses: Vec<f64> =
            all["points"].as_array().unwrap().iter().map(|point| point["loss_ratio"].as_f64().unwrap()).collect();
        assert!(losses.len() == 400 && losses.is_sorted_by(|one, next| one >= next), "{problem}: the loss rises");
        assert!(found["not_monotonic"].is_null(), "{problem}");
    }
}

#[test]
fn a_deeper_ring_that_loses_more_is_reported() {
    // A large frame that a deeper ring accepts takes the time of several small ones, which are lost then.
    let mix = "--app cbr:load=1.1,size=64B:7/576B:4/1472B:1 --packets 20000 --max-depth 100";
    for problem in [format!("{mix} --max-loss 9.54%"), format!("{mix} --seed 3 --max-loss 9%")] {
        let output = lab(&format!("tune --no-confirm {problem}"));
        assert!(printed(&output).contains("Warning: not monotonic: depth "), "{}", printed(&output));
        let (found, _) = answer(&problem);
        let above = found["not_monotonic"].as_u64().unwrap();
        assert!(above > found["depth"].as_u64().unwrap());
        let points = found["points"].as_array().unwrap();
        assert!(points.iter().any(|point| point["depth"] == above && point["fits"] == false), "{problem}");
    }
}

#[test]
fn the_question_of_a_driver_engineer_is_one_command_and_its_answer_fits_on_a_screen() {
    let output = lab("tune --no-confirm --max-loss 0.1% --hw-queue 256 --link 1Gbit --coalesce frames=32,for=50us \
         --stall every=100ms,for=3ms,distribution=exponential --app onoff:rate=1600Mbit,on=2ms,off=6ms --duration 1s");
    assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.lines().count() <= 12, "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn a_limit_that_no_depth_meets_is_named_with_status_1() {
    let (found, status) = answer("--app poisson:load=1.5 --packets 3000 --max-loss 0.1% --max-depth 64");
    assert_eq!((status, &found["depth"], &found["binding_limit"]), (1, &Value::Null, &"max-loss".into()));
    let output = lab("tune --no-confirm --app poisson:load=0.9 --packets 4000 --max-loss 0.2% --max-p99 50us");
    let text = printed(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("No depth that was tried meets the limits; --max-p99 binds: depth "), "{text}");
}

#[test]
fn repetitions_judge_the_bound_that_is_worse() {
    let problem = "--app poisson:load=0.9 --packets 2000 --max-loss 0.5%";
    let depth = |flags: &str| answer(&format!("{problem} {flags}")).0["depth"].as_u64().unwrap();
    let mean_depths: Vec<u64> = (1..=5).map(|seed| depth(&format!("--seed {seed}"))).collect();
    let safe = depth("--repetitions 5");
    assert!(safe > mean_depths.iter().sum::<u64>() / 5, "{safe} {mean_depths:?}");
}

#[test]
fn the_command_of_the_answer_shows_the_same_figures() {
    let (found, _) = answer(MONOTONIC[3]);
    let command = found["command"].as_str().unwrap().strip_prefix("lab ").unwrap();
    let output = lab(&format!("{command} --json -"));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let depth = &found["depth"];
    let point = found["points"].as_array().unwrap().iter().find(|point| point["depth"] == *depth).unwrap();
    assert_eq!(report["totals"]["loss_ratio"], point["loss_ratio"]);
    assert_eq!(report["latency_ns"]["p99"].as_f64(), point["latency_p99_ns"].as_f64());
}

#[test]
fn wrong_usage_is_refused_with_a_remedy() {
    for (flags, saying) in [
        ("", "--max-loss"),
        ("--max-loss 1", "1%"),
        ("--max-loss 1% --depth 8", "--max-depth"),
        ("--max-loss 1% --max-depth 0", "1..=65536"),
        ("--max-loss 1% --link unlimited", "--latency"),
        ("--max-loss 1% --min-goodput 1", "bit"),
    ] {
        let output = lab(&format!("tune --no-confirm {flags}"));
        assert_eq!(output.status.code(), Some(2), "{flags}: {}", printed(&output));
        assert!(printed(&output).contains(saying), "{flags}: {}", printed(&output));
    }
}

#[test]
fn where_senders_wait_a_deeper_ring_can_shorten_the_latency() {
    // Each wake takes as long as four frames, so a ring of one slot starves the hardware.
    let problem = "--policy wait --app poisson:load=0.9 --wake-latency 50us --packets 2000 --max-loss 1% --max-p99 1ms";
    let (found, status) = answer(problem);
    let (all, _) = answer(&format!("{problem} --exhaustive --max-depth 64"));
    assert!(status == 0 && found["depth"].as_u64().unwrap() > 1, "{found}");
    assert_eq!(found["depth"], all["depth"]);
}

#[test]
fn without_packets_there_is_no_answer() {
    let output = lab("tune --no-confirm --max-loss 1% --app poisson:rate=1bit --duration 1ms");
    assert_eq!(output.status.code(), Some(2), "{}", printed(&output));
    assert!(printed(&output).contains("no packet was offered"), "{}", printed(&output));
}
