//! `lab check`, --fail-if, --strict and --quiet as command lines, on simulated runs.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::fs;
use std::path::Path;

use assert_cmd::Command;
use serde_json::Value;

/// A run that drops packets.
const LOSSY: &str = "simulate --app poisson:load=1.5 --packets 400 --policy drop-newest --depth 4 --stack-cost 1us";

/// Runs the lab in `folder`; returns status, standard output and standard error.
fn lab_in(folder: &Path, flags: &str) -> (i32, String, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    let output = command.args(flags.split_whitespace()).current_dir(folder).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// Runs the lab with `flags` and one condition.
fn fail_if(flags: &str, condition: &str) -> (i32, String) {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    let output = command.args(flags.split_whitespace()).args(["--fail-if", condition]).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_condition_that_is_true_ends_with_status_1_and_a_wrong_one_with_2_before_the_run() {
    let (status, errors) = fail_if(LOSSY, "loss > 1%");
    assert_eq!(status, 1, "{errors}");
    assert!(errors.starts_with("lab: --fail-if loss > 1%: totals.loss_ratio is "), "{errors}");
    assert_eq!(fail_if(LOSSY, "loss > 90%"), (0, String::new()));
    // So many packets would take minutes.
    let long = "simulate --app bulk --packets 900000000";
    for (condition, remedy) in [
        ("los > 1%", "did you mean loss?"),
        ("latency > 5", "5ms"),
        ("apps.web.offered > 1", "the apps of this run are bulk-0"),
    ] {
        for command in [long, "run --packets 900000000", "compare --app bulk --vary depth=8,9 --packets 900000000"] {
            let (status, errors) = fail_if(command, condition);
            assert_eq!(status, 2, "{errors}");
            assert!(errors.contains("--fail-if") && errors.contains(remedy), "{errors}");
        }
    }
}

#[test]
fn strict_fails_on_a_warning_and_quiet_prints_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let warned = "simulate --app poisson:load=0.9 --packets 300 --service exponential --precision 0.1% --max-replications 2 --quiet";
    let (status, out, errors) = lab_in(folder.path(), warned);
    assert_eq!((status, out.as_str()), (0, ""));
    assert!(errors.starts_with("lab: warning: "), "{errors}");
    let (status, out, errors) = lab_in(folder.path(), &format!("{warned} --strict --json -"));
    assert_eq!(status, 1);
    assert!(errors.contains("lab: --strict: warning INTERVAL_TOO_WIDE: "), "{errors}");
    assert!(serde_json::from_str::<Value>(&out).is_ok(), "{out}");
    let fine = "simulate --app bulk --packets 10 --quiet --strict";
    assert_eq!(lab_in(folder.path(), fine), (0, String::new(), String::new()));
}

/// Writes the simulation with `seed` and other `flags` to `folder`/`runs`.
fn simulate(folder: &Path, seed: u64, flags: &str) {
    fs::create_dir_all(folder.join("runs")).unwrap();
    let (status, _, errors) = lab_in(folder, &format!("{LOSSY} --seed {seed} --quiet --json runs/{seed}.json {flags}"));
    assert_eq!((status, errors.as_str()), (0, ""));
}

#[test]
fn a_folder_is_checked_against_a_baseline() {
    let folder = tempfile::tempdir().unwrap();
    let [baseline, same, fewer] = ["baseline", "same", "fewer"].map(|name| folder.path().join(name));
    for seed in [1, 2] {
        simulate(&baseline, seed, "");
        simulate(&same, seed, "");
    }
    simulate(&fewer, 2, "");
    fs::write(same.join("sweep.json"), r#"{"schema": "pushback.sweep/1"}"#).unwrap();
    let (status, out, errors) = lab_in(folder.path(), "check --baseline baseline same");
    assert_eq!((status, errors.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("Nothing is worse: 0 worse, 0 better, "), "{out}");
    let (status, out, _) = lab_in(folder.path(), "check --baseline baseline fewer --json -");
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((status, &report["schema"], &report["verdict"]), (1, &"pushback.check/1".into(), &"worse".into()));
    let (status, out, errors) = lab_in(folder.path(), "check --quiet --baseline baseline fewer");
    assert_eq!((status, out.as_str()), (1, ""));
    assert!(errors.starts_with("lab: NEW lacks what the baseline has: 0 worse"), "{errors}");
    for (flags, remedy) in [
        ("check --baseline baseline runs", "cannot be read"),
        ("check --baseline same/sweep.json same", "--baseline same/sweep.json: its schema is pushback.sweep/1"),
        ("check --baseline . same", "it holds no report"),
        ("check same", "--baseline"),
    ] {
        let (status, _, errors) = lab_in(folder.path(), flags);
        assert_eq!(status, 2, "{errors}");
        assert!(errors.contains(remedy), "{errors}");
    }
}
