//! Standard output and standard error that cannot be written. The results are still written.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::lab::lab;

/// Runs the lab with an `unwritable` output, checks its exit `status`, and returns the JSON.
fn written(arguments: &[&str], unwritable: fn() -> Stdio, status: i32) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("results.json");
    let mut command = lab(&[arguments, &["--json", json.to_str().unwrap()]].concat());
    let ended = command.stdout(unwritable()).stderr(unwritable()).status().unwrap();
    assert_eq!(ended.code(), Some(status), "{arguments:?}");
    serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap()
}

/// A pipe whose reader has closed it.
fn no_reader() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

/// A device that is always full.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").unwrap().into()
}

#[test]
fn results_are_written_even_if_the_text_cannot_be() {
    // A reader that has closed the pipe has read enough: no error. On a full device, text is lost: an error.
    for (unwritable, status) in [(no_reader as fn() -> Stdio, 0), (full, 1)] {
        let run = written(
            &["run", "--packets", "100", "--app", "cbr:load=0.5", "--policy", "drop-newest"],
            unwritable,
            status,
        );
        assert_eq!(run["totals"]["offered"], 100);
        let compared = written(
            &["compare", "--clock", "real", "--packets", "100", "--policies", "wait,drop-newest"],
            unwritable,
            status,
        );
        assert_eq!(compared["runs"].as_array().unwrap().len(), 2);
        let simulated = written(&["simulate", "--packets", "100"], unwritable, status);
        assert_eq!(simulated["totals"]["delivered"], 100);
    }
}

/// The driver of the second run cannot be started.
#[test]
fn a_run_that_cannot_start_does_not_discard_those_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let (json, programs) = (folder.path().join("compare.json"), folder.path().join("programs"));
    let mut compare = lab(&["compare", "--clock=real", "--packets=100", "--policies=wait,drop-newest,drop-oldest"]);
    let real = Path::new(compare.get_program()).parent().unwrap().to_owned();
    std::fs::create_dir(&programs).unwrap();
    symlink(real.join("netstack"), programs.join("netstack")).unwrap();
    let driver = programs.join("driver");
    let once = format!("#!/bin/sh\nrm '{}'\nexec '{}' \"$@\"\n", driver.display(), real.join("driver").display());
    std::fs::write(&driver, once).unwrap();
    std::fs::set_permissions(&driver, Permissions::from_mode(0o700)).unwrap();
    let output = compare.arg("--json").arg(&json).env("PUSHBACK_BIN_DIR", &programs).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(
        stderr.contains("drop-newest") && stderr.contains("does not start") && stderr.lines().count() == 1,
        "{stderr}"
    );
    let written: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(written["runs"].as_array().unwrap().len(), 1);
    assert!(String::from_utf8(output.stdout).unwrap().contains("Waiting lost none of 100"));
}

#[test]
fn text_without_a_reader_is_not_an_error_and_text_on_a_full_device_is() {
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
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {stderr}");
        assert!(stderr.contains("not all text could be written"), "{arguments:?}: {stderr}");
    }
}
