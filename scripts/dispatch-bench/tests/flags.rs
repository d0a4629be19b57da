//! The program as people run it: what is wrong is said in one line, with the remedy.
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin;
use tempfile::TempDir;

fn bench(arguments: &[&str]) -> Command {
    let mut command = Command::new(cargo_bin("dispatch-bench"));
    command.args(arguments);
    command
}

/// Runs it with `arguments`, which must be wrong, and returns the one line that it says.
fn refused(arguments: &[&str], status: i32) -> String {
    let output = bench(arguments).assert().code(status).stdout("").get_output().clone();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    said
}

#[test]
fn each_mistake_is_one_line_that_says_what_to_do() {
    for (arguments, remedies) in [
        (&["--repetitions", "0"][..], &["--repetitions", "1..=1000"][..]),
        (&["--repetitions", "many"], &["--repetitions", "many"]),
        (&["--slow"], &["--slow", "--help"]),
        (&["--json", "/missing/report.json"], &["--json /missing/report.json", "folder"]),
        (&["pass", "boxed", "hot", "ready", "1"], &["boxed", "boxed-dyn"]),
        (&["pass", "native", "hot", "ready", "0"], &["1..=32"]),
    ] {
        let said = refused(arguments, 2);
        for remedy in remedies {
            assert!(said.contains(remedy), "{arguments:?}: {remedy} is not in: {said}");
        }
    }
}

/// The tests are built with few variants, as is whatever `cargo build` builds.
#[cfg(not(feature = "all-variants"))]
#[test]
fn with_few_variants_there_are_no_figures_and_no_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("report.json");
    let said = refused(&["--quick", "--json", path.to_str().unwrap()], 1);
    assert!(said.contains("8 variants") && said.contains("scripts/bench-dispatch.sh"), "{said}");
    assert!(!path.exists());
}

#[test]
fn a_pass_says_what_it_computed_and_all_arms_the_same() {
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

/// What is measured is started through it, so that it ends with the benchmark.
#[test]
fn a_program_starts_with_its_parent_alone() {
    let here = std::process::id().to_string();
    bench(&["end-with-parent", &here, "--", "echo", "-n", "measured"]).assert().success().stdout("measured");
    assert!(refused(&["end-with-parent", "1", "--", "echo"], 1).contains("1 has ended"));
    assert!(refused(&["end-with-parent", &here, "--", "/missing/program"], 1).contains("/missing/program does not"));
}
