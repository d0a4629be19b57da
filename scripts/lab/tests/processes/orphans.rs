//! Children end when their parent dies, however it dies, and the next lab removes the files it left behind.

use std::fs::{self, Permissions};
use std::io::{PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal, kill_process, pidfd_open, pidfd_send_signal};
use shared::report::{DriverFile, Ending, RunReport};
use tempfile::TempDir;

use crate::lab::{Running, lab, pid, program};
use crate::signals::full_pipe;
use crate::skipped::skipped;

/// A run that would take a day.
const RUN: [&str; 6] = ["run", "--quiet", "--link", "10Mbit", "--packets", "100000000"];

/// How long a process may take to end: far more than a busy machine needs.
const END_TIMEOUT: Timespec = Timespec { tv_sec: 120, tv_nsec: 0 };

/// A process, held by a descriptor. It is killed when a failed test drops this.
struct Orphan {
    name: String,
    end: OwnedFd,
    number: u32,
}

impl Orphan {
    fn new(number: u32, name: &str) -> Self {
        Self { name: name.to_owned(), end: pidfd_open(pid(number), PidfdFlags::empty()).unwrap(), number }
    }

    fn must_end(&self) {
        let ended = poll(&mut [PollFd::new(&self.end, PollFlags::IN)], Some(&END_TIMEOUT)).unwrap();
        assert_eq!(ended, 1, "{} outlived its parent", self.name);
    }

    /// The files that its descriptors refer to.
    fn holds(&self) -> Vec<PathBuf> {
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.number)).into_iter().flatten().flatten();
        descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok()).collect()
    }
}

impl Drop for Orphan {
    fn drop(&mut self) {
        let _ = pidfd_send_signal(&self.end, Signal::KILL); // It fails if the process has ended.
    }
}

/// The children of `parent` at this moment: process id, name and command line.
fn children(parent: &Child) -> Vec<(u32, String, String)> {
    let mut children = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let file = |name: &str| fs::read_to_string(entry.path().join(name)).unwrap_or_default();
        // PID (NAME) STATE PARENT ...
        let stat = file("stat");
        let Some((head, rest)) = stat.rsplit_once(") ") else { continue };
        let Some((number, name)) = head.split_once(" (") else { continue };
        if rest.split(' ').nth(1) == Some(&parent.id().to_string()) {
            children.push((number.parse().unwrap(), name.to_owned(), file("cmdline").replace('\0', " ")));
        }
    }
    children
}

/// Waits until a child of `lab` matches `wanted`, stops the lab with SIGSTOP, and returns the children that it has
/// then.
fn halted(lab: &mut Child, wanted: impl Fn(u32, &str, &str) -> bool) -> Vec<Orphan> {
    loop {
        assert!(lab.try_wait().unwrap().is_none(), "it ended too early");
        if children(lab).iter().any(|(number, name, line)| wanted(*number, name, line)) {
            break;
        }
        std::thread::yield_now();
    }
    kill_process(pid(lab.id()), Signal::STOP).unwrap();
    while !fs::read_to_string(format!("/proc/{}/stat", lab.id())).unwrap().contains(") T ") {
        std::thread::yield_now();
    }
    children(lab).iter().map(|(number, name, line)| Orphan::new(*number, &format!("{name}: {line}"))).collect()
}

/// Ends the stopped lab with `signal`, and checks that its children end too.
fn all_end(mut lab: Child, signal: Signal, orphans: &[Orphan]) {
    kill_process(pid(lab.id()), signal).unwrap();
    kill_process(pid(lab.id()), Signal::CONT).unwrap();
    lab.wait().unwrap();
    orphans.iter().for_each(Orphan::must_end);
}

