//! Two hosts on a wire, each of two processes, and a host on an interface of the kernel.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use shared::report::RunReport;
use tempfile::TempDir;

use super::lab::program;
use super::readers::parse;
use super::skipped::skipped;

/// A driver on the wire of `folder`, and the stack on it, for one session; with `flags` of the stack.
fn host(folder: &TempDir, name: &str, transport: &str, flags: &[&str]) -> (Child, Child) {
    let at = |end: &str| folder.path().join(format!("{name}.{end}"));
    let wire = format!("wire={}", folder.path().join("wire").display());
    let driver = Command::new(program("driver"))
        .args(["--backend", &wire, "--once", "--quiet", "--link=1Gbit", "--socket"])
        .arg(at("socket"))
        .spawn()
        .unwrap();
    let stack = Command::new(program("netstack"))
        .args(["--quiet", "--connect-timeout=60s", "--transport", transport, "--socket"])
        .arg(at("socket"))
        .arg("--json")
        .arg(at("json"))
        .args(flags)
        .spawn()
        .unwrap();
    (driver, stack)
}

fn report(folder: &TempDir, name: &str) -> RunReport {
    parse(&folder.path().join(format!("{name}.json")))
}

#[test]
fn a_sink_at_the_other_end_of_a_wire_sees_every_packet_in_order() {
    for (transport, depth) in [("shm", "1024"), ("socket", "64"), ("shm", "1"), ("socket", "1")] {
        let folder = TempDir::new().unwrap();
        let (depth, rx_depth) = (format!("--depth={depth}"), format!("--rx-depth={depth}"));
        let far = ["--address=10.0.0.2/24", "--app=sink:port=9", "--packets=3000", &rx_depth];
        let mut far = host(&folder, "far", transport, &far);
        let mut near = host(&folder, "near", transport, &["--app=bulk:size=200B", "--packets=3000", &depth]);
        for process in [&mut near.1, &mut far.1, &mut near.0, &mut far.0] {
            assert!(process.wait().unwrap().success(), "{transport} {depth}");
        }
        let (near, far) = (report(&folder, "near"), report(&folder, "far"));
        let sink = &far.up.as_ref().unwrap().sockets[0];
        assert_eq!((near.totals.delivered, sink.received, sink.checked), (3000, 3000, 3000), "{transport} {depth}");
        assert_eq!((sink.missing, sink.reordered, sink.duplicates), (0, 0, 0), "{transport} {depth}");
        assert!(near.ledger.balanced && far.ledger.balanced);
    }
}

#[test]
fn echoes_at_both_ends_of_a_wire_answer_while_both_rings_are_full() {
    let folder = TempDir::new().unwrap();
    let flags = |to: &str| {
        let apps = [format!("--app=bulk:to={to}:9"), format!("--app=reqresp:name=ask,via=echo,think=0s,to={to}:7")];
        let others = ["--app=echo:port=7", "--app=sink:port=9", "--depth=1", "--rx-depth=2", "--duration=2s"];
        apps.into_iter().chain(others.map(str::to_owned)).collect::<Vec<_>>()
    };
    let (near, far) = (flags("10.0.0.2"), [flags("10.0.0.1"), vec!["--address=10.0.0.2/24".to_owned()]].concat());
    let near: Vec<&str> = near.iter().map(String::as_str).collect();
    let far: Vec<&str> = far.iter().map(String::as_str).collect();
    let mut near = host(&folder, "near", "shm", &near);
    let mut far = host(&folder, "far", "shm", &far);
    for process in [&mut near.1, &mut far.1, &mut near.0, &mut far.0] {
        process.wait().unwrap();
    }
    for name in ["near", "far"] {
        let host = report(&folder, name);
        assert!(host.ledger.balanced, "{:?}", host.ledger.violations);
        let up = host.up.as_ref().unwrap();
        let answered = up.sockets.iter().find(|socket| socket.name == "ask").unwrap();
        assert!(answered.round_trip_ns.count > 0 && host.totals.dropped == 0, "{name}: {up:?}");
    }
}

