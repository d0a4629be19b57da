//! Runs that are repeated from a report.

use std::fs::File;
use std::io::{Seek, Write};

use assert_cmd::assert::OutputAssertExt;
use shared::report::{RunReport, WarningCode};

use crate::lab::{lab, report};

const FLAGS: [&str; 14] = [
    "--depth",
    "5",
    "--hw-queue",
    "2",
    "--link",
    "200Mbit",
    "--seed",
    "42",
    "--packets",
    "200",
    "--policy",
    "drop-oldest",
    "--app",
    "poisson:load=0.5,name=one",
];

#[test]
fn a_report_holds_all_settings_for_repeating_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.json");
    let file = path.to_str().unwrap();
    let more =
        ["--app", "onoff:rate=10Mbit,name=two", "--txqueue", "9", "--latency", "20us", "--verify", "--json", file];
    lab(&[&["run", "--quiet"], &FLAGS[..], &more].concat()).output().unwrap().assert().success();
    let first: RunReport = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();

    let mut again = lab(&["run", "--from", file, "--json", "-"]);
    // A repetition ignores the environment.
    again.env("PUSHBACK_DEPTH", "77").env("PUSHBACK_DURATION", "9s");
    let output = again.output().unwrap().assert().success().get_output().stdout.clone();
    let again: RunReport = serde_json::from_slice(&output).unwrap();
    assert_eq!(again.config, first.config);
    assert_eq!((again.seed, again.arrivals_digest), (42, first.arrivals_digest.clone()));
    assert_eq!(again.totals.offered, first.totals.offered);

    let other = report(&["--from", file, "--depth", "3", "--duration", "10ms"], 0);
    assert_eq!((other.ring.depth, other.config.netstack["packets"].is_null()), (3, true));
    assert_eq!(other.arrivals_digest, first.arrivals_digest);
}

/// Earlier versions accepted any 64-bit number as a seed.
#[test]
fn a_report_with_a_seed_that_flags_refuse_is_repeated_exactly() {
    let text = serde_json::to_string(&report(&FLAGS, 0)).unwrap();
    for seed in ["9007199254740993", "16045690984833335023", "18446744073709551615"] {
        let old = text.replace("\"seed\":42", &format!("\"seed\":{seed}"));
        let repeat = |command: &str| {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(old.as_bytes()).unwrap();
            file.rewind().unwrap();
            let output = lab(&[command, "--from", "-", "--json", "-"]).stdin(file).output().unwrap();
            let report = output.stdout.clone();
            output.assert().success();
            let report: RunReport = serde_json::from_slice(&report).unwrap();
            for side in [&report.config.netstack, &report.config.driver] {
                assert_eq!(side["seed"].to_string(), seed, "{command}");
            }
            assert_eq!(report.seed.to_string(), seed, "{command}");
            report.arrivals_digest
        };
        assert_eq!(repeat("run"), repeat("simulate"), "{seed}");
    }
}

#[test]
fn a_seed_that_other_json_tools_would_round_is_refused_by_each_program() {
    for command in [&["run"][..], &["compare"], &["simulate"], &["predict"]] {
        for seed in ["9007199254740993", "36028797018963969"] {
            let flag = lab(&[command, &["--seed", seed]].concat()).output().unwrap();
            let twin = lab(command).env("PUSHBACK_SEED", seed).output().unwrap();
            for output in [flag, twin] {
                let stderr = String::from_utf8(output.stderr.clone()).unwrap();
                assert!(stderr.contains("--seed") && stderr.contains(seed), "{stderr}");
                assert!(stderr.contains("0 to 9007199254740992 (2^53)"), "{stderr}");
                output.assert().code(2);
            }
        }
    }
}

#[test]
fn a_report_is_read_from_standard_input_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("first.json");
    let first = report(&FLAGS, 0);
    std::fs::write(&path, serde_json::to_vec(&first).unwrap()).unwrap();
    let mut again = lab(&["run", "--from", "-", "--json", "-"]);
    let output = again.stdin(File::open(&path).unwrap()).output().unwrap();
    let again: RunReport = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again.config, first.config);
}

#[test]
fn settings_of_a_simulation_only_are_left_out_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("simulated.json");
    let file = path.to_str().unwrap();
    for (only, named) in [
        (&["--stack-cost", "3us"][..], &["--stack-cost 3us"][..]),
        (&["--stack-cost", "7us", "--warmup", "2ms"], &["--stack-cost 7us", "--warmup 2ms"]),
        (&[], &[]),
    ] {
        let simulate = ["simulate", "--packets", "60", "--app", "cbr:load=0.5", "--json", file];
        lab(&[&simulate[..], only].concat()).output().unwrap().assert().success();
        let output = lab(&["run", "--from", file, "--quiet", "--json", "-"]).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        let report: RunReport = serde_json::from_slice(&output.stdout).unwrap();
        let left_out: Vec<_> =
            report.warnings.iter().filter(|warning| warning.code == WarningCode::SettingsLeftOut).collect();
        assert_eq!(left_out.len(), usize::from(!named.is_empty()), "{stderr}");
        for named in named {
            assert!(stderr.contains(named) && left_out[0].text.contains(named), "{stderr}");
        }
        assert_eq!(report.config.simulate, None);
    }
}

#[test]
fn a_report_of_another_schema_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("future.json");
    std::fs::write(&path, r#"{"schema": "pushback.run/3"}"#).unwrap();
    let output = lab(&["run", "--from", path.to_str().unwrap()]).output().unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    output.assert().code(2);
    assert!(stderr.contains("pushback.run/3") && stderr.contains("pushback.run/2"), "{stderr}");
}

#[test]
fn reports_are_shown_as_a_table_and_as_csv() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.json");
    std::fs::write(&path, serde_json::to_vec(&report(&FLAGS, 0)).unwrap()).unwrap();
    let file = path.to_str().unwrap();
    let shown = |flags: &[&str]| {
        let output = lab(&[&["report"], flags, &[file, file]].concat()).output().unwrap();
        String::from_utf8(output.assert().success().get_output().stdout.clone()).unwrap()
    };
    assert_eq!(shown(&[]).lines().filter(|line| line.contains("| drop-oldest |")).count(), 2);
    let csv = shown(&["--format", "csv"]);
    assert!(csv.starts_with("policy,depth,") && csv.lines().count() == 3, "{csv}");
}