fn in_folder(folder: &Path, arguments: &[&str]) -> Child {
    let mut command = lab(arguments);
    command.env("TMPDIR", folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().unwrap()
}

fn has_thread(process: u32, name: &str) -> bool {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    tasks.filter_map(|task| fs::read_to_string(task.path().join("comm")).ok()).any(|found| found.trim() == name)
}

fn count(folder: &Path) -> usize {
    fs::read_dir(folder).unwrap().count()
}

/// Killed as soon as there is a driver, as soon as there is a stack, and while packets flow.
#[test]
fn children_end_with_the_lab_whenever_it_is_killed() {
    for signal in [Signal::KILL, Signal::QUIT] {
        for stage in ["driver", "netstack", "data-path"] {
            let folder = TempDir::new().unwrap();
            let mut lab = in_folder(folder.path(), &RUN);
            let orphans = halted(&mut lab, |number, name, _| name == stage || has_thread(number, stage));
            assert!(stage == "driver" || orphans.len() == 2);
            let private = fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
            for orphan in &orphans {
                let locked = orphan.holds().contains(&private);
                assert!(!locked, "{} holds the folder's lock", orphan.name);
            }
            all_end(lab, signal, &orphans);
            assert_eq!(count(folder.path()), usize::from(signal == Signal::KILL), "{signal:?}, {stage}");
            let next = in_folder(folder.path(), &["run", "--packets", "1"]).wait().unwrap();
            assert_eq!((next.code(), count(folder.path())), (Some(0), 0), "{signal:?}, {stage}");
        }
    }
}

#[test]
fn the_folder_of_a_running_lab_is_not_removed() {
    let (folder, kept) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let json = kept.path().join("run.json");
    let running = Running::start_in(&json, folder.path());
    assert!(in_folder(folder.path(), &["run", "--packets", "1"]).wait().unwrap().success());
    assert_eq!(count(folder.path()), 1);
    running.signal(Signal::INT);
    assert_eq!(running.end().status.code(), Some(130));
    let run: RunReport = serde_json::from_slice(&fs::read(json).unwrap()).unwrap();
    assert!(run.driver.is_some() && run.ledger.balanced && count(folder.path()) == 0);
}

/// After a SIGKILL to the lab, no process is left that would kill a stack whose write waits.
#[test]
fn a_stack_whose_reader_sleeps_ends_with_the_lab() {
    let folder = TempDir::new().unwrap();
    let ((_out, full_out), (_err, full_err)) = (full_pipe(), full_pipe());
    let mut run = lab(&["run", "--interval", "10ms", "--link", "10Mbit", "--packets", "100000000"]);
    let mut run = run.env("TMPDIR", folder.path()).stdout(full_out).stderr(full_err).spawn().unwrap();
    let orphans = halted(&mut run, |number, _, _| has_thread(number, "data-path"));
    all_end(run, Signal::KILL, &orphans);
}

/// Here each child is bound to one CPU.
#[test]
fn children_on_cpus_of_their_own_end_with_the_lab() {
    let folder = TempDir::new().unwrap();
    let mut lab = in_folder(folder.path(), &["dispatch", "--time", "3600s", "--sizes", "64B"]);
    let orphans = halted(&mut lab, |number, _, _| has_thread(number, "data-path"));
    all_end(lab, Signal::KILL, &orphans);
}

#[test]
fn children_under_valgrind_end_with_the_lab() {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|output| output.status.success()) {
        skipped("valgrind is missing");
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut lab = in_folder(folder.path(), &["count", "--sizes", "64B"]);
    // Without a stack, the driver does not end by itself.
    let orphans = halted(&mut lab, |_, _, line| line.contains("callgrind") && line.contains("driver"));
    all_end(lab, Signal::KILL, &orphans);
}

#[test]
fn children_that_perf_samples_end_with_the_lab_and_so_does_perf() {
    let mut probe = Command::new("perf");
    probe.args(["record", "--event=cpu-clock", "--output=/dev/null", "--", "true"]).stdin(Stdio::null());
    if !probe.output().is_ok_and(|output| output.status.success()) {
        skipped("perf is missing or may not sample here");
        return;
    }
    let folder = TempDir::new().unwrap();
    let mut lab = in_folder(folder.path(), &[&RUN[..], &["--profile"]].concat());
    let orphans = halted(&mut lab, |number, _, _| has_thread(number, "data-path"));
    assert_eq!(orphans.len(), 3);
    all_end(lab, Signal::KILL, &orphans);
}

/// Puts a tool that never ends by itself first on the PATH.
fn stuck(command: &mut Command, folder: &Path, tool: &str, script: &str) {
    let path = folder.join(tool);
    fs::write(&path, format!("#!/bin/sh\n{script}exec sleep 86400\n")).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o700)).unwrap();
    let others = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(folder.to_owned()).chain(std::env::split_paths(&others));
    command.env("PATH", std::env::join_paths(folders).unwrap());
}

