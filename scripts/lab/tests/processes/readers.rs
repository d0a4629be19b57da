//! Readers that stop reading: they stop neither runs nor signals, and get whole reports when they read again.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::process::{Signal, kill_process};
use serde::de::DeserializeOwned;
use shared::process::output::MOST_LINES;
use shared::report::{DriverFile, Ending, RunReport, WarningCode};
use tempfile::TempDir;

use crate::lab::{child, lab, pid};
use crate::signals::{driver, fill, full_pipe, has_thread, netstack, until};

pub(crate) fn parse<T: DeserializeOwned>(path: &Path) -> T {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Reads everything that was written after the bytes that filled the pipe.
fn read(mut pipe: impl Read) -> String {
    let mut text = String::new();
    pipe.read_to_string(&mut text).unwrap();
    text.trim_start_matches('\0').to_owned()
}

/// Starts a driver and a stack with these `flags` and a report in `json`; the stack's standard output is a full pipe.
fn unread(folder: &TempDir, json: &Path, flags: &[&str]) -> (Child, Child, PipeReader) {
    let driver = driver(folder.path(), &["--once"]);
    let (reader, full) = full_pipe();
    let stack = netstack(folder.path(), flags).arg("--json").arg(json).stdout(full).spawn().unwrap();
    (driver, stack, reader)
}

/// One line for each of about 1500 intervals, which is more than are kept.
#[test]
fn a_run_ends_while_its_reader_sleeps_and_the_whole_report_follows_the_lines_that_were_kept() {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("run.json");
    let flags = ["--app=cbr:rate=1Mbit", "--duration=1500ms", "--interval=1ms"];
    let (mut driver, mut stack, reader) = unread(&folder, &json, &flags);
    until(|| json.exists() || stack.try_wait().unwrap().is_some());
    let run: RunReport = parse(&json);
    assert_eq!((&run.ending, run.totals.offered > 0), (&Ending::Finished, true));
    assert_eq!(run.totals.delivered, run.totals.offered);
    // The title and the header are lines too.
    let lines = 2 + run.elapsed_ns.div_ceil(1_000_000);
    assert_eq!(run.lines_dropped, lines - MOST_LINES as u64);
    let warning = run.warnings.iter().find(|warning| warning.code == WarningCode::LinesDropped).unwrap();
    assert!(warning.text.contains(&format!("{} interval lines", run.lines_dropped)), "{warning}");
    assert!(driver.wait().unwrap().success());
    assert_eq!(stack.try_wait().unwrap(), None, "it waits for its reader");
    let text = read(reader);
    assert_eq!(stack.wait().unwrap().code(), Some(0));
    let lines = text.strip_suffix(&format!("{run}\n")).unwrap();
    assert_eq!(lines.lines().count(), MOST_LINES, "{lines}");
}

#[test]
fn a_signal_ends_a_stack_whose_reader_sleeps_and_leaves_the_report() {
    for (flags, ending) in [(&["--packets=50"][..], Ending::Finished), (&["--duration=3600s"], Ending::Interrupted)] {
        let folder = TempDir::new().unwrap();
        let json = folder.path().join("run.json");
        let flags = [flags, &["--app=cbr:rate=10Mbit", "--interval=1ms"]].concat();
        let (mut driver, mut stack, _reader) = unread(&folder, &json, &flags);
        match ending {
            Ending::Finished => until(|| json.exists()),
            _ => until(|| has_thread(pid(stack.id()), "output")),
        }
        kill_process(pid(stack.id()), Signal::TERM).unwrap();
        // One signal is enough.
        assert_eq!(stack.wait().unwrap().code(), Some(130));
        let run: RunReport = parse(&json);
        assert_eq!((run.ending, run.ledger.balanced), (ending, true));
        let stderr = read(stack.stderr.take().unwrap());
        assert!(stderr.contains("interrupted before its text was read to the end"), "{stderr}");
        driver.wait().unwrap();
    }
}

/// A full FIFO, and a file that is both ends of it.
fn full_fifo(folder: &TempDir) -> (PathBuf, File) {
    let path = folder.path().join("fifo");
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let both = File::from(open(&path, OFlags::RDWR, Mode::empty()).unwrap());
    fill(&both);
    (path, both)
}

/// Starts a command that writes its report to a FIFO or to standard output, which is full, and waits until it blocks.
fn waits_with_json(command: &str, to_fifo: bool, folder: &TempDir) -> (Child, PipeReader) {
    let mut command = lab(&[command, "--packets=50", "--json"]);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    let started = |mut command: Command| {
        let mut lab = command.spawn().unwrap();
        // The thread starts with the first output, which is the report.
        until(|| has_thread(pid(lab.id()), "output") || lab.try_wait().unwrap().is_some());
        lab
    };
    if to_fifo {
        let (path, both) = full_fifo(folder);
        command.arg(&path);
        let reader = open(&path, OFlags::RDONLY, Mode::empty()).unwrap();
        let lab = started(command);
        // The command has opened the FIFO, so the reader sees the end of file when the command closes it.
        drop(both);
        return (lab, reader.into());
    }
    let (reader, full) = full_pipe();
    command.arg("-").stdout(full);
    (started(command), reader)
}

#[test]
fn a_json_report_waits_for_its_reader_and_is_written_whole() {
    for (command, to_fifo) in [("simulate", true), ("simulate", false), ("run", true), ("run", false)] {
        let folder = TempDir::new().unwrap();
        let (lab, reader) = waits_with_json(command, to_fifo, &folder);
        let run: RunReport = serde_json::from_str(&read(reader)).unwrap();
        assert_eq!(run.totals.delivered, 50, "{command}");
        let output = lab.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_signal_ends_the_wait_for_the_reader_of_json() {
    for (command, to_fifo) in [("simulate", true), ("simulate", false), ("run", true)] {
        let folder = TempDir::new().unwrap();
        let (lab, _reader) = waits_with_json(command, to_fifo, &folder);
        kill_process(pid(lab.id()), Signal::TERM).unwrap();
        let output = lab.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{command}: {stderr}");
        assert!(stderr.contains("the report was not read to its end"), "{command}: {stderr}");
    }
}

/// Each connection that is not from a stack makes the driver log a line.
#[test]
fn a_driver_whose_log_nothing_reads_serves_and_ends_at_a_signal() {
    let folder = TempDir::new().unwrap();
    let (socket, json) = (folder.path().join("socket"), folder.path().join("driver.json"));
    let (_reader, full) = full_pipe();
    let mut command = Command::new(crate::lab::program("driver"));
    command.arg("--socket").arg(&socket).arg("--json").arg(&json).stdout(Stdio::null()).stderr(full);
    let mut driver = command.spawn().unwrap();
    until(|| UnixStream::connect(&socket).is_ok());
    for _ in 0..MOST_LINES + 100 {
        let mut stranger = UnixStream::connect(&socket).unwrap();
        // Ignored: the driver may close the connection before everything is written or read.
        let _ = stranger.write_all(b"GET / HTTP/1.1\r\n\r\n").and_then(|()| stranger.read_to_end(&mut Vec::new()));
    }
    let output = netstack(folder.path(), &["--packets=50", "--quiet"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    kill_process(pid(driver.id()), Signal::TERM).unwrap();
    assert_eq!(driver.wait().unwrap().code(), Some(130));
    assert!(!socket.exists());
    let file: DriverFile = parse(&json);
    assert!(file.log_lines_dropped > 0, "{:?}, {:?}", file.endings, file.turned_away);
}

#[test]
fn a_comparison_continues_while_its_readers_sleep() {
    let folder = TempDir::new().unwrap();
    let json = folder.path().join("compare.json");
    let ((out, full_out), (_err, full_err)) = (full_pipe(), full_pipe());
    let mut command = lab(&[
        "compare",
        "--clock=real",
        "--packets=50",
        "--policies=wait,drop-newest",
        "--json",
        json.to_str().unwrap(),
    ]);
    let mut lab = command.stdout(full_out).stderr(full_err).spawn().unwrap();
    drop(command);
    until(|| json.exists() || lab.try_wait().unwrap().is_some());
    assert_eq!(lab.try_wait().unwrap(), None, "it waits for its reader");
    let text = read(out);
    assert_eq!(lab.wait().unwrap().code(), Some(0));
    assert!(text.contains("Waiting lost none of 50"), "{text}");
}

/// Whether the stack has written its report to the lab's private folder.
fn stack_has_reported(folder: &TempDir) -> bool {
    let folders = std::fs::read_dir(folder.path()).unwrap().flatten();
    folders.into_iter().any(|folder| folder.path().join("run.json").exists())
}

#[test]
fn a_lab_whose_readers_sleep_ends_when_they_wake_up_or_at_a_signal() {
    for wake_up in [true, false] {
        let (folder, kept) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let json = kept.path().join("run.json");
        let ((out, full_out), (err, full_err)) = (full_pipe(), full_pipe());
        let mut command = lab(&["run", "--packets=50", "--interval=1ms", "--json", json.to_str().unwrap()]);
        let mut lab = command.env("TMPDIR", folder.path()).stdout(full_out).stderr(full_err).spawn().unwrap();
        // The command holds writing ends of the pipes; close them.
        drop(command);
        until(|| stack_has_reported(&folder));
        assert!(child(&lab, "netstack").is_some(), "the stack waits for its reader");
        if wake_up {
            let (text, run): (_, RunReport) = (read(out), parse(&json));
            assert_eq!(lab.wait().unwrap().code(), Some(0));
            assert!(text.contains("Run          finished") && run.totals.delivered == 50, "{text}");
        } else {
            kill_process(pid(lab.id()), Signal::TERM).unwrap();
            assert_eq!(lab.wait().unwrap().code(), Some(130));
            assert_eq!(parse::<RunReport>(&json).totals.delivered, 50);
        }
        drop(err);
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none());
    }
}
