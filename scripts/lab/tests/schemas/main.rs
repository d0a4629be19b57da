//! What the commands in virtual time write, held against the schemas in `shared/schemas`; and the lines of --json-stream.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../common/schema.rs"]
mod schema;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::{Value, json};

use schema::{conforms, conforms_to};

/// A run that drops packets.
const LOSSY: &str = "simulate --app poisson:load=1.5 --packets 400 --policy drop-newest --depth 4";

fn lab(folder: &Path, flags: &str) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    command.args(flags.split_whitespace()).current_dir(folder).env("PUSHBACK_BIN_DIR", folder).output().unwrap()
}

/// Runs the lab with `flags`, which must end with `status`, and returns what is on standard output.
fn ends(folder: &Path, flags: &str, status: i32) -> String {
    let output = lab(folder, flags);
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert_eq!(output.status.code(), Some(status), "{flags}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// The report that the lab writes with `flags`, which is what its schema describes.
fn report(folder: &Path, flags: &str, status: i32) -> Value {
    let text = ends(folder, &format!("{flags} --quiet --json -"), status);
    conforms(&text);
    serde_json::from_str(&text).unwrap()
}

/// Checks the keys about the origin of a report that says when it was made.
fn has_origin(report: &Value, command: &str) {
    let date: jiff::Timestamp = report["date"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(date).as_secs() < 3600, "{date}");
    assert_eq!(report["version"], env!("CARGO_PKG_VERSION"));
    assert!(!report["git_revision"].as_str().unwrap().is_empty());
    assert_eq!(report["command_line"][1], command);
}

#[test]
fn a_simulation_writes_what_its_schema_describes() {
    let folder = tempfile::tempdir().unwrap();
    let run = report(folder.path(), LOSSY, 0);
    has_origin(&run, "simulate");
    let (stack, driver) = (&run["config"]["netstack"], &run["config"]["driver"]);
    assert_eq!((&stack["depth"], &stack["packets"], &stack["txqueue"]), (&json!(4), &json!(400), &json!(64)));
    assert_eq!((&driver["depth"], &driver["hw_queue"], &driver["link"]), (&json!(4), &json!(256), &json!("1Gbit")));
    for more in [
        "--repetitions 3",
        "--wake 3 --policy wait --warmup 1ms --service exponential --coalesce frames=2,for=50us",
        "--app bulk:budget=3kB --app reqresp:think=1ms --app cbr:load=0.1,when-blocked=skip --policy deadline=1ms",
        "--policy drop-oldest --stall every=1ms,for=100us --gateway 10.0.0.7 --dispatch poll",
    ] {
        report(folder.path(), &format!("{} {more}", LOSSY.replace("--policy drop-newest", "")), 0);
    }
    let crowd = report(folder.path(), &format!("simulate --packets 1{}", " --app bulk".repeat(65)), 0);
    assert_eq!(crowd["apps"][64]["sojourn_ns"]["p50"], Value::Null);
}

/// Means and quantiles of nothing do not exist; counts and sums of nothing are 0.
#[test]
fn a_figure_that_does_not_exist_is_null() {
    let folder = tempfile::tempdir().unwrap();
    let run = report(folder.path(), "simulate --app cbr:load=0.5,to=10.0.0.77:9,when-blocked=skip --packets 3", 1);
    let nothing = json!({"count": 0, "mean": null, "p50": null, "p90": null, "p99": null, "p999": null, "max": null});
    for times in [&run["sojourn_ns"], &run["apps"][0]["latency_ns"], &run["blocked"]["stages"]["room"]["waits_ns"]] {
        assert_eq!(times, &nothing);
    }
    assert_eq!((&run["totals"]["loss_ratio"], &run["totals"]["dropped"]), (&Value::Null, &json!(0)));
    assert_eq!((&run["wakes"]["netstack_per_thousand"], &run["blocked"]["total_ns"]), (&Value::Null, &json!(0)));
}

#[test]
fn each_file_of_a_sweep_is_described_and_only_one_of_them_is_dated() {
    let folder = tempfile::tempdir().unwrap();
    ends(folder.path(), "sweep --app poisson:load=1.5 --packets 200 --vary depth=2,4 --repetitions 2 --out all", 0);
    let text = |name: &Path| fs::read_to_string(folder.path().join(name)).unwrap();
    let mut files: Vec<_> =
        fs::read_dir(folder.path().join("all/runs")).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 4);
    files.push("all/table.json".into());
    for file in &files {
        conforms(&text(file));
        let written: Value = serde_json::from_str(&text(file)).unwrap();
        assert_eq!((&written["date"], &written["command_line"]), (&Value::Null, &Value::Null));
        assert_eq!(written["version"], env!("CARGO_PKG_VERSION"));
    }
    assert_eq!(conforms(&text(Path::new("all/sweep.json"))), "sweep-1");
    has_origin(&serde_json::from_str(&text(Path::new("all/sweep.json"))).unwrap(), "sweep");

    let checked = report(folder.path(), "check --baseline all all", 0);
    assert_eq!(checked["schema"], "pushback.check/1");
    has_origin(&checked, "check");
}

/// Programs that fail at once, so that the run has no report.
#[test]
fn the_file_of_a_failed_run_is_described() {
    let folder = tempfile::tempdir().unwrap();
    for program in ["netstack", "driver"] {
        fs::write(folder.path().join(program), "#!/bin/sh\nexit 3\n").unwrap();
        fs::set_permissions(folder.path().join(program), Permissions::from_mode(0o700)).unwrap();
    }
    let sweep = "sweep --clock real --app bulk --packets 9 --vary depth=2 --repetitions 1 --out all";
    assert_ne!(lab(folder.path(), sweep).status.code(), Some(0));
    let failed: Vec<_> = fs::read_dir(folder.path().join("all/runs")).unwrap().collect();
    let [Ok(file)] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!(conforms(&fs::read_to_string(file.path()).unwrap()), "failed-run-1");
}

#[test]
fn a_comparison_and_the_answer_of_a_search_are_described() {
    let folder = tempfile::tempdir().unwrap();
    let compared = report(folder.path(), "compare --app poisson:load=1.5 --packets 200 --depth 4 --repetitions 2", 0);
    has_origin(&compared, "compare");
    assert_eq!(compared["runs"].as_array().unwrap().len(), 8);
    let search =
        "tune --app poisson:load=0.9 --packets 400 --max-depth 8 --no-confirm --repetitions 2 --max-loss 20% --json -";
    let answer = ends(folder.path(), search, 0);
    assert_eq!(conforms(&answer), "tune-1");
    has_origin(&serde_json::from_str(&answer).unwrap(), "tune");
}

#[test]
fn a_stream_has_a_line_for_the_start_for_each_interval_and_for_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let flags = "simulate --app cbr:rate=2kpps --duration 50ms --interval 10ms";
    let lines = ends(folder.path(), &format!("{flags} --json-stream --json run.json"), 0);
    let events: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    events.iter().for_each(|event| conforms_to("stream-1", event));
    let [start, intervals @ .., end] = &events[..] else { panic!("{lines}") };
    assert_eq!((&start["event"], &start["data"]["schema"]), (&json!("start"), &json!("pushback.stream/1")));
    has_origin(&start["data"], "simulate");
    assert_eq!(start["data"]["config"]["netstack"]["interval"], "10ms");
    let written: Value = serde_json::from_slice(&fs::read(folder.path().join("run.json")).unwrap()).unwrap();
    assert_eq!((&end["event"], &end["data"]), (&json!("end"), &written));
    let samples: Vec<_> = intervals.iter().map(|line| (line["event"].as_str(), line["data"].clone())).collect();
    let series = written["series"].as_array().unwrap();
    assert_eq!(samples, series.iter().map(|sample| (Some("interval"), sample.clone())).collect::<Vec<_>>());
    assert!(series.len() >= 5, "{series:?}");

    // What is on standard output does not change what is simulated, but the timer of the lines is a wake-up too.
    let alone = report(folder.path(), flags, 0);
    let same = |report: &Value| {
        let mut report = report.clone();
        for key in ["date", "command_line", "wakeups"] {
            report[key].take();
        }
        report["config"]["netstack"]["quiet"].take();
        report
    };
    assert_eq!(same(&alone), same(&written));
}

#[test]
fn a_stream_and_a_report_do_not_share_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, remedy) in [
        ("simulate --json-stream --json -", "name a file with --json"),
        ("run --json-stream --json -", "name a file with --json"),
        ("simulate --json-stream --repetitions 2", "leave out --precision"),
    ] {
        let output = lab(folder.path(), flags);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{errors}");
        assert!(errors.contains("--json-stream: ") && errors.contains(remedy), "{errors}");
    }
}
