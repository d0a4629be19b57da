//! The program's command line: a mistake is reported in one line with the remedy.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("dispatch-bench"));
    command.args(arguments);
    command
}

/// Runs it with wrong `arguments`, and returns the one line on standard error.
fn refused(arguments: &[&str], status: i32) -> String {
    let output = bench(arguments).assert().code(status).stdout("").get_output().clone();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(message.lines().count(), 1, "{arguments:?}: {message}");
    message
}

#[test]
fn each_mistake_is_reported_in_one_line_with_the_remedy() {
    for (arguments, remedies) in [
        (&["--repetitions", "0"][..], &["--repetitions", "1..=1000"][..]),
        (&["--repetitions", "many"], &["--repetitions", "many"]),
        (&["--slow"], &["--slow", "--help"]),
        (&["--json", "/missing/report.json"], &["--json /missing/report.json", "folder"]),
        (&["pass", "boxed", "hot", "ready", "1"], &["boxed", "boxed-dyn"]),
        (&["pass", "native", "hot", "ready", "0"], &["1..=32"]),
    ] {
        let message = refused(arguments, 2);
        for remedy in remedies {
            assert!(message.contains(remedy), "{arguments:?}: {remedy} is not in: {message}");
        }
    }
}

/// The tests are built with few variants, the default of `cargo build`.
#[cfg(not(feature = "all-variants"))]
#[test]
fn with_few_variants_there_are_no_figures_and_no_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("report.json");
    let message = refused(&["--quick", "--json", path.to_str().unwrap()], 1);
    assert!(message.contains("8 variants") && message.contains("scripts/bench-dispatch.sh"), "{message}");
    assert!(!path.exists());
}

#[test]
fn a_pass_prints_its_checksum_which_is_the_same_for_all_arms() {
    let of = |arm| bench(&["pass", arm, "cold", "waits", "2"]).assert().success().get_output().stdout.clone();
    assert_eq!(of("boxed-dyn"), of("sync-generic"));
    assert_eq!(of("poll").len(), "0123456789abcdef\n".len());
}

#[test]
fn allocations_are_counted_by_a_program_of_their_own() {
    let output = Command::new(cargo_bin("dispatch-allocations")).assert().success().get_output().stdout.clone();
    let counted: Vec<dispatch_bench::measure::Allocated> = serde_json::from_slice(&output).unwrap();
    assert_eq!(counted.len(), 72);
}

/// Programs that are measured are started this way, so that they end with the benchmark.
#[test]
fn a_program_starts_only_if_its_parent_is_alive() {
    let here = std::process::id().to_string();
    bench(&["end-with-parent", &here, "--", "echo", "-n", "measured"]).assert().success().stdout("measured");
    assert!(refused(&["end-with-parent", "1", "--", "echo"], 1).contains("1 has ended"));
    assert!(refused(&["end-with-parent", &here, "--", "/missing/program"], 1).contains("/missing/program does not"));
}
