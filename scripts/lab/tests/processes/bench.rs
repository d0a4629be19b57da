//! `lab bench` and `lab count`, with other tools missing or replaced by a script.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use assert_cmd::assert::OutputAssertExt;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::lab::{child, lab, pid};
use crate::schema::conforms;
use crate::skipped::skipped;

/// The shortest possible benchmark.
const BENCH: [&str; 7] = ["bench", "--time", "20ms", "--repetitions", "1", "--sizes", "64B"];

/// Puts another tool, as a shell script, in a folder that is first on the PATH of `command`.
fn play(command: &mut Command, folder: &TempDir, tool: &str, script: &str) {
    write_tool(folder.path(), tool, script);
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&others));
    command.env("PATH", std::env::join_paths(folders).unwrap());
}

fn write_tool(folder: &Path, tool: &str, script: &str) {
    let path = folder.join(tool);
    fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
}

/// Puts a script in `folder` that counts as valgrind does, and faster.
pub(crate) fn play_valgrind(folder: &Path) {
    write_tool(folder, "valgrind", VALGRIND);
}

/// A script line that never ends.
fn never(folder: &TempDir) -> String {
    let path = folder.path().join("never");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    format!("read line <'{}'\n", path.display())
}

fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn without_other_tools_the_rest_is_measured_and_what_is_missing_is_reported() {
    let folder = TempDir::new().unwrap();
    let svg = folder.path().join("bench.svg");
    let mut bench = lab(&[&BENCH[..], &["--json", "-", "--svg", svg.to_str().unwrap()]].concat());
    let (status, json, stderr) = output(bench.env("PATH", folder.path()));
    assert_eq!(status, 0, "{stderr}");
    for (what, package) in [("memif is", "dpdk-dev"), ("instructions are", "valgrind")] {
        let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with(&format!("{what} left out: "))).collect();
        assert!(lines.len() == 1 && lines[0].contains(package) && lines[0].contains("PATH"), "{stderr}");
    }
    assert_eq!(conforms(&json), "bench-1");
    let report: Value = serde_json::from_str(&json).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let apps = ["pushback-shm-mixed", "pushback-shm-1000-apps"];
    let ours = [&["pushback-shm", "pushback-shm-nodma", "pushback-shm-single", "pushback-socket"], &apps[..]].concat();
    assert_eq!(names, [&ours[..], &["bare-ring", "unix-stream", "udp-loopback"]].concat());
    for row in rows {
        assert!(row["packets_per_second"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["ratios"]["of_memif"].is_null() && row["ratios"]["times_udp_loopback"].is_number(), "{row}");
    }
    assert_eq!((&rows[6]["ratios"]["times_bare_ring"], &rows[0]["ratios"]["of_bulk"]), (&1.0.into(), &1.0.into()));
    assert!(report["simulations"].as_array().unwrap().iter().all(|row| row["packets_per_second"].as_f64() > Some(0.0)));
    assert!(fs::read_to_string(svg).unwrap().starts_with("<svg "));
}

/// A receiver that reports a thousand packets per second after its sender has started.
const TESTPMD: &str = r#"
case "$*" in *txonly*) echo there >"$RUNTIME_DIRECTORY/sent"; exit;; esac
sample() { printf '  RX-packets: %s  RX-missed: 0\n  Rx-pps:  %s  Rx-bps: 1\n' "$1" "$2"; }
sample 0 0
until test -e "$RUNTIME_DIRECTORY/sent"; do :; done
sample 7 7
sample 1007 1000
"#;

#[test]
fn the_rate_of_memif_is_the_one_that_its_receiver_reports() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        skipped("there is only one CPU");
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut bench = lab(&[&BENCH[..], &["--json", "-"]].concat());
    play(&mut bench, &folder, "dpdk-testpmd", TESTPMD);
    play(&mut bench, &folder, "valgrind", VALGRIND);
    let (status, json, stderr) = output(&mut bench);
    assert_eq!(status, 0, "{stderr}");
    assert_eq!(conforms(&json), "bench-1");
    let report: Value = serde_json::from_str(&json).unwrap();
    let memif = report["rows"].as_array().unwrap().last().unwrap();
    assert_eq!((&memif["name"], &memif["packets_per_second"]), (&"memif".into(), &1000.0.into()));
    assert_eq!(report["left_out"], Value::Array(Vec::new()));
    assert_eq!(report["instructions"][0]["stack"], 100.0);
}

