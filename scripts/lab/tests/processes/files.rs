//! Full disks and limits of the system: the old file stays, and the error contains the remedy.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use shared::report::{RunReport, WarningCode};
use tempfile::TempDir;

use crate::lab::{lab, program};
use crate::skipped::skipped;

/// Runs `script` with sh where `$DISK` is a file system of its own of 128 KiB; `None` if none can be mounted here.
/// Copies its files to `kept` at the end.
fn on_a_small_disk(script: &str, kept: &Path) -> Option<Output> {
    let folder = TempDir::new().unwrap();
    let unshared = |script: &str| {
        let mut unshare = Command::new("unshare");
        unshare.args(["-rm", "sh", "-c", script]).stdin(Stdio::null());
        unshare.env("LAB", program("lab")).env("DRIVER", program("driver")).env("NETSTACK", program("netstack"));
        unshare.env("DISK", folder.path()).env("KEPT", kept).output()
    };
    let mount = "mount -t tmpfs -o size=128k none \"$DISK\"";
    if !unshared(mount).is_ok_and(|output| output.status.success()) {
        skipped("no disk can be mounted here");
        return None;
    }
    Some(unshared(&format!("{mount}\n{script}\nstatus=$?\ncp -a \"$DISK\"/. \"$KEPT\"\nexit $status")).unwrap())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn on_a_full_disk_the_old_report_stays_and_the_error_is_reported() {
    for command in ["simulate", "run", "compare", "compare --clock real"] {
        let kept = TempDir::new().unwrap();
        let script = format!(
            "echo as it was >\"$DISK\"/run.json\ndd if=/dev/zero of=\"$DISK\"/full bs=4k 2>/dev/null\n\
             \"$LAB\" {command} --packets 60 --json \"$DISK\"/run.json"
        );
        let Some(output) = on_a_small_disk(&script, kept.path()) else { return };
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {stderr}");
        assert!(
            stderr.contains("run.json: the report could not be written (") && stderr.contains("free some space"),
            "{stderr}"
        );
        assert_eq!(names(kept.path()), ["full", "run.json"]);
        assert_eq!(fs::read_to_string(kept.path().join("run.json")).unwrap(), "as it was\n");
        assert!(!output.stdout.is_empty(), "the figures are still printed");
    }
}

/// Bytes of one frame with a payload of 900 B in the capture, with the header of its record, and of the file's header.
const RECORD: u64 = 942 + 16;
const HEADER: u64 = 24;

/// Checks that the capture has whole records and that `report` counts them. Returns their number.
fn counted(report: &RunReport, capture: &Path, sent: u64) -> u64 {
    let length = fs::metadata(capture).unwrap().len();
    let frames = length.saturating_sub(HEADER) / RECORD;
    assert!(length == 0 || length == HEADER + frames * RECORD, "{length} B are not a whole number of records");
    let warning = report.warnings.iter().find(|warning| warning.code == WarningCode::CaptureIncomplete);
    let counts = format!("has {frames} frames and misses the {} that", sent - frames);
    assert!(warning.unwrap().text.contains(&counts), "{counts} is not in {warning:?}");
    assert_eq!(report.driver.as_ref().unwrap().warnings, [warning.unwrap().clone()]);
    frames
}

const CAPTURED: &str = "run --quiet --app bulk:size=900B --link unlimited --json -";

#[test]
fn a_capture_on_a_full_disk_has_whole_records_and_the_report_counts_them() {
    for (packets, full) in [(400, false), (70, true)] {
        let kept = TempDir::new().unwrap();
        let fill = if full { "dd if=/dev/zero of=\"$DISK\"/full bs=4k 2>/dev/null" } else { "" };
        let script = format!("{fill}\n\"$LAB\" {CAPTURED} --packets {packets} --pcap \"$DISK\"/sent.pcap");
        let Some(output) = on_a_small_disk(&script, kept.path()) else { return };
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let report: RunReport = serde_json::from_slice(&output.stdout).unwrap();
        let frames = counted(&report, &kept.path().join("sent.pcap"), packets);
        assert_eq!(frames > 0, !full);
        assert!(text(&output.stderr).contains("warning: --pcap"), "{}", text(&output.stderr));
    }
}

#[test]
fn temporary_files_that_cannot_be_written_are_an_error_that_names_tmpdir() {
    let kept = TempDir::new().unwrap();
    for run in ["run", "compare --clock real", "bench --time 1ms --repetitions 1"] {
        let script = format!("dd if=/dev/zero of=\"$DISK\"/full bs=4k 2>/dev/null\nTMPDIR=\"$DISK\" \"$LAB\" {run}");
        let Some(output) = on_a_small_disk(&script, kept.path()) else { return };
        let stderr = text(&output.stderr);
        assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
        assert!(stderr.contains("set TMPDIR to") && stderr.contains("No space left"), "{stderr}");
    }
    let missing = kept.path().join("missing");
    let output = lab(&["run"]).env("TMPDIR", &missing).output().unwrap();
    let stderr = text(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("set TMPDIR to"), "{stderr}");
    assert!(stderr.contains(missing.to_str().unwrap()), "{stderr}");
}

/// Runs `script` with sh and the programs in its environment.
fn sh(script: &str, folder: &Path) -> Output {
    let mut sh = Command::new("sh");
    sh.args(["-c", script]).stdin(Stdio::null()).env("FOLDER", folder);
    sh.env("LAB", program("lab")).env("DRIVER", program("driver")).env("NETSTACK", program("netstack"));
    sh.output().unwrap()
}

/// `ulimit -f` counts blocks of 512 B, as POSIX defines it.
#[test]
fn a_limit_of_the_file_size_is_an_error_and_kills_no_process() {
    let folder = TempDir::new().unwrap();
    let output = sh(
        &format!(
            "ulimit -f 700; exec \"$LAB\" {CAPTURED} --transport socket --packets 600 --pcap \"$FOLDER\"/sent.pcap"
        ),
        folder.path(),
    );
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report: RunReport = serde_json::from_slice(&output.stdout).unwrap();
    assert!(counted(&report, &folder.path().join("sent.pcap"), 600) > 0);
    assert!(text(&output.stderr).contains("ulimit -f"), "{}", text(&output.stderr));

    // Shared memory is a file too.
    let output = sh("ulimit -f 700; exec \"$LAB\" run --depth 4096 --packets 1", folder.path());
    let stderr = text(&output.stderr);
    assert!(output.status.code() == Some(3) && stderr.contains("no memory for the ring"), "{stderr}");
    assert!(stderr.contains("ulimit -f, or try --transport socket"), "{stderr}");

    let script = "ulimit -f 1; exec \"$LAB\" simulate --packets 60 --json \"$FOLDER\"/run.json";
    let output = sh(script, folder.path());
    let stderr = text(&output.stderr);
    assert!(output.status.code() == Some(1) && stderr.contains("--json") && stderr.contains("ulimit -f"), "{stderr}");
    assert_eq!(names(folder.path()), ["sent.pcap"]);
}

#[test]
fn too_few_descriptors_are_an_error_of_every_program() {
    let folder = TempDir::new().unwrap();
    for (program, flags) in [
        ("LAB", "run --packets 1"),
        ("LAB", "simulate --app bulk --packets 1"),
        ("LAB", "compare --packets 1"),
        ("LAB", "compare --clock real --packets 1"),
        ("LAB", "dispatch --time 1ms"),
        ("DRIVER", "--once --socket \"$FOLDER\"/socket"),
        ("NETSTACK", "--packets 1 --connect-timeout 1ms --socket \"$FOLDER\"/socket"),
    ] {
        for limit in [6, 7, 11, 16, 21] {
            let output = sh(&format!("ulimit -n {limit}; exec \"${program}\" {flags}"), folder.path());
            let stderr = text(&output.stderr);
            assert_eq!(
                (output.status.code(), stderr.lines().count()),
                (Some(1), 1),
                "{program} {flags}, {limit}: {stderr}"
            );
            assert!(stderr.contains("ulimit -n") && !stderr.contains("panicked"), "{stderr}");
        }
    }
    assert!(names(folder.path()).is_empty());
}

/// The lab's children are in the background of its terminal, which with tostop stops a process that writes.
#[test]
fn a_terminal_that_stops_background_writers_does_not_stop_a_run() {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("run.json");
    let mut script = Command::new("script");
    let run = format!("stty tostop; exec '{}' run --packets 70 --json '{}'", program("lab").display(), json.display());
    script.args(["-qec", &run, "/dev/null"]).stdin(Stdio::null()).env("SHELL", "/bin/sh");
    let Ok(output) = script.output() else {
        skipped("script(1) is missing, which makes terminals");
        return;
    };
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    let written: Value = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert_eq!(written["totals"]["delivered"], 70);
}

#[test]
fn a_report_that_is_never_written_leaves_no_file_and_a_symbolic_link_stays() {
    let folder = TempDir::new().unwrap();
    let (json, link) = (folder.path().join("run.json"), folder.path().join("link"));
    std::os::unix::fs::symlink("run.json", &link).unwrap();
    let flags = ["run", "--quiet", "--packets", "3", "--json", link.to_str().unwrap()];
    // With an empty folder for programs, the lab cannot start a run.
    let failed = lab(&flags).env("PUSHBACK_BIN_DIR", folder.path()).output().unwrap();
    assert_eq!((failed.status.code(), names(folder.path())), (Some(1), vec!["link".to_owned()]));
    let status = lab(&flags).stdout(Stdio::null()).status().unwrap();
    assert_eq!((status.code(), names(folder.path())), (Some(0), vec!["link".to_owned(), "run.json".to_owned()]));
    assert!(link.is_symlink() && json.is_file());
}
