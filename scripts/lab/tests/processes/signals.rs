//! Signals: several at once count as one request, and a later one ends a process in any wait.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::pipe::fcntl_setpipe_size;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use shared::report::{Ending, RunReport};
use tempfile::TempDir;

use crate::lab::{Running, child, lab, pid, program};

/// Sends SIGINT every 50 ms until the process ends. It must end at the first SIGINT that is sent a second after the
/// first.
fn interrupt_until_it_ends(process: &mut Child) -> ExitStatus {
    let end = pidfd_open(pid(process.id()), PidfdFlags::empty()).unwrap();
    let beat = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
    loop {
        kill_process(pid(process.id()), Signal::INT).unwrap();
        if poll(&mut [PollFd::new(&end, PollFlags::IN)], Some(&beat)).unwrap() > 0 {
            return process.wait().unwrap();
        }
    }
}

/// Fills a pipe, so that the next write to it waits.
pub(crate) fn fill(mut pipe: &File) {
    let size = fcntl_setpipe_size(pipe, 4096).unwrap();
    pipe.write_all(&vec![0; size]).unwrap();
}

/// A full pipe: its reading end, which the test does not read, and its writing end.
pub(crate) fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, writer) = std::io::pipe().unwrap();
    let writer = File::from(OwnedFd::from(writer));
    fill(&writer);
    (reader, writer.into())
}

pub(crate) fn until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        std::thread::yield_now();
    }
}

/// Whether a process has a thread named `name`, by which a test detects how far the process is.
pub(crate) fn has_thread(process: Pid, name: &str) -> bool {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.as_raw_nonzero()));
    let names = tasks.into_iter().flatten().flatten().map(|task| std::fs::read_to_string(task.path().join("comm")));
    names.flatten().any(|found| found.trim() == name)
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).unwrap().next().is_none()
}

/// `timeout -s INT` signals its child and then the child's group; a person may type Ctrl-C twice.
#[test]
fn several_signals_at_once_leave_partial_results_as_one_does() {
    for driver_first in [false, true] {
        let folder = TempDir::new().unwrap();
        let json = folder.path().join("run.json");
        let running = Running::start_in_group(&json);
        if driver_first {
            running.signal_child("driver", Signal::TERM);
        }
        for signal in [Signal::INT, Signal::TERM, Signal::INT] {
            running.signal(signal);
            running.signal_group(signal);
        }
        let output = running.end();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{stderr}");
        let run: RunReport = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
        assert!(run.ledger.balanced && run.totals.delivered > 0 && run.driver.is_some(), "{:?}", run.totals);
        assert!(driver_first || run.ending == Ending::Interrupted, "{:?}", run.ending);
    }
}

/// The lab waits for the stack, which waits for its reader.
#[test]
fn the_lab_ends_at_once_while_its_child_waits_for_a_reader() {
    let folder = TempDir::new().unwrap();
    let (_reader, full) = full_pipe();
    let mut command = lab(&["run", "--packets", "100000000", "--interval", "10ms", "--link", "10Mbit"]);
    let mut lab = command.env("TMPDIR", folder.path()).stdout(full).spawn().unwrap();
    until(|| child(&lab, "netstack").is_some_and(|stack| has_thread(stack, "data-path")));
    let children = ["driver", "netstack"].map(|name| child(&lab, name).unwrap());
    assert_eq!(interrupt_until_it_ends(&mut lab).code(), Some(130));
    assert!(is_empty(folder.path()));
    for child in children {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero()));
        assert!(stat.is_err() || stat.is_ok_and(|stat| stat.contains(") Z ")), "it outlived the lab");
    }
}

/// SIGQUIT is the last resort at a terminal.
#[test]
fn one_sigquit_ends_the_lab_at_once() {
    let (folder, kept) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let json = kept.path().join("run.json");
    let running = Running::start_in(&json, folder.path());
    running.signal(Signal::QUIT);
    assert_eq!(running.end().status.code(), Some(130));
    assert!(is_empty(folder.path()) && is_empty(kept.path()));
}

pub(crate) fn driver(folder: &Path, flags: &[&str]) -> Child {
    let mut command = Command::new(program("driver"));
    command.arg("--socket").arg(folder.join("socket")).args(flags).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut driver = command.spawn().unwrap();
    let ready = b"driver: ready on ";
    driver.stdout.as_mut().unwrap().read_exact(&mut vec![0; ready.len()]).unwrap();
    driver
}

