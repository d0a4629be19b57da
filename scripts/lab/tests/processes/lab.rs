//! Runs the lab as a child process, with newly built programs of the other two packages.

use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::OnceLock;

use assert_cmd::assert::OutputAssertExt;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use shared::report::RunReport;

/// A command of the lab, without the PUSHBACK_ variables of this process.
pub(crate) fn lab(arguments: &[&str]) -> Command {
    let mut command = Command::new(built());
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PUSHBACK_")) {
        command.env_remove(name);
    }
    command
}

/// The program `name` in the folder of the lab's.
pub(crate) fn program(name: &str) -> PathBuf {
    built().with_file_name(name)
}

/// Runs `lab run` with `arguments`, checks its exit `status`, and returns the report.
pub(crate) fn report(arguments: &[&str], status: i32) -> RunReport {
    let output = lab(&[&["run", "--quiet", "--json", "-"], arguments].concat()).output().unwrap();
    let report = output.stdout.clone();
    output.assert().code(status);
    serde_json::from_slice(&report).unwrap()
}

/// The lab's own program, with those of `driver` and `netstack` in the same folder.
///
/// Cargo builds the programs of a package for its own tests only. `cargo test --workspace` builds them all; for this
/// package alone they would be missing or old. So this runs cargo as for the whole workspace: mostly it has nothing to
/// do, and it never replaces a program while another test runs it.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let lab = PathBuf::from(env!("CARGO_BIN_EXE_lab"));
        let folder = lab.parent().unwrap();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--quiet", "--workspace", "--no-run"]).current_dir(env!("CARGO_MANIFEST_DIR"));
        cargo.arg("--target-dir").arg(folder.parent().unwrap());
        if folder.ends_with("release") {
            cargo.arg("--release");
        }
        cargo.output().unwrap().assert().success();
        lab
    })
}

/// A running lab.
pub(crate) struct Running {
    lab: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    /// The same as `start`, in a process group of its own, as a shell starts it.
    pub(crate) fn start_in_group(json: &Path) -> Self {
        Self::start_as(json, &std::env::temp_dir(), |lab| {
            lab.process_group(0);
        })
    }

    /// Starts a run of 30 seconds on a slow link, and waits until packets flow.
    pub(crate) fn start(json: &Path) -> Self {
        Self::start_in(json, &std::env::temp_dir())
    }

    /// The same as `start`, with `folder` for temporary files.
    pub(crate) fn start_in(json: &Path, folder: &Path) -> Self {
        Self::start_as(json, folder, |_| {})
    }

    /// The same as `start_in`, after `how` has changed the command.
    pub(crate) fn start_as(json: &Path, folder: &Path, how: impl FnOnce(&mut Command)) -> Self {
        let flags = ["run", "--link", "10Mbit", "--duration", "30s", "--interval", "50ms", "--json"];
        let mut command = lab(&[&flags[..], &[json.to_str().unwrap()]].concat());
        command.env("TMPDIR", folder);
        how(&mut command);
        let mut lab = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(lab.stdout.take().unwrap());
        // The header, and the first interval.
        for _ in 0..2 {
            lines.read_line(&mut String::new()).unwrap();
        }
        Self { lab, lines }
    }

    /// Sends `signal` to the lab.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(pid(self.lab.id()), signal).unwrap();
    }

    /// Sends `signal` to the lab's process group.
    pub(crate) fn signal_group(&self, signal: Signal) {
        // The lab may have ended already, but it has not been waited for, so its id is still valid.
        kill_process_group(pid(self.lab.id()), signal).unwrap();
    }

    /// Sends `signal` to the lab's child named `name`.
    pub(crate) fn signal_child(&self, name: &str, signal: Signal) {
        kill_process(self.child(name).unwrap(), signal).unwrap();
    }

    /// Its child named `name`, if there is one now.
    pub(crate) fn child(&self, name: &str) -> Option<Pid> {
        child(&self.lab, name)
    }

    /// Waits until it ends. The standard output returned starts after the first interval.
    pub(crate) fn end(mut self) -> Output {
        let mut stdout = Vec::new();
        std::io::Read::read_to_end(&mut self.lines, &mut stdout).unwrap();
        Output { stdout, ..self.lab.wait_with_output().unwrap() }
    }
}

/// The child of `lab` named `name`, if there is one now.
pub(crate) fn child(lab: &Child, name: &str) -> Option<Pid> {
    let start = format!("({name}) ");
    let parent = lab.id().to_string();
    let is_it = |stat: &String| {
        // PID (NAME) STATE PARENT ...
        let rest = stat.split_once(&start).map(|(_, rest)| rest);
        rest.and_then(|rest| rest.split(' ').nth(1)) == Some(&parent)
    };
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut stats = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let stat = stats.find(is_it)?;
    Some(pid(stat.split(' ').next().unwrap().parse().unwrap()))
}

pub(crate) fn pid(id: u32) -> Pid {
    Pid::from_raw(id.cast_signed()).unwrap()
}
