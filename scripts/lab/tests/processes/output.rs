//! Text for people that nobody can hear. The results are written all the same.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::lab::lab;

/// Runs the lab while `deaf` takes none of its text, and returns the JSON.
fn written(arguments: &[&str], deaf: fn() -> Stdio) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let mut command = lab(&[arguments, &["--json", json.to_str().unwrap()]].concat());
    let status = command.stdout(deaf()).stderr(deaf()).status().unwrap();
    assert_eq!(status.code(), Some(0), "{arguments:?}");
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

/// A pipe whose reader has left.
fn nobody() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A disk without room.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn results_are_written_though_nobody_hears_the_text() {
    for deaf in [nobody, full] {
        let run = written(&["run", "--packets", "100", "--app", "cbr:load=0.5", "--policy", "drop-newest"], deaf);
        assert_eq!(run["totals"]["offered"], 100);
        let compared = written(&["compare", "--packets", "100", "--policies", "wait,drop-newest"], deaf);
        assert_eq!(compared["runs"].as_array().unwrap().len(), 2);
        // What is ignored is said too.
        let simulated = written(&["simulate", "--packets", "100", "--idle", "spin"], deaf);
        assert_eq!(simulated["totals"]["delivered"], 100);
    }
}

/// The driver of the second run does not start.
#[test]
fn a_run_that_does_not_begin_spares_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (json, programs) = (folder.path().join("compare.json"), folder.path().join("programs"));
    let mut compare = lab(&["compare", "--packets", "100", "--policies", "wait,drop-newest,drop-oldest"]);
    let real = Path::new(compare.get_program()).parent().unwrap().to_owned();
    std::fs::create_dir(&programs).unwrap();
    symlink(real.join("netstack"), programs.join("netstack")).unwrap();
    let driver = programs.join("driver");
    let once = format!("#!/bin/sh\nrm '{}'\nexec '{}' \"$@\"\n", driver.display(), real.join("driver").display());
    std::fs::write(&driver, once).unwrap();
    std::fs::set_permissions(&driver, Permissions::from_mode(0o700)).unwrap();
    let output = compare.arg("--json").arg(&json).env("PUSHBACK_BIN_DIR", &programs).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("drop-newest") && said.contains("does not start") && said.lines().count() == 1, "{said}");
    let written: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(written["runs"].as_array().unwrap().len(), 1);
    assert!(String::from_utf8(output.stdout).unwrap().contains("Waiting lost none of 100"));
}

#[test]
fn text_that_nobody_hears_is_no_failure() {
    let mut theory = lab(&["theory", "mm1k", "--load", "0.9", "--places", "8"]);
    assert_eq!(theory.stdout(nobody()).status().unwrap().code(), Some(0));
}