pub(crate) fn netstack(folder: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(program("netstack"));
    command.arg("--socket").arg(folder.join("socket")).args(flags).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_stack_ends_at_once_while_it_waits_for_its_reader() {
    let folder = TempDir::new().unwrap();
    let mut driver = driver(folder.path(), &["--link", "10Mbit", "--once"]);
    let (_reader, full) = full_pipe();
    let flags = ["--packets", "100000000", "--interval", "10ms"];
    let mut stack = netstack(folder.path(), &flags).stdout(full).spawn().unwrap();
    until(|| has_thread(pid(stack.id()), "data-path"));
    assert_eq!(interrupt_until_it_ends(&mut stack).code(), Some(130));
    driver.wait().unwrap();
}

#[test]
fn a_driver_ends_at_once_while_it_is_stuck_in_a_write() {
    let folder = TempDir::new().unwrap();
    let capture = folder.path().join("capture");
    mkfifoat(CWD, &capture, Mode::RUSR | Mode::WUSR).unwrap();
    // Both ends of the FIFO, so that it opens; nothing is read from it.
    let pipe = File::from(open(&capture, OFlags::RDWR, Mode::empty()).unwrap());
    fill(&pipe);
    let mut driver = driver(folder.path(), &["--link", "10Mbit", "--pcap", capture.to_str().unwrap()]);
    let mut stack = netstack(folder.path(), &["--packets", "100000000", "--quiet"]).spawn().unwrap();
    until(|| has_thread(pid(driver.id()), "session"));
    assert_eq!(interrupt_until_it_ends(&mut driver).code(), Some(130));
    assert!(!folder.path().join("socket").exists());
    stack.wait().unwrap();
}

/// The next driver would have to find out that a socket left behind is dead.
#[test]
fn no_signal_leaves_a_socket_behind() {
    let signals = [Signal::ALARM, Signal::VTALARM, Signal::PROF, Signal::XCPU, Signal::TERM];
    for (signal, harmless) in signals.into_iter().zip([Signal::USR1, Signal::USR2].into_iter().cycle()) {
        let folder = TempDir::new().unwrap();
        let mut driver = driver(folder.path(), &[]);
        let number = pid(driver.id());
        kill_process(number, harmless).unwrap();
        kill_process(number, signal).unwrap();
        assert_eq!(driver.wait().unwrap().code(), Some(130), "{harmless:?}, {signal:?}");
        assert!(!folder.path().join("socket").exists(), "{signal:?}");
    }
}

/// No driver listens, and the stack retries.
#[test]
fn a_stack_that_looks_for_its_driver_ends_at_the_first_signal() {
    let folder = TempDir::new().unwrap();
    let mut stack = netstack(folder.path(), &["--connect-timeout", "3600s"]).spawn().unwrap();
    assert!(matches!(interrupt_until_it_ends(&mut stack).code(), Some(130) | None));
}

/// A simulation never waits, but it must react to the first signal.
#[test]
fn an_interrupted_simulation_leaves_partial_results() {
    let run = ["simulate", "--app", "cbr:load=1.5", "--policy", "drop-newest", "--depth", "5"];
    let repeated = ["--packets", "500", "--app", "poisson:load=1", "--precision", "0.001%"];
    let repeated = [&repeated[..], &["--max-replications", "100000000"]].concat();
    for length in [&["--packets", "1000000000"][..], &repeated] {
        let folder = TempDir::new().unwrap();
        let json = folder.path().join("run.json");
        let mut command = lab(&[&run, length, &["--json"]].concat());
        let mut lab = command.arg(&json).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        until(|| has_thread(pid(lab.id()), "signals") || lab.try_wait().unwrap().is_some());
        kill_process(pid(lab.id()), Signal::TERM).unwrap();
        let output = lab.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
        let report: RunReport = serde_json::from_slice(&std::fs::read(&json).unwrap()).unwrap();
        assert_eq!(report.ending, Ending::Interrupted);
        assert!(report.ledger.balanced && report.totals.offered < 1_000_000_000, "{:?}", report.totals);
        assert!(String::from_utf8_lossy(&output.stdout).contains("interrupted after"));
    }
}
