//! Bad input: one line that says what to do, status 2, and no process left behind.

use assert_cmd::assert::OutputAssertExt;
use tempfile::TempDir;

use crate::lab::lab;

/// Runs the lab with `arguments`, which must be wrong, and returns the one line that it says.
fn refused(arguments: &[&str], status: i32) -> String {
    let folder = TempDir::new().unwrap();
    let output = lab(arguments).env("TMPDIR", folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    output.assert().code(status).stdout("");
    assert_eq!(said.lines().count(), 1, "{arguments:?}: {said}");
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    said
}

#[test]
fn each_mistake_is_one_line_that_says_what_to_do() {
    for (flags, remedies) in [
        (&["--app", "ftp"][..], &["ftp", "bulk, cbr, poisson, onoff, reqresp"][..]),
        (&["--app", "cbr:colour=1"], &["colour", "rate, load"]),
        (&["--app", "bulk:size=64K"], &["64K", "64kB", "64KiB"]),
        (&["--app", "bulk:size=1473B"], &["1473B", "at most 1472B"]),
        (&["--app", "cbr:load=1", "--link", "unlimited"], &["--app", "limit --link"]),
        (&["--link", "1000"], &["--link", "1000Mbit"]),
        (&["--duration", "5"], &["--duration", "5s"]),
        (&["--depth", "0"], &["--depth", "1 to 65536"]),
        (&["--depth", "65537"], &["65537", "1 to 65536"]),
        (&["--policy", "drop"], &["drop-newest", "deadline=5ms"]),
        (&["--packets", "1", "--duration", "1s"], &["--packets", "--duration"]),
        (&["--json", "/missing/run.json"], &["--json /missing/run.json", "folder"]),
        (&["--pcap", "/missing/run.pcap"], &["--pcap /missing/run.pcap", "folder"]),
        (&["--dma", "none", "--verify"], &["--dma none", "--verify"]),
        (&["--socket", "/tmp/x"], &["--socket", "private"]),
        (&["--from", "/missing.json"], &["--from /missing.json", "--json"]),
        (&["--bandwidth", "1"], &["--bandwidth", "--help"]),
    ] {
        let said = refused(&[&["run"], flags].concat(), 2);
        for remedy in remedies {
            assert!(said.contains(remedy), "{flags:?}: {remedy} is not in: {said}");
        }
    }
}

#[test]
fn a_comparison_takes_policies_and_not_one() {
    assert!(refused(&["compare", "--policy", "wait"], 2).contains("--policies"));
    assert!(refused(&["compare", "--policies", "wait,drop"], 2).contains("drop-newest"));
    assert!(refused(&["compare", "--app", "bulk:size=1473B"], 2).contains("at most 1472B"));
    assert!(refused(&[], 2).contains("run, compare"));
}

#[test]
fn programs_that_are_missing_are_named_with_the_way_to_build_them() {
    let folder = TempDir::new().unwrap();
    let output = lab(&["run"]).env("PUSHBACK_BIN_DIR", folder.path()).output().unwrap();
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    output.assert().code(1);
    assert!(said.contains("no program driver") && said.contains("cargo build --release"), "{said}");
}

/// The environment is for the lab: it has told its children everything by flags.
#[test]
fn the_environment_reaches_the_children_by_way_of_the_lab() {
    let mut lab = lab(&["run", "--packets", "100", "--quiet", "--json", "-"]);
    let output =
        lab.env("PUSHBACK_DEPTH", "7").env("PUSHBACK_SOCKET", "/nowhere").env("PUSHBACK_ONCE", "true").output();
    let report = output.unwrap().assert().success().get_output().stdout.clone();
    let report: shared::report::RunReport = serde_json::from_slice(&report).unwrap();
    assert_eq!((report.ring.depth, report.totals.delivered), (7, 100));
}
