//! Runs whose CPU budget is measured by sampling both processes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use shared::report::{ProcessBudget, RunReport};
use tempfile::TempDir;

use crate::lab::lab;
use crate::skipped::skipped;

const RUN: [&str; 7] = ["run", "--profile", "--link", "unlimited", "--packets", "1000000", "--json"];

/// Whether this machine allows sampling; containers often do not.
fn can_sample() -> bool {
    let mut perf = Command::new("perf");
    perf.args(["record", "--event=cpu-clock", "--output=/dev/null", "--", "true"]);
    let tried = perf.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    tried.is_ok_and(|status| status.success())
}

fn components(process: &ProcessBudget) -> Vec<&str> {
    process.components.iter().map(|component| component.name.as_str()).collect()
}

#[test]
fn the_budget_divides_the_nanoseconds_of_a_packet_among_components() {
    if !can_sample() {
        skipped("perf is missing or may not sample here");
        return;
    }
    let output = lab(&[&RUN[..], &["-"]].concat()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let report: RunReport = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.ledger.balanced && report.totals.delivered == 1_000_000);
    let budget = report.budget.unwrap_or_else(|| panic!("{stderr}"));
    assert_eq!(budget.packets, 1_000_000);
    assert!(stderr.contains("Budget"), "{stderr}");
    for (process, expected) in [(&budget.netstack, ["udp", "ring"]), (&budget.driver, ["hardware", "ring"])] {
        for component in expected {
            assert!(components(process).contains(&component), "{component} is not in {process:?}");
        }
        let shares: f64 = process.components.iter().map(|component| component.share).sum();
        let nanos: f64 = process.components.iter().map(|component| component.ns_per_packet).sum();
        assert!((shares - 1.0).abs() < 1e-9 && (nanos - process.ns_per_packet).abs() < 1e-6, "{process:?}");
        // Most samples must belong to a component of this project.
        let other = process.components.iter().find(|component| component.name == "other");
        assert!(other.is_none_or(|other| other.share < 0.25), "{process:?}");
    }
}

/// A folder with a program `perf` that runs `script`.
fn with_perf(script: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let perf = folder.path().join("perf");
    fs::write(&perf, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(&perf, Permissions::from_mode(0o700)).unwrap();
    folder
}

/// Answers that it samples, and exits.
const DIES: &str = r#"
for argument in "$@"; do
    case $argument in
        --control=fifo:*) fifos=${argument#--control=fifo:} ;;
        --pid=*) attached=yes ;;
    esac
done
[ "$attached" ] || exit 0
printf 'ack\n' >"${fifos#*,}"
exit 1
"#;

#[test]
fn a_perf_that_exits_early_does_not_disturb_the_run() {
    let perf = with_perf(DIES);
    let output = lab(&[&RUN[..], &["-"]].concat()).env("PATH", perf.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    let report: RunReport = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report.ledger.balanced && report.totals.delivered == 1_000_000);
    assert_eq!(report.budget, None);
    let warned = |text: &str| text.contains("there is no budget: perf");
    assert!(report.warnings.iter().any(|warning| warned(&warning.text)) && warned(&stderr), "{stderr}");
}

#[test]
fn if_perf_is_missing_or_may_not_sample_no_run_starts() {
    let json = tempfile::tempdir().unwrap();
    let file = json.path().join("run.json");
    let refused = |path: &Path, remedy: &str| {
        let output = lab(&[&RUN[..], &[file.to_str().unwrap()]].concat()).env("PATH", path).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.is_empty()), (Some(2), true), "{stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains("--profile") && stderr.contains(remedy), "{stderr}");
        assert!(!file.exists());
    };
    refused(json.path(), "linux-perf");
    refused(with_perf("echo 'Error: not permitted' >&2; exit 255").path(), "(not permitted); as root, set kernel.perf");
}
