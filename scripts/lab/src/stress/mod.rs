//! `lab stress`: starts, kills and silent clients, thousands of times, with checks after each.
//!
//! The processes are started as a person would start them. This process is the subreaper of its descendants, so it
//! finds those whose parent has died; files that are left behind are found in folders that only the tests use.

mod cases;
mod crowd;
mod kills;
mod starts;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, WaitOptions, getrlimit, pidfd_open, pidfd_send_signal,
    set_child_subreaper, setrlimit,
};
use shared::process::json::say;
use shared::process::output::complain;
use shared::process::parent::stdin_until_exit;

use crate::launch::{Binaries, FolderError, PrivateFolder, without_settings};
use crate::report::table::markdown;

pub(crate) use crowd::crowd;
pub(crate) use kills::kills;
pub(crate) use starts::starts;

/// A process that takes longer than this to end hangs: longer than every timeout of the programs.
const HANG_TIMEOUT: Duration = Duration::from_secs(30);

/// Prints results and violations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Printer {
    /// Whether only violations are printed.
    pub(crate) quiet: bool,
}

impl Printer {
    fn result(self, text: impl fmt::Display) {
        if !self.quiet {
            say(None, text);
        }
    }

    fn violation(self, text: impl fmt::Display) {
        if self.quiet {
            complain(format_args!("lab: VIOLATION: {text}"));
        } else {
            say(None, format_args!("VIOLATION: {text}"));
        }
    }
}

/// Why a stress test cannot run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StressError {
    /// There is no private folder.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// A process cannot be started or watched.
    #[error("the system does not let processes be started or watched: {0}")]
    System(#[from] io::Error),
    /// The driver does not listen.
    #[error("the driver is not ready: {0}")]
    NotReady(String),
    /// A process does not end after SIGKILL.
    #[error("{what} does not end within {} s of being killed", HANG_TIMEOUT.as_secs())]
    Immortal {
        /// Its name.
        what: String,
    },
    /// There are fewer descriptors than clients.
    #[error(
        "--clients {wanted}: only {free} files can be open; raise the limit with ulimit -Hn {wanted}, or use fewer"
    )]
    Descriptors {
        /// Descriptors needed.
        wanted: u64,
        /// The hard limit.
        free: u64,
    },
}

/// The programs, and the folders of a test: for sockets and reports, for temporary files of the labs, and for standard
/// error.
struct TestSetup {
    folder: PrivateFolder,
    binaries: Binaries,
}

impl TestSetup {
    fn new(binaries: &Binaries) -> Result<Self, StressError> {
        // Processes whose parent dies become children of this one.
        set_child_subreaper(Some(Pid::INIT)).map_err(io::Error::from)?;
        // SIGQUIT would leave a core file in the current folder.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(io::Error::from)?;
        let setup = Self { folder: PrivateFolder::new()?, binaries: binaries.clone() };
        for folder in ["files", "temporary", "errors"] {
            fs::create_dir(setup.path(folder))?;
        }
        Ok(setup)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The folder of sockets and reports.
    fn files(&self) -> PathBuf {
        self.path("files")
    }

    /// Starts `program` with standard output `out`.
    fn start(&self, program: &Path, arguments: impl Iterator<Item = OsString>, out: Stdio) -> io::Result<TestProcess> {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let errors = self.path("errors").join(&name);
        let mut command = Command::new(program);
        command.args(arguments).env("TMPDIR", self.path("temporary"));
        without_settings(&mut command);
        command.stdin(stdin_until_exit()?).stdout(out).stderr(File::create(&errors)?).process_group(0);
        let child = command.spawn()?;
        let end = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        Ok(TestProcess { name, child, end, errors })
    }

    /// Starts a driver, and waits until it listens.
    fn driver(&self, arguments: &[&str]) -> Result<TestProcess, StressError> {
        let arguments = self.endpoint().chain(arguments.iter().map(OsString::from));
        let mut driver = self.start(&self.binaries.driver.path, arguments, Stdio::piped())?;
        let mut ready = [0; b"driver: ready on ".len()];
        match driver.child.stdout.as_mut().map(|out| out.read_exact(&mut ready)) {
            Some(Ok(())) => Ok(driver),
            _ => {
                driver.kill()?;
                Err(StressError::NotReady(driver.last_error()))
            }
        }
    }

    /// Starts a stack that connects to that driver.
    fn stack(&self, arguments: &[&str]) -> io::Result<TestProcess> {
        let arguments = self.endpoint().chain(["--quiet"].iter().chain(arguments).map(OsString::from));
        self.start(&self.binaries.netstack.path, arguments, Stdio::null())
    }

    /// The flags that both take. With them, both end when this process does.
    fn endpoint(&self) -> impl Iterator<Item = OsString> {
        let socket = self.files().join("socket").into_os_string();
        ["--end-with-stdin".into(), "--socket".into(), socket].into_iter()
    }

    /// Names in the folder `name` that are not `known`.
    fn strays(&self, name: &str, known: &[&str]) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| !known.contains(&name.as_str())).collect()
    }

    /// Empties the folder `name`.
    fn clear(&self, name: &str) -> io::Result<()> {
        fs::remove_dir_all(self.path(name))?;
        fs::create_dir(self.path(name))
    }
}

/// A child process. It is killed when this is dropped.
struct TestProcess {
    name: String,
    child: Child,
    end: OwnedFd,
    /// The file of its standard error.
    errors: PathBuf,
}

