//! Text for people that cannot be written. The results are written all the same.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::lab::lab;

/// Runs the lab while `deaf` takes none of its text, which ends with `status`, and returns the JSON.
fn written(arguments: &[&str], deaf: fn() -> Stdio, status: i32) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let mut command = lab(&[arguments, &["--json", json.to_str().unwrap()]].concat());
    let ended = command.stdout(deaf()).stderr(deaf()).status().unwrap();
    assert_eq!(ended.code(), Some(status), "{arguments:?}");
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

/// A pipe whose reader has left.
fn no_reader() -> Stdio {
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
    // A reader that has left has seen enough; a full device has lost something.
    for (deaf, status) in [(no_reader as fn() -> Stdio, 0), (full, 1)] {
        let run =
            written(&["run", "--packets", "100", "--app", "cbr:load=0.5", "--policy", "drop-newest"], deaf, status);
        assert_eq!(run["totals"]["offered"], 100);
        let compared = written(&["compare", "--packets", "100", "--policies", "wait,drop-newest"], deaf, status);
        assert_eq!(compared["runs"].as_array().unwrap().len(), 2);
        let simulated = written(&["simulate", "--packets", "100"], deaf, status);
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
fn text_without_a_reader_is_no_failure_and_text_on_a_full_device_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("run.json");
    let json = json.to_str().unwrap();
    assert_eq!(lab(&["simulate", "--packets=5", "--json", json]).status().unwrap().code(), Some(0));
    for arguments in [
        &["theory", "md1k", "--load", "0.7", "--places", "5"][..],
        &["simulate", "--packets", "5"],
        &["report", json],
        &["report", "--format", "csv", json],
        &["run", "--packets", "5"],
        &["--help"],
        &["run", "--help"],
        &["--version"],
    ] {
        assert_eq!(lab(arguments).stdout(no_reader()).status().unwrap().code(), Some(0), "{arguments:?}");
        let output = lab(arguments).stdout(full()).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains("not all text could be written"), "{arguments:?}: {said}");
    }
}
