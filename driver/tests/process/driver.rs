//! A driver process, as a test starts it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// A driver that listens. It is killed if the test ends before it.
pub(crate) struct Driver {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    pub(crate) socket: PathBuf,
}

/// How a driver ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The binary, with nothing of the environment that could change what it does.
pub(crate) fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PUSHBACK_")) {
        command.env_remove(name);
    }
    command.args(flags).stdin(Stdio::null());
    command
}

impl Driver {
    /// Starts one at `socket` and waits until it says that it listens.
    pub(crate) fn start(socket: &Path, flags: &[&str]) -> Self {
        Self::start_as(command(flags), socket)
    }

    /// Starts `command`.
    pub(crate) fn start_as(mut command: Command, socket: &Path) -> Self {
        command.arg("--socket").arg(socket).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        let driver = Self { child, stdout, stderr, socket: socket.to_owned() };
        assert_eq!(ready, format!("driver: ready on {}\n", socket.display()));
        driver
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next line that it says to people.
    pub(crate) fn says(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn wait(mut self) -> Exit {
        let mut exit = Exit { status: None, stdout: String::new(), stderr: String::new() };
        self.stdout.read_to_string(&mut exit.stdout).unwrap();
        self.stderr.read_to_string(&mut exit.stderr).unwrap();
        exit.status = self.child.wait().unwrap().code();
        exit
    }

    /// Interrupts it.
    pub(crate) fn stop(self) -> Exit {
        self.signal(Signal::INT);
        self.wait()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