impl TestProcess {
    /// Sends `signal`, unless the process has ended.
    fn signal(&self, signal: Signal) {
        let _ = pidfd_send_signal(&self.end, signal);
    }

    /// Waits for its end; `None` if it does not end within [`HANG_TIMEOUT`].
    fn end(&mut self) -> io::Result<Option<ExitStatus>> {
        Ok(if ends_within(&self.end, HANG_TIMEOUT) { Some(self.child.wait()?) } else { None })
    }

    fn kill(&mut self) -> io::Result<ExitStatus> {
        self.signal(Signal::KILL);
        self.child.wait()
    }

    /// The last line of its standard error.
    fn last_error(&self) -> String {
        let errors = fs::read_to_string(&self.errors).unwrap_or_default();
        errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it wrote nothing").to_owned()
    }

    /// Whether it panicked.
    fn panicked(&self) -> bool {
        fs::read_to_string(&self.errors).unwrap_or_default().contains("panicked at")
    }
}

impl Drop for TestProcess {
    fn drop(&mut self) {
        // Does nothing if it has been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ends_within(end: &OwnedFd, timeout: Duration) -> bool {
    let timeout = Timespec { tv_sec: timeout.as_secs().cast_signed(), tv_nsec: timeout.subsec_nanos().into() };
    poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&timeout)).is_ok_and(|ready| ready > 0)
}

/// A process whose parent has died.
struct Orphan {
    name: String,
    /// `None` if it had to be killed.
    status: Option<ExitStatus>,
}

/// Waits for every process whose parent has died, and kills those that do not end. `own` are children of this process
/// itself that have not been waited for.
fn orphans(own: &[u32]) -> Result<Vec<Orphan>, StressError> {
    let mut found = Vec::new();
    let children = children_of(rustix::process::getpid());
    for (pid, name) in children.into_iter().filter(|(pid, _)| !own.contains(&pid.as_raw_pid().cast_unsigned())) {
        let Ok(end) = pidfd_open(pid, PidfdFlags::empty()) else { continue };
        let by_itself = ends_within(&end, HANG_TIMEOUT);
        if !by_itself {
            let _ = pidfd_send_signal(&end, Signal::KILL);
            if !ends_within(&end, HANG_TIMEOUT) {
                return Err(StressError::Immortal { what: name });
            }
        }
        let status = rustix::process::waitpid(Some(pid), WaitOptions::empty()).map_err(io::Error::from)?;
        let status = status.map(|(_, status)| ExitStatus::from_raw(status.as_raw()));
        found.push(Orphan { name, status: status.filter(|_| by_itself) });
    }
    Ok(found)
}

/// The children of `parent`, with the names of their programs.
fn children_of(parent: Pid) -> Vec<(Pid, String)> {
    let parent = parent.as_raw_pid().to_string();
    let child = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok().and_then(Pid::from_raw)?;
        // PID (NAME) STATE PARENT ...
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (head, rest) = stat.rsplit_once(") ")?;
        let (_, name) = head.split_once(" (")?;
        (rest.split(' ').nth(1)? == parent).then(|| (pid, name.to_owned()))
    };
    fs::read_dir("/proc").into_iter().flatten().flatten().filter_map(child).collect()
}

/// Raises the limit of open files to what `wanted` takes.
fn allow_descriptors(wanted: u64) -> Result<(), StressError> {
    let limit = getrlimit(Resource::Nofile);
    let free = limit.maximum.unwrap_or(u64::MAX);
    if wanted > free {
        return Err(StressError::Descriptors { wanted, free });
    }
    let current = limit.current.unwrap_or(u64::MAX).max(wanted);
    setrlimit(Resource::Nofile, Rlimit { current: Some(current), ..limit }).map_err(io::Error::from)?;
    Ok(())
}

/// Counts of exit statuses, by kind of case and by process.
#[derive(Debug, Default)]
struct Tally(BTreeMap<(String, String), BTreeMap<String, u32>>);

impl Tally {
    fn add(&mut self, case: impl fmt::Display, who: impl fmt::Display, status: &str) {
        let counts = self.0.entry((case.to_string(), who.to_string())).or_default();
        *counts.entry(status.to_owned()).or_default() += 1;
    }
}

/// An exit status as text: a number, or the signal.
fn status_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => code.to_string(),
        (None, signal) => format!("signal {}", signal.unwrap_or_default()),
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.0.iter().map(|((case, who), counts)| {
            let counts: Vec<_> = counts.iter().map(|(status, count)| format!("{status}: {count}")).collect();
            [case.clone(), who.clone(), counts.join(", ")]
        });
        let header = ["case", "process", "ended with"];
        f.write_str(&markdown(header.len(), header, rows))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_counted_by_case_and_process() {
        let mut tally = Tally::default();
        for (who, status) in [("lab", 130 << 8), ("lab", 9), ("driver", 130 << 8), ("lab", 9)] {
            tally.add("KILL to the lab", who, &status_text(ExitStatus::from_raw(status)));
        }
        let table = tally.to_string();
        let rows: Vec<_> =
            table.lines().skip(2).map(|row| row.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(rows, ["| KILL to the lab | driver | 130: 1 |", "| KILL to the lab | lab | 130: 1, signal 9: 2 |"]);
    }
}
