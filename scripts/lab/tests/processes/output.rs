//! Text for people that nobody can hear. The results are written all the same.

use std::fs::File;
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

#[test]
fn text_that_nobody_hears_is_no_failure() {
    let mut theory = lab(&["theory", "mm1k", "--load", "0.9", "--places", "8"]);
    assert_eq!(theory.stdout(nobody()).status().unwrap().code(), Some(0));
}
