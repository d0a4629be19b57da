//! `lab sweep` and `lab point` as command lines.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;

/// Four points with three runs each; half of the points are random.
const SWEEP: &str = "sweep --app poisson:load=0.9 --packets 200 --repetitions 3 --vary depth=2,8 \
                     --vary policy=wait,drop-newest";

fn lab(arguments: &str, out: &Path) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    command.args(arguments.split_whitespace()).arg("--out").arg(out).output().unwrap()
}

fn point(table: &Path, index: usize) -> Output {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("lab"));
    command.arg("point").arg(table).arg("--index").arg(index.to_string()).output().unwrap()
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap() + &String::from_utf8(output.stdout.clone()).unwrap()
}

#[track_caller]
fn ends(arguments: &str, out: &Path, status: i32, saying: &str) {
    let output = lab(arguments, out);
    assert_eq!(output.status.code(), Some(status), "{}", printed(&output));
    assert!(printed(&output).contains(saying), "{}", printed(&output));
}

/// The content of every file that must not depend on when, where and in how many steps the sweep was made.
fn compared(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for folder in [folder.to_owned(), folder.join("runs")] {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            let name = entry.file_name().into_string().unwrap();
            if name != "sweep.json" {
                files.insert(name, fs::read_to_string(entry.path()).unwrap());
            }
        }
    }
    files
}

fn reports(folder: &Path) -> Vec<Value> {
    let files = compared(folder).into_iter().filter(|(name, _)| name.len() > 32);
    files.map(|(_, text)| serde_json::from_str(&text).unwrap()).collect()
}

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_sweep_that_was_cut_short_does_the_rest_and_leaves_the_same_files() {
    let (whole, parts) = (folder(), folder());
    ends(SWEEP, whole.path(), 0, "4 points, 12 runs in virtual time: 12 made");
    ends(&format!("{SWEEP} --jobs 1"), parts.path(), 0, "12 made");
    assert_eq!(compared(parts.path()), compared(whole.path()), "the number of jobs changes nothing");
    // As if it had been killed in the middle.
    for name in compared(parts.path()).keys().filter(|name| name.len() > 32).step_by(2) {
        fs::remove_file(parts.path().join("runs").join(name)).unwrap();
    }
    fs::remove_file(parts.path().join("points.csv")).unwrap();
    ends(SWEEP, parts.path(), 0, "6 made, 6 found");
    assert_eq!(compared(parts.path()), compared(whole.path()));
    let provenance: Value =
        serde_json::from_str(&fs::read_to_string(parts.path().join("sweep.json")).unwrap()).unwrap();
    assert_eq!(provenance["wall_ns"].as_object().unwrap().len(), 12, "also those of the first command");
}

#[test]
fn the_file_of_a_run_follows_from_its_settings_alone() {
    let out = folder();
    ends(SWEEP, out.path(), 0, "made");
    let reports = reports(out.path());
    assert_eq!(reports.len(), 12);
    for report in &reports {
        assert!(report["host"].is_null() && report["clock"] == "virtual", "{report}");
        let text = report.to_string();
        assert!(!text.contains(out.path().to_str().unwrap()) && !text.contains("sweep"), "{text}");
    }
    let seeds: Vec<u64> = reports.iter().map(|report| report["seed"].as_u64().unwrap()).collect();
    assert_eq!([1, 2, 3].map(|seed| seeds.iter().filter(|other| **other == seed).count()), [4, 4, 4]);
}

#[test]
fn a_table_can_be_computed_run_by_run() {
    let (whole, parts) = (folder(), folder());
    ends(SWEEP, whole.path(), 0, "made");
    ends(&format!("{SWEEP} --dry-run"), parts.path(), 0, "4 points, 12 runs");
    let table = parts.path().join("table.json");
    for index in [0, 5, 11] {
        let output = point(&table, index);
        assert_eq!(output.status.code(), Some(0), "{}", printed(&output));
    }
    assert!(printed(&point(&table, 5)).contains("was made before"));
    let beyond = point(&table, 12);
    assert!(beyond.status.code() == Some(2) && printed(&beyond).contains("use 0 to 11"), "{}", printed(&beyond));
    ends(SWEEP, parts.path(), 0, "9 made, 3 found");
    assert_eq!(compared(parts.path()), compared(whole.path()));
}

#[test]
fn a_run_that_failed_is_kept_with_its_reason_and_can_be_made_again() {
    let out = folder();
    ends(SWEEP, out.path(), 0, "12 made");
    let whole = compared(out.path());
    let name = whole.keys().find(|name| name.len() > 32).unwrap();
    let failed = r#"{"schema": "pushback.failed-run/1", "status": 1, "reason": "no luck", "report": null}"#;
    fs::remove_file(out.path().join("runs").join(name)).unwrap();
    fs::write(out.path().join("runs").join(name.replace(".json", ".failed.json")), failed).unwrap();
    ends(SWEEP, out.path(), 1, "failed: no luck");
    assert!(fs::read_to_string(out.path().join("points.csv")).unwrap().contains("RUN_FAILED"));
    ends(&format!("{SWEEP} --only failed"), out.path(), 0, "1 made");
    assert_eq!(compared(out.path()), whole);
}