#[test]
fn the_error_of_a_testpmd_that_fails_is_shown() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        skipped("there is only one CPU");
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut bench = lab(&BENCH);
    play(&mut bench, &folder, "dpdk-testpmd", "echo 'EAL: no memory' >&2\nexit 1\n");
    let (status, text, stderr) = output(&mut bench);
    assert_eq!((status, text.as_str()), (1, ""));
    assert_eq!(stderr, "lab: no benchmark: memif ended before it was measured: EAL: no memory\n");
}

/// An instruction counter that counts a hundred instructions per packet in the stack.
const VALGRIND: &str = r#"
file=${4#--callgrind-out-file=}; shift 4; packets=0 apps=0
for word; do case $word in --packets=*) packets=${word#*=};; --app=*) apps=$((apps + 1));; esac; done
printf 'cmd: %s\nsummary: %s\n' "$1" $((5000 + packets * apps * 100)) >"${file%\%p}$$"
exec "$@"
"#;

#[test]
fn a_count_above_its_ceiling_fails() {
    let folder = TempDir::new().unwrap();
    let ceilings = folder.path().join("ceilings.json");
    let count = |flags: &[&str]| {
        let own = ["count", "--sizes", "64B", "--ceilings", ceilings.to_str().unwrap()];
        let mut count = lab(&[&own[..], flags].concat());
        play(&mut count, &folder, "valgrind", VALGRIND);
        output(&mut count)
    };
    let (status, _, stderr) = count(&[]);
    assert!(status == 2 && stderr.contains("--ceilings ") && stderr.contains("--accept"), "{stderr}");
    assert_eq!(count(&["--accept"]).0, 0);
    let accepted = fs::read_to_string(&ceilings).unwrap();
    assert_eq!(conforms(&accepted), "ceilings-1");
    let (status, counts, _) = count(&["--json", "-"]);
    assert_eq!((status, conforms(&counts).as_str()), (0, "count-1"));
    assert_eq!(serde_json::from_str::<Value>(&accepted).unwrap()["counts"][0]["stack"], 100.0);
    let (status, text, stderr) = count(&[]);
    assert_eq!((status, stderr.as_str()), (0, ""));
    assert!(text.contains("| bulk ") && text.contains("| simulation ") && text.contains("100 "), "{text}");
    fs::write(&ceilings, accepted.replacen("100.0", "90.0", 1)).unwrap();
    let (status, _, stderr) = count(&[]);
    assert_eq!(status, 1);
    assert_eq!(
        stderr,
        "lab: 100 instructions per packet of 64 B (bulk) in the stack, but the ceiling is 94; if that is worth it, accept it with --accept\n"
    );
}

#[test]
fn without_valgrind_there_is_no_count() {
    let folder = TempDir::new().unwrap();
    let (status, text, stderr) = output(lab(&["count"]).env("PATH", folder.path()));
    assert_eq!((status, text.as_str()), (1, ""));
    assert!(stderr.contains("valgrind is not on the PATH; install it") && stderr.lines().count() == 1, "{stderr}");
}

/// Whether the process is alive: exists and is not a zombie.
fn is_alive(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid())).unwrap_or_default();
    let ended = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    test_kill_process(process).is_ok() && !ended
}

/// At a terminal, Ctrl-C reaches the lab's whole process group; the tools are in groups of their own.
#[test]
fn an_interrupt_ends_other_tools_too() {
    let tools = [("dpdk-testpmd", &BENCH[..]), ("valgrind", &["count"])];
    let two = std::thread::available_parallelism().unwrap().get() > 1;
    if !two {
        skipped("there is only one CPU, so no memif");
    }
    for (tool, arguments) in tools.into_iter().filter(|(tool, _)| two || *tool == "valgrind") {
        let (folder, temporary) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let mut lab = lab(arguments);
        play(&mut lab, &folder, tool, &never(&folder));
        lab.process_group(0).env("TMPDIR", temporary.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut lab = lab.spawn().unwrap();
        let running = loop {
            assert!(lab.try_wait().unwrap().is_none(), "it ended before {tool} ran");
            match child(&lab, tool) {
                Some(running) => break running,
                None => std::thread::yield_now(),
            }
        };
        kill_process_group(pid(lab.id()), Signal::INT).unwrap();
        let output = lab.wait_with_output().unwrap();
        output.assert().code(130).stdout("");
        while is_alive(running) {
            std::thread::yield_now();
        }
        assert!(is_empty(temporary.path()), "{tool}");
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}