#[test]
fn the_lab_runs_both_hosts_and_reports_both() {
    let run = super::lab::report(&["--app=bulk:size=200B", "--packets=2000", "--far", ""], 0);
    let far = run.far.as_ref().unwrap();
    assert_eq!((far.ending.clone(), far.ledger.balanced), (shared::report::Ending::Finished, true));
    let sink = &far.up.as_ref().unwrap().sockets[0];
    assert_eq!((run.totals.delivered, sink.received, sink.missing), (2000, 2000, 0));
    assert!(run.config.far.is_some());
    // Where there is no way up, an app that receives is refused, and not left out.
    for command in ["run", "simulate"] {
        let output = super::lab::lab(&[command, "--app=sink:port=9", "--duration=1s"]).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && said.contains("has no way up"), "{command}: {said}");
    }
}

#[test]
fn answers_that_are_asked_for_at_the_end_do_not_upset_the_farewell() {
    let folder = TempDir::new().unwrap();
    let flood = ["--address=10.0.0.2/24", "--app=cbr:load=0.5,size=22B,to=10.0.0.1:4444", "--duration=700ms"];
    let mut far = host(&folder, "far", "shm", &flood);
    let near = ["--app=sink:port=9", "--duration=300ms", "--drain-timeout=1ms"];
    let mut near = host(&folder, "near", "shm", &near);
    assert!(near.1.wait().unwrap().success(), "{:?}", report(&folder, "near").ending);
    let near_report = report(&folder, "near");
    assert!(near_report.ledger.balanced, "{:?}", near_report.ledger.violations);
    for process in [&mut far.1, &mut near.0, &mut far.0] {
        process.kill().unwrap();
        process.wait().unwrap();
    }
}

#[test]
fn an_app_that_receives_needs_a_driver_with_a_way_up() {
    let folder = TempDir::new().unwrap();
    let socket = folder.path().join("socket");
    let mut driver =
        Command::new(program("driver")).args(["--once", "--quiet", "--socket"]).arg(&socket).spawn().unwrap();
    let output = Command::new(program("netstack"))
        .args(["--app=sink:port=9", "--connect-timeout=60s", "--socket"])
        .arg(&socket)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("sink:") && said.contains("--backend tap=NAME or --backend wire=PATH"), "{said}");
    driver.wait().unwrap();
}

#[test]
fn the_kernel_pings_the_stack_and_all_sides_agree() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../real.sh");
    let mut bash = Command::new("bash");
    bash.arg(script).arg("4").env("PUSHBACK_BIN_DIR", program("lab").parent().unwrap());
    let output = bash.stdin(Stdio::null()).output().unwrap();
    let [said, failed] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    // What this machine lacks is stated in one line.
    if !output.status.success()
        && said.is_empty()
        && ["missing", "no network namespace"].iter().any(|why| failed.contains(why))
    {
        return skipped(failed.trim());
    }
    assert!(output.status.success(), "{said}\n{failed}");
    assert_eq!(said.matches("100 packets transmitted, 100 received").count(), 2, "{said}");
    for agreed in ["the ledgers balance", "both sides agree", "missing 0, reordered 0, duplicates 0"] {
        assert!(said.contains(agreed), "{agreed}: {said}");
    }
}

#[test]
fn the_second_speaker_completes_sessions_in_both_roles_over_both_transports() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../speaker/check.sh");
    let mut bash = Command::new("bash");
    bash.arg(script).env("PUSHBACK_BIN_DIR", program("lab").parent().unwrap());
    let output = bash.stdin(Stdio::null()).output().unwrap();
    let [said, failed] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned());
    if said.starts_with("skip speaker:") {
        return skipped(said.trim());
    }
    assert!(output.status.success(), "{said}\n{failed}");
    assert_eq!(said.lines().count(), 20, "{said}");
}