#[test]
fn a_precision_adds_runs_until_the_intervals_are_narrow_or_says_that_they_are_not() {
    let out = folder();
    let sweep = "sweep --app poisson:load=0.9 --packets 300 --vary depth=4 --policy drop-newest";
    ends(&format!("{sweep} --precision 20%"), out.path(), 0, "1 point,");
    let runs = reports(out.path()).len();
    assert!(runs >= 10, "{runs}");
    ends(&format!("{sweep} --precision 10%"), out.path(), 0, "made");
    assert!(reports(out.path()).len() > runs);
    ends(&format!("{sweep} --precision 0.1% --max-replications 12"), folder().path(), 0, "INTERVAL_TOO_WIDE");
}

#[test]
fn a_plan_says_what_a_command_line_says() {
    let (by_plan, by_flags) = (folder(), folder());
    let plan = by_plan.path().join("plan.toml");
    fs::write(
        &plan,
        "repetitions = 3\n[flags]\napp = 'poisson:load=0.9'\npackets = 200\n[vary]\ndepth = '2..8*4'\n\
         policy = ['wait', 'drop-newest']\n",
    )
    .unwrap();
    let out = by_plan.path().join("out");
    ends(&format!("sweep {}", plan.display()), &out, 0, "4 points, 12 runs");
    ends(SWEEP, by_flags.path(), 0, "made");
    assert_eq!(compared(&out), compared(by_flags.path()));
    let other = by_plan.path().join("other");
    ends(
        &format!("sweep {} --vary depth=3 --packets 100 --repetitions 1", plan.display()),
        &other,
        0,
        "2 points, 2 runs",
    );
    assert_eq!(reports(&other)[0]["totals"]["offered"], 100);
}

#[test]
fn a_condition_is_judged_for_each_run_new_or_found() {
    let out = folder();
    let strict = format!("{SWEEP} --fail-if loss>1%");
    for made in ["12 made", "0 made, 12 found"] {
        let output = lab(&strict, out.path());
        let text = printed(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(made) && text.contains("depth=2, policy=drop-newest with seed 1: "), "{text}");
        assert!(!text.contains("policy=wait with seed"), "waiting loses nothing: {text}");
    }
    assert!(fs::read_to_string(out.path().join("points.csv")).unwrap().contains("THRESHOLD"));
    ends(&format!("{SWEEP} --fail-if loss>90%"), out.path(), 0, "12 found");
    ends(&format!("{SWEEP} --fail-if lsos>1%"), out.path(), 2, "did you mean");
    ends(&format!("{SWEEP} --fail-if apps.web.loss_ratio>1%"), out.path(), 2, "there is no app web");
}

#[test]
fn wrong_usage_is_refused_before_anything_is_run() {
    let out = folder();
    let file = out.path().join("file");
    fs::write(&file, "[vary]\ndepth = '8..4'\n").unwrap();
    let sweep = "sweep --packets 9 --vary";
    for (arguments, saying) in [
        ("sweep --packets 9 --vary detph=1".to_owned(), "did you mean depth?"),
        (format!("{sweep} depth=0"), "1 to 65536"),
        (format!("{sweep} depth=1,1"), "given twice"),
        (format!("{sweep} depth=1 --vary depth=2"), "--vary depth is given twice"),
        (format!("{sweep} app.load=0.5"), "sets nothing"),
        (format!("{sweep} idle=spin,sleep"), "no meaning in virtual time"),
        (format!("{sweep} stack-cost=1us --clock real"), "no meaning in real time"),
        (format!("{sweep} depth=1 --transport socket"), "--transport has no meaning in virtual time"),
        (format!("{sweep} link=1Gbit,unlimited"), "point 1 (link=unlimited)"),
        (format!("{sweep} depth=1..65536"), "more than 10000 values"),
        (format!("{sweep} latency=1ms,1000us"), "have the same settings"),
        (format!("{sweep} hw-queue=1..9999 --vary txqueue=1..9999"), "too many"),
        (format!("sweep {}", file.display()), "its end is below its beginning"),
        ("sweep /no/such/plan.toml".to_owned(), "name a plan"),
        (format!("sweep {}/Cargo.toml", env!("CARGO_MANIFEST_DIR")), "is no plan"),
    ] {
        let untouched = out.path().join("out");
        ends(&arguments, &untouched, 2, saying);
        assert!(!untouched.exists(), "{arguments}");
    }
    ends(SWEEP, &file, 2, "name a folder that exists and is writable");
    ends(SWEEP, Path::new("/proc/sweep"), 2, "--out /proc/sweep");
}

#[test]
fn every_ready_plan_can_be_run() {
    let plans = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plans");
    let mut count = 0;
    for plan in fs::read_dir(plans).unwrap().map(|entry| entry.unwrap().path()) {
        ends(&format!("sweep {} --dry-run", plan.display()), folder().path(), 0, "points");
        count += 1;
    }
    assert!(count >= 7, "{count}");
}
