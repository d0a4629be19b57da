//! What both processes and the commands in real time write, held against the schemas in `shared/schemas`; and the lines
//! of --json-stream of a run of both processes.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use crate::lab::{lab, program};
use crate::schema::{conforms, conforms_to};

fn read(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

/// The events on the standard output of a program, each of which is what the schema describes.
fn events(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.iter().for_each(|event| conforms_to("stream-1", event));
    events
}

/// Checks that the first of `events` is the start of a run of `program`, the last one holds `report`, and those between
/// have the samples of its series.
fn is_stream_of(events: &[Value], program: &str, report: &Value) {
    let [start, intervals @ .., end] = events else { panic!("{events:?}") };
    assert_eq!((&start["event"], &start["data"]["clock"]), (&json!("start"), &json!("real")));
    assert!(start["data"]["command_line"][0].as_str().unwrap().ends_with(program), "{start}");
    assert!(start["data"]["date"].is_string() && start["data"]["host"]["cpus"].is_number(), "{start}");
    assert_eq!((&start["data"]["config"], &start["data"]["seed"]), (&report["config"], &report["seed"]));
    assert_eq!((&end["event"], &end["data"]), (&json!("end"), report));
    let samples: Vec<_> = intervals.iter().map(|line| (line["event"].as_str(), line["data"].clone())).collect();
    let series = report["series"].as_array().unwrap();
    assert_eq!(samples, series.iter().map(|sample| (Some("interval"), sample.clone())).collect::<Vec<_>>());
    assert!(series.len() >= 3, "{series:?}");
}

const RUN: [&str; 4] = ["--app=cbr:rate=2kpps", "--duration=200ms", "--interval=50ms", "--link=100Mbit"];

#[test]
fn the_reports_of_both_programs_are_described_and_so_are_the_lines_of_the_stack() {
    let folder = tempfile::tempdir().unwrap();
    let [socket, run, driven] = ["socket", "run.json", "driver.json"].map(|name| folder.path().join(name));
    let mut driver = Command::new(program("driver"))
        .args(["--once", "--link=100Mbit", "--socket"])
        .arg(&socket)
        .arg("--json")
        .arg(&driven)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(driver.stdout.take().unwrap()).read_line(&mut ready).unwrap();
    let mut stack = Command::new(program("netstack"));
    stack.args(&RUN[..3]).arg("--json-stream").arg("--socket").arg(&socket).arg("--json").arg(&run);
    let output = stack.output().unwrap();
    assert!(driver.wait().unwrap().success());
    is_stream_of(&events(&output), "netstack", &read(&run));
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains("goodput") && errors.contains("Ledger"), "text for people is there: {errors}");
    assert_eq!(conforms(&fs::read_to_string(&run).unwrap()), "run-2");
    assert_eq!(conforms(&fs::read_to_string(&driven).unwrap()), "driver-2");
    let command = &read(&driven)["command_line"];
    assert!(command[0].as_str().unwrap().ends_with("driver") && command[1] == "--once", "{command}");
}

#[test]
fn a_run_of_both_processes_is_described_and_so_are_its_lines() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.json");
    let output = lab(&["run", "--json-stream", "--json"]).arg(&file).args(RUN).output().unwrap();
    is_stream_of(&events(&output), "lab", &read(&file));
    assert!(String::from_utf8(output.stderr).unwrap().contains("Ledger"), "text for people is there");
    assert_eq!(conforms(&fs::read_to_string(&file).unwrap()), "run-2");
    assert!(read(&file)["command_line"][0].as_str().unwrap().ends_with("lab"), "not the command of the stack");
    let quiet = lab(&[&["run", "--json-stream", "--quiet"], &RUN[..]].concat()).output().unwrap();
    assert!(events(&quiet).len() > 4);
    // A warning may be there: on a busy machine the driver is late.
    let errors = String::from_utf8(quiet.stderr).unwrap();
    assert!(errors.lines().all(|line| line.starts_with("lab: warning: ")), "{errors}");
}

#[test]
fn a_prediction_that_is_tested_is_described() {
    let grid = ["--policies=drop-newest", "--kinds=cbr", "--loads=0.5", "--depths=16", "--transports=shm"];
    let output =
        lab(&[&["predict", "--packets=50", "--link=20Mbit", "--json=-"], &grid[..]].concat()).output().unwrap();
    // Whether they agree depends on the machine.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(conforms(&String::from_utf8(output.stdout).unwrap()), "predict-1");
}
