//! `lab dispatch`, and runs with each way to call the layers.

use std::process::Command;

use assert_cmd::assert::OutputAssertExt;
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::lab;
use crate::schema::conforms;

fn json(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    serde_json::from_slice(&output.assert().success().get_output().stdout).unwrap()
}

#[test]
fn every_way_is_measured_and_a_missing_count_is_left_out() {
    let folder = TempDir::new().unwrap();
    let svg = folder.path().join("dispatch.svg");
    let flags = ["dispatch", "--time", "20ms", "--repetitions", "1", "--sizes", "64B,1500B", "--json", "-", "--svg"];
    let report = json(lab(&flags).arg(&svg).env("PATH", folder.path()));
    assert_eq!(conforms(&report.to_string()), "dispatch-1");
    let ways = report["ways"].as_array().unwrap();
    let names: Vec<_> = ways.iter().map(|way| way["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["static", "boxed", "inline", "poll", "sync"]);
    for way in ways {
        let allocations = way["allocations_per_packet"].as_f64().unwrap();
        let expected = if way["name"] == "boxed" { 5.0 } else { 0.0 };
        assert!((allocations - expected).abs() < 0.01, "{way}");
        assert!(way["ns_per_packet"].as_f64().unwrap() > 0.0 && way["budget_share"].as_f64().unwrap() > 0.0);
        assert_eq!((way["instructions_per_packet"].is_null(), way["sizes"].as_array().unwrap().len()), (true, 2));
        // One repetition has no interval and decides nothing.
        assert!(way["sizes"][0]["holds_gigabit"].is_null() && way["sizes"][0]["stack_ns_interval"].is_null(), "{way}");
    }
    let left_out = report["left_out"][0].as_str().unwrap();
    assert!(left_out.contains("valgrind") && left_out.contains("PATH"), "{left_out}");
    assert!(std::fs::read_to_string(svg).unwrap().contains("boxed"));
}

#[test]
fn a_report_holds_its_dispatch_and_is_repeated_with_it() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("run.json");
    let flags = ["run", "--app", "cbr:rate=10kpps", "--packets", "200", "--link", "1Gbit", "--quiet", "--json"];
    let mut digests = Vec::new();
    for way in ["static", "boxed", "inline", "poll", "sync"] {
        let first = json(lab(&flags).args(["-", "--dispatch", way]));
        std::fs::write(&file, first.to_string()).unwrap();
        let again = json(lab(&["run", "--json", "-", "--from"]).arg(&file));
        for report in [&first, &again] {
            assert_eq!(report["config"]["netstack"]["dispatch"], way);
            assert_eq!((&report["totals"]["delivered"], &report["ledger"]["balanced"]), (&200.into(), &true.into()));
            digests.push(report["arrivals_digest"].clone());
        }
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn invalid_values_are_refused_with_the_flag_and_the_remedy() {
    for (flags, remedy) in
        [(&["dispatch", "--slowdown", "0.5"][..], "factor of 1"), (&["run", "--dispatch", "virtual"], "static, boxed")]
    {
        let output = lab(flags).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(flags[1]) && stderr.contains(flags[2]) && stderr.contains(remedy), "{stderr}");
        assert!(!stderr.contains("none"), "none is for measurements only and not offered: {stderr}");
    }
}