#[test]
fn another_tool_ends_with_the_lab() {
    if std::thread::available_parallelism().unwrap().get() == 1 {
        skipped("there is only one CPU");
        return;
    }
    let (folder, tools) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut bench = lab(&["bench", "--time", "20ms", "--repetitions", "1", "--sizes", "64B"]);
    stuck(&mut bench, tools.path(), "dpdk-testpmd", "");
    bench.env("TMPDIR", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut bench = bench.spawn().unwrap();
    let orphans = halted(&mut bench, |_, name, _| name == "sleep");
    all_end(bench, Signal::KILL, &orphans);
}

/// The lab keeps the stack stopped until perf answers that it samples; this perf never does.
#[test]
fn a_stack_that_the_lab_has_stopped_ends_with_it() {
    let (folder, tools) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let mut run = lab(&[&RUN[..], &["--profile"]].concat());
    let script = "case \"$*\" in *--pid=*) ;; *) exit 0;; esac\n";
    stuck(&mut run, tools.path(), "perf", script);
    run.env("TMPDIR", folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = run.spawn().unwrap();
    let orphans = halted(&mut run, |_, name, _| name == "sleep");
    assert_eq!(orphans.len(), 3);
    all_end(run, Signal::KILL, &orphans);
}

#[test]
fn a_program_that_is_bound_to_its_parent_ends_with_it() {
    let mut sh = Command::new("sh");
    sh.args(["-c", "\"$LAB\" end-with-parent $$ -- sleep 86400 & echo $!; wait"]).env("LAB", program("lab"));
    let mut sh = sh.stdout(Stdio::piped()).spawn().unwrap();
    let mut number = [0; 16];
    let length = sh.stdout.as_mut().unwrap().read(&mut number).unwrap();
    let number = std::str::from_utf8(&number[..length]).unwrap().trim().parse().unwrap();
    let orphan = Orphan::new(number, "the program");
    while !fs::read_to_string(format!("/proc/{number}/comm")).unwrap().contains("sleep") {
        std::thread::yield_now();
    }
    sh.kill().unwrap();
    sh.wait().unwrap();
    orphan.must_end();
}

#[test]
fn a_program_is_not_started_after_the_end_of_its_parent() {
    // The parent of this test process is not the parent of the program that the test starts.
    let gone = rustix::process::getppid().unwrap().to_string();
    let output = lab(&["end-with-parent", &gone, "--", "echo", "started"]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{stderr}");
    assert_eq!(stderr, format!("lab: the process {gone} has ended, and nothing is started without it\n"));
}

/// A driver or stack whose standard input is a pipe; `pipe` is its writing end.
struct Watching {
    child: Child,
    pipe: PipeWriter,
}

impl Watching {
    fn start(name: &str, folder: &Path, flags: &[&str], environment: &[(&str, &str)]) -> Self {
        let (reading, pipe): (PipeReader, _) = std::io::pipe().unwrap();
        let mut command = Command::new(program(name));
        command.arg("--socket").arg(folder.join("socket")).args(flags).envs(environment.iter().copied());
        command.stdin(reading).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self { child: command.spawn().unwrap(), pipe }
    }

    fn listens(mut self) -> Self {
        let ready = b"driver: ready on ";
        self.child.stdout.as_mut().unwrap().read_exact(&mut vec![0; ready.len()]).unwrap();
        self
    }

    fn end_of_file(self) -> Output {
        let end = Orphan::new(self.child.id(), "a program at the end of its standard input");
        drop(self.pipe);
        end.must_end();
        self.child.wait_with_output().unwrap()
    }
}

#[test]
fn the_end_of_standard_input_ends_a_driver_that_waits_and_leaves_no_socket() {
    for (flags, environment) in [(&["--end-with-stdin"][..], None), (&[], Some(("PUSHBACK_END_WITH_STDIN", "1")))] {
        let folder = TempDir::new().unwrap();
        let mut driver = Watching::start("driver", folder.path(), flags, environment.as_slice()).listens();
        // Input is read and ignored, even more of it than a pipe holds.
        driver.pipe.write_all(&[b'\n'; 200_000]).unwrap();
        assert!(folder.path().join("socket").exists());
        assert_eq!(driver.end_of_file().status.code(), Some(130));
        assert!(!folder.path().join("socket").exists());
    }
}

#[test]
fn the_end_of_standard_input_ends_a_stack_that_looks_for_its_driver() {
    let folder = TempDir::new().unwrap();
    let flags = ["--end-with-stdin", "--connect-timeout", "3600s"];
    let output = Watching::start("netstack", folder.path(), &flags, &[]).end_of_file();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), &*stderr), (Some(130), "netstack: interrupted before the run began\n"));
}

