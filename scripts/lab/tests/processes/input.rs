//! Bad input: one line with the remedy, status 2, and no process left behind.

use assert_cmd::assert::OutputAssertExt;
use tempfile::TempDir;

use crate::lab::lab;

/// Runs the lab with wrong `arguments`, and returns the one line on standard error.
fn refused(arguments: &[&str], status: i32) -> String {
    let folder = TempDir::new().unwrap();
    let output = lab(arguments).env("TMPDIR", folder.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    output.assert().code(status).stdout("");
    assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    stderr
}

#[test]
fn each_mistake_is_reported_in_one_line_with_the_remedy() {
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
        (&["--wake", "0"], &["--wake", "0", "each, half"]),
        (&["--wake", "65", "--depth", "64"], &["--wake", "65", "at most 64"]),
        (&["--policy", "drop"], &["drop-newest", "deadline=5ms"]),
        (&["--packets", "1", "--duration", "1s"], &["--packets", "--duration"]),
        (&["--json", "/missing/run.json"], &["--json /missing/run.json", "folder"]),
        (&["--pcap", "/missing/run.pcap"], &["--pcap /missing/run.pcap", "folder"]),
        (&["--dma", "none", "--verify"], &["--dma none", "--verify"]),
        (&["--socket", "/tmp/x"], &["--socket", "a flag of netstack and driver"]),
        (&["--once"], &["--once", "a flag of driver"]),
        (&["--from", "/missing.json"], &["--from /missing.json", "--json"]),
        (&["--bandwidth", "1"], &["--bandwidth", "--help"]),
    ] {
        let stderr = refused(&[&["run"], flags].concat(), 2);
        for remedy in remedies {
            assert!(stderr.contains(remedy), "{flags:?}: {remedy} is not in: {stderr}");
        }
    }
}

#[test]
fn a_flag_without_a_meaning_is_refused() {
    for (arguments, remedies) in [
        (&["simulate", "--level", "99%"][..], &["--level", "--repetitions"][..]),
        (&["simulate", "--repetitions", "3", "--max-replications", "9"], &["--max-replications", "add --precision"]),
        (&["compare", "--level", "99%"], &["--level", "--repetitions"]),
        (&["compare", "--max-replications", "9"], &["--max-replications", "add --precision"]),
        (&["compare", "--clock", "real", "--jobs", "2"], &["--jobs", "one after the other"]),
        (&["sweep", "--vary", "depth=1,2", "--out", "never", "--level", "99%"], &["--level", "--repetitions"]),
        (&["tune", "--max-loss", "1%", "--max-replications", "9"], &["--max-replications", "add --precision"]),
        (&["theory", "for", "--app", "cbr:load=2", "--service-time", "1ms"], &["--service-time", "--link"]),
    ] {
        let stderr = refused(arguments, 2);
        for remedy in remedies {
            assert!(stderr.contains(remedy), "{arguments:?}: {remedy} is not in: {stderr}");
        }
    }
}

#[test]
fn a_misspelled_key_is_reported_with_the_one_that_is_meant() {
    for (arguments, meant) in [
        (&["run", "--app", "possion:load=1"][..], "did you mean poisson?"),
        (&["run", "--app", "cbr:laod=1"], "did you mean load?"),
        (&["run", "--stall", "evrey=1s,for=1ms"], "did you mean every?"),
        (&["run", "--coalesce", "frame=2,for=1us"], "did you mean frames?"),
        (&["compare", "--vary", "detph=1,2"], "did you mean depth?"),
        (&["compare", "--app", "cbr:load=1", "--vary", "app.laod=1,2"], "did you mean load?"),
        (&["compare", "--app", "cbr:load=1,name=web", "--vary", "app.wbe.load=1,2"], "did you mean web?"),
        (&["help", "polciy"], "did you mean policy?"),
    ] {
        let stderr = refused(arguments, 2);
        assert!(stderr.contains(meant), "{arguments:?}: {stderr}");
    }
}

#[test]
fn a_comparison_of_policies_has_no_other_policy() {
    assert!(refused(&["compare", "--policy", "wait"], 2).contains("--policies"));
    assert!(refused(&["compare", "--policy", "wait", "--vary", "policy=wait"], 2).contains("--policies"));
    assert!(refused(&["compare", "--policies", "wait,drop"], 2).contains("drop-newest"));
    assert!(refused(&["compare", "--app", "bulk:size=1473B"], 2).contains("at most 1472B"));
    assert!(refused(&[], 2).contains("run, compare"));
}

#[test]
fn missing_programs_are_reported_with_the_way_to_build_them() {
    let folder = TempDir::new().unwrap();
    let output = lab(&["run"]).env("PUSHBACK_BIN_DIR", folder.path()).output().unwrap();
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    output.assert().code(1);
    assert!(stderr.contains("no program driver") && stderr.contains("cargo build --release"), "{stderr}");
}

/// The lab reads the environment, and passes all settings to its children as flags.
#[test]
fn the_lab_passes_its_environment_to_its_children_as_flags() {
    let mut lab = lab(&["run", "--packets", "100", "--quiet", "--json", "-"]);
    let output =
        lab.env("PUSHBACK_DEPTH", "7").env("PUSHBACK_SOCKET", "/nowhere").env("PUSHBACK_ONCE", "true").output();
    let output = output.unwrap();
    let warnings = String::from_utf8(output.stderr.clone()).unwrap();
    for ignored in ["PUSHBACK_SOCKET", "PUSHBACK_ONCE"] {
        assert_eq!(warnings.matches(&format!("{ignored} is ignored: lab run has no")).count(), 1, "{warnings}");
    }
    let report = output.assert().success().get_output().stdout.clone();
    let report: shared::report::RunReport = serde_json::from_slice(&report).unwrap();
    assert_eq!((report.ring.depth, report.totals.delivered), (7, 100));
}

