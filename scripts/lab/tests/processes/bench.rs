//! `lab bench` and `lab count`, with the tools of others missing, or played by a script.

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
use crate::skipped::skipped;

/// The least that can be measured.
const BENCH: [&str; 7] = ["bench", "--time", "20ms", "--repetitions", "1", "--sizes", "64B"];

/// A tool of others, as a shell script, in a folder that is first on the PATH of `command`.
fn play(command: &mut Command, folder: &TempDir, tool: &str, script: &str) {
    let path = folder.path().join(tool);
    fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o700)).unwrap();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.path().to_owned()).chain(std::env::split_paths(&others));
    command.env("PATH", std::env::join_paths(folders).unwrap());
}

/// What a script waits for in vain.
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
fn a_machine_without_the_tools_of_others_measures_the_rest_and_says_so() {
    let folder = TempDir::new().unwrap();
    let svg = folder.path().join("bench.svg");
    let mut bench = lab(&[&BENCH[..], &["--json", "-", "--svg", svg.to_str().unwrap()]].concat());
    let (status, json, said) = output(bench.env("PATH", folder.path()));
    assert_eq!(status, 0, "{said}");
    for (what, package) in [("memif is", "dpdk-dev"), ("instructions are", "valgrind")] {
        let lines: Vec<_> = said.lines().filter(|line| line.starts_with(&format!("{what} left out: "))).collect();
        assert!(lines.len() == 1 && lines[0].contains(package) && lines[0].contains("PATH"), "{said}");
    }
    let report: Value = serde_json::from_str(&json).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    let ours = ["pushback-shm", "pushback-shm-nodma", "pushback-shm-single", "pushback-socket"];
    assert_eq!(names, [&ours[..], &["bare-ring", "unix-stream", "udp-loopback"]].concat());
    for row in rows {
        assert!(row["packets_per_second"].as_f64().unwrap() > 0.0, "{row}");
        assert!(row["ratios"]["of_memif"].is_null() && row["ratios"]["times_udp_loopback"].is_number(), "{row}");
    }
    assert_eq!(rows[4]["ratios"]["times_bare_ring"], 1.0);
    assert!(fs::read_to_string(svg).unwrap().starts_with("<svg "));
}

/// A receiver that tells of a thousand packets a second, once its sender is there.
const TESTPMD: &str = r#"
case "$*" in *txonly*) echo there >"$RUNTIME_DIRECTORY/sent"; exit;; esac
tell() { printf '  RX-packets: %s  RX-missed: 0\n  Rx-pps:  %s  Rx-bps: 1\n' "$1" "$2"; }
tell 0 0
until test -e "$RUNTIME_DIRECTORY/sent"; do :; done
tell 7 7
tell 1007 1000
"#;

#[test]
fn what_the_receiver_of_memif_says_is_what_counts() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        skipped("there is only one CPU");
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut bench = lab(&[&BENCH[..], &["--json", "-"]].concat());
    play(&mut bench, &folder, "dpdk-testpmd", TESTPMD);
    play(&mut bench, &folder, "valgrind", VALGRIND);
    let (status, json, said) = output(&mut bench);
    assert_eq!(status, 0, "{said}");
    let report: Value = serde_json::from_str(&json).unwrap();
    let memif = report["rows"].as_array().unwrap().last().unwrap();
    assert_eq!((&memif["name"], &memif["packets_per_second"]), (&"memif".into(), &1000.0.into()));
    assert_eq!(report["left_out"], Value::Array(Vec::new()));
    assert_eq!(report["instructions"][0]["stack"], 100.0);
}

#[test]
fn a_testpmd_that_fails_is_quoted() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        skipped("there is only one CPU");
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut bench = lab(&BENCH);
    play(&mut bench, &folder, "dpdk-testpmd", "echo 'EAL: no memory' >&2\nexit 1\n");
    let (status, text, said) = output(&mut bench);
    assert_eq!((status, text.as_str()), (1, ""));
    assert_eq!(said, "lab: no benchmark: memif ended before it was measured: EAL: no memory\n");
}

/// A counter of instructions to which a packet is worth a hundred, in the stack.
const VALGRIND: &str = r#"
file=${3#--callgrind-out-file=}; shift 3; packets=0
for word; do case $word in --packets=*) packets=${word#*=};; esac; done
printf 'cmd: %s\nsummary: %s\n' "$1" $((5000 + packets * 100)) >"${file%\%p}$$"
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
    let (status, _, said) = count(&[]);
    assert!(status == 2 && said.contains("--ceilings ") && said.contains("--accept"), "{said}");
    assert_eq!(count(&["--accept"]).0, 0);
    let accepted = fs::read_to_string(&ceilings).unwrap();
    assert_eq!(serde_json::from_str::<Value>(&accepted).unwrap()["counts"][0]["stack"], 100.0);
    let (status, text, said) = count(&[]);
    assert_eq!((status, said.as_str()), (0, ""));
    assert!(text.contains("| 64 B") && text.contains("100 "), "{text}");
    fs::write(&ceilings, accepted.replace("100.0", "90.0")).unwrap();
    let (status, _, said) = count(&[]);
    assert_eq!(status, 1);
    assert_eq!(
        said,
        "lab: 100 instructions per packet of 64 B in the stack, where 94 are the most; if that is worth it, accept it with --accept\n"
    );
}

#[test]
fn without_valgrind_there_is_no_count() {
    let folder = TempDir::new().unwrap();
    let (status, text, said) = output(lab(&["count"]).env("PATH", folder.path()));
    assert_eq!((status, text.as_str()), (1, ""));
    assert!(said.contains("valgrind is not on the PATH; install it") && said.lines().count() == 1, "{said}");
}

/// Whether the process is there and not only waited for.
fn lives(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_pid())).unwrap_or_default();
    let ended = stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']));
    test_kill_process(process).is_ok() && !ended
}

/// At a terminal, Ctrl-C reaches the whole group of the lab, and the tools are not in it.
#[test]
fn an_interrupt_ends_the_tools_of_others_too() {
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
        while lives(running) {
            std::thread::yield_now();
        }
        assert!(is_empty(temporary.path()), "{tool}");
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}