#[test]
fn the_end_of_standard_input_leaves_partial_results_as_a_signal_does() {
    for ends in ["driver", "netstack"] {
        let folder = TempDir::new().unwrap();
        let json = |name: &str| folder.path().join(name);
        let flag = |name: &str| format!("--json={}", json(name).display());
        let flags = ["--end-with-stdin", "--link", "10Mbit", "--once", &flag("driver.json")];
        let mut driver = Watching::start("driver", folder.path(), &flags, &[]).listens();
        let flags = ["--end-with-stdin", "--quiet", "--packets", "100000000", &flag("run.json")];
        let mut stack = Watching::start("netstack", folder.path(), &flags, &[]);
        while !(has_thread(stack.child.id(), "data-path") && has_thread(driver.child.id(), "session")) {
            assert!(stack.child.try_wait().unwrap().is_none() && driver.child.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        // The other process keeps its pipe open until its peer has ended.
        let statuses = if ends == "driver" {
            [driver.end_of_file().status, stack.child.wait().unwrap()]
        } else {
            [stack.end_of_file().status, driver.child.wait().unwrap()]
        };
        let run: RunReport = serde_json::from_slice(&fs::read(json("run.json")).unwrap()).unwrap();
        let file: DriverFile = serde_json::from_slice(&fs::read(json("driver.json")).unwrap()).unwrap();
        assert!(run.ledger.balanced && file.sessions.len() == 1, "{:?}", run.totals);
        let (ending, status) = match ends {
            "driver" => (Ending::PeerInterrupted, [Some(130), Some(130)]),
            _ => (Ending::Interrupted, [Some(130), Some(0)]),
        };
        assert_eq!((run.ending, statuses.map(|status| status.code())), (ending, status), "{ends}");
    }
}

/// Most programs are started without standard input.
#[test]
fn without_the_flag_standard_input_is_ignored() {
    let folder = TempDir::new().unwrap();
    let mut driver = Watching::start("driver", folder.path(), &[], &[]).listens();
    drop(driver.pipe);
    let stack = Watching::start("netstack", folder.path(), &["--packets", "3"], &[]);
    drop(stack.pipe);
    assert_eq!(stack.child.wait_with_output().unwrap().status.code(), Some(0));
    assert!(driver.child.try_wait().unwrap().is_none());
    kill_process(pid(driver.child.id()), Signal::TERM).unwrap();
    assert_eq!(driver.child.wait().unwrap().code(), Some(130));
}
