//! Reports of earlier versions can be shown, checked and repeated: of schema `pushback.run/1`, and of `pushback.run/2`
//! from before counts were numbers there.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../common/schema.rs"]
mod schema;

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

use schema::conforms;

/// Each file with the number of its runs.
const REPORTS: [(&str, usize); 3] =
    [("run-1.json", 1), ("run-2-counts-as-text.json", 1), ("compare-1-counts-as-text.json", 2)];

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The reports in the fixture `name`.
fn runs(name: &str) -> Vec<Value> {
    let read: Value = serde_json::from_slice(&fs::read(file(name)).unwrap()).unwrap();
    read["runs"].as_array().cloned().unwrap_or_else(|| vec![read])
}

/// Runs the lab with `flags`, which must succeed, and returns what is on standard output.
fn lab(flags: &str, files: &[&Path]) -> String {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    let output = command.args(flags.split_whitespace()).args(files).output().unwrap();
    assert!(output.status.success(), "{flags} {files:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A setting as text, whether it is recorded as a number or as text.
fn spelled(setting: &Value) -> String {
    setting.as_str().map_or_else(|| setting.to_string(), str::to_owned)
}

#[test]
fn they_are_shown_with_the_settings_that_they_record() {
    for (name, count) in REPORTS {
        let runs = runs(name);
        assert_eq!(runs.len(), count, "{name}");
        let csv = lab("report --format csv", &[&file(name)]);
        let mut rows = csv.lines().map(|row| row.split(',').collect::<Vec<_>>());
        let header = rows.next().unwrap();
        let column = |title| header.iter().position(|name| *name == title).unwrap();
        let shown: Vec<_> =
            rows.map(|row| [row[column("depth")], row[column("hw_queue")]].map(str::to_owned)).collect();
        let recorded =
            runs.iter().map(|run| [&run["config"]["netstack"]["depth"], &run["config"]["driver"]["hw_queue"]]);
        assert_eq!(shown, recorded.map(|settings| settings.map(spelled)).collect::<Vec<_>>(), "{name}");
        for format in ["html", "markdown"] {
            assert!(!lab(&format!("report --format {format}"), &[&file(name)]).is_empty());
        }
    }
}

#[test]
fn they_are_compared_with_themselves() {
    for (name, _) in REPORTS {
        let old = file(name);
        assert!(lab("check --baseline", &[&old, &old]).contains("same"), "{name}");
    }
}

#[test]
fn they_are_repeated_and_the_new_report_is_what_its_schema_describes() {
    for (name, _) in REPORTS.iter().filter(|(_, count)| *count == 1) {
        let text = lab("simulate --quiet --json - --packets 50 --from", &[&file(name)]);
        assert_eq!(conforms(&text), "run-2");
        let (old, new) = (runs(name).remove(0), serde_json::from_str::<Value>(&text).unwrap());
        for (side, key) in [("netstack", "depth"), ("netstack", "txqueue"), ("driver", "hw_queue"), ("driver", "depth")]
        {
            let (old, new) = (&old["config"][side][key], &new["config"][side][key]);
            assert!(new.is_u64() && spelled(new) == spelled(old), "{name}: {key} is {new}, and was {old}");
        }
        assert_eq!(new["config"]["netstack"]["apps"].as_array().unwrap().len(), old["apps"].as_array().unwrap().len());
        assert_eq!(new["seed"], old["seed"]);
    }
}