/// Runs `arguments` with `variables`, and returns the exit status and the standard error.
fn with(arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let output = lab(arguments).envs(variables.iter().copied()).output().unwrap();
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_flag_replaces_variables_that_it_excludes() {
    let run = |flags: &[&str], variable| {
        let output = lab(&[&["simulate", "--json", "-"], flags].concat()).envs([variable]).output().unwrap();
        let report: shared::report::RunReport = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(0));
        (report.totals.offered, report.config.netstack["packets"].clone(), report.config.netstack["duration"].clone())
    };
    let by_count = run(&["--packets", "37"], ("PUSHBACK_DURATION", "3s"));
    assert_eq!(by_count, (37, 37.into(), serde_json::Value::Null));
    let (_, packets, duration) = run(&["--duration", "7ms"], ("PUSHBACK_PACKETS", "41"));
    assert_eq!((packets, duration), (serde_json::Value::Null, "7ms".into()));
    // Two variables that exclude each other are an error.
    let (status, stderr) = with(&["simulate"], &[("PUSHBACK_PACKETS", "41"), ("PUSHBACK_DURATION", "3s")]);
    assert!(status == 2 && stderr.contains("in the environment by PUSHBACK_DURATION and PUSHBACK_PACKETS"), "{stderr}");
    let (status, stderr) = with(&["simulate", "--packets=3", "--duration=3s"], &[]);
    assert!(status == 2 && !stderr.contains("environment"), "{stderr}");
}

#[test]
fn a_switch_in_the_environment_may_be_a_number_or_a_word() {
    let theory = ["simulate", "--app", "cbr:load=1.7", "--depth=6", "--policy=drop-newest", "--packets=3000"];
    for (on, off) in [("1", "0"), ("true", "false")] {
        for (switch, command) in
            [("PUSHBACK_VERIFY", &["simulate", "--packets=7"][..]), ("PUSHBACK_QUIET", &["run", "--packets=7"])]
        {
            for value in [on, off] {
                assert_eq!(with(command, &[(switch, value)]).0, 0, "{switch}={value}");
            }
        }
        let estimates = |value| {
            let output = lab(&theory).env("PUSHBACK_ASSERT_THEORY", value).output().unwrap();
            assert_eq!(output.status.code(), Some(0));
            String::from_utf8(output.stdout).unwrap().contains("Estimate")
        };
        assert_eq!((estimates(on), estimates(off)), (true, false), "{on} {off}");
    }
    let (status, stderr) = with(&["run"], &[("PUSHBACK_VERIFY", "perhaps")]);
    assert!(status == 2 && stderr.contains("PUSHBACK_VERIFY") && stderr.contains("perhaps"), "{stderr}");
}

#[test]
fn a_capture_of_several_runs_is_refused_as_flag_and_as_variable() {
    let (status, stderr) = with(&["compare"], &[("PUSHBACK_PCAP", "/tmp/never.pcap")]);
    assert!(status == 2 && stderr.contains("PUSHBACK_PCAP") && stderr.contains("lab run"), "{stderr}");
    assert!(refused(&["compare", "--pcap", "x"], 2).contains("a flag of lab run, lab simulate and driver"));
}

#[test]
fn an_unknown_variable_is_warned_of_once() {
    let (status, stderr) = with(&["run", "--packets", "9"], &[("PUSHBACK_PCAKETS", "5")]);
    assert_eq!(stderr.matches("did you mean PUSHBACK_PACKETS?").count(), 1, "{stderr}");
    assert_eq!((status, stderr.lines().count()), (0, 1), "{stderr}");
}

/// The stack learns the rate of the link from the driver's answer, and checks the app against that.
#[test]
fn an_app_is_checked_against_the_link_in_force() {
    let onoff = ["--app", "onoff:load=0.6,on=2ms,off=1ms", "--packets", "9", "--quiet", "--link"];
    for (command, link, status) in
        [("run", "100Mbit", 0), ("simulate", "100Mbit", 0), ("run", "3kbit", 2), ("simulate", "3kbit", 2)]
    {
        let arguments = [&[command][..], &onoff, &[link]].concat();
        let (ended, stderr) = with(&arguments, &[]);
        assert_eq!(ended, status, "{command} {link}: {stderr}");
        assert_eq!(stderr.contains("on phases; raise rate, load or on"), status == 2, "{stderr}");
    }
}

#[test]
fn a_destination_that_cannot_be_reached_fails_the_run() {
    for way in ["static", "boxed", "inline", "poll", "sync"] {
        let run = ["run", "--quiet", "--duration", "15ms", "--app", "cbr:rate=3kpps,to=10.0.0.88:9", "--dispatch", way];
        let output = lab(&run).output().unwrap();
        let stderr = String::from_utf8(output.stderr.clone()).unwrap();
        output.assert().code(1);
        assert!(stderr.contains("--neighbour 10.0.0.88="), "{way}: {stderr}");
    }
}
