//! The processes of a run in real time, and the folder in which they meet.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use driver::backend::BackendChoice;
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use shared::process::exit::Status;
use shared::process::parent::stdin_until_exit;
use shared::process::signals::Signals;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout, timeout_at};

use crate::flags::FlagError;
use crate::launch::{ChildExit, FolderError, PrivateFolder, Process, Program};

/// How long a driver may take to listen.
const READY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a process may take to end after a signal asked it to, or after its peer has ended.
pub(super) const END_TIMEOUT: Duration = Duration::from_secs(10);

/// The name of the far host's socket.
pub(super) const FAR_SOCKET: &str = "far.socket";

/// The longest path of a Unix socket.
const LONGEST_PATH: usize = 107;

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// There is no folder for the socket and the reports.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The path of the private folder is too long.
    #[error("{}: too long a path for a socket; set TMPDIR to a folder with a shorter path", .0.display())]
    LongPath(PathBuf),
    /// A program does not start.
    #[error("{} does not start: {source}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// The driver ended before it listened.
    #[error("the driver ended before it was ready ({exit}): {said}")]
    DriverEnded {
        /// Its exit.
        exit: ChildExit,
        /// What it wrote to standard error.
        said: String,
    },
    /// The driver did not listen in time.
    #[error("the driver was not ready within {} s", READY_TIMEOUT.as_secs())]
    NotReady,
    /// The lab was interrupted before there was a run.
    #[error("interrupted before the run began")]
    Interrupted,
    /// A setting has no flag, which is a fault of this program.
    #[error(transparent)]
    Flags(#[from] FlagError),
    /// A process cannot be observed.
    #[error("a child process cannot be observed: {0}")]
    System(#[from] io::Error),
}

impl LaunchError {
    /// The exit status of the lab.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Folder(_) | Self::LongPath(_) => Status::Usage,
            Self::DriverEnded { exit, .. } => exit.status(),
            Self::NotReady => Status::PeerFailed,
            Self::Interrupted => Status::Interrupted,
            Self::Start { .. } | Self::Flags(_) | Self::System(_) => Status::Failed,
        }
    }
}

/// The files of a run: the socket, both reports, and the driver's standard error. Removed when this is dropped.
pub(super) struct RunFolder(PrivateFolder);

impl RunFolder {
    pub(super) fn new() -> Result<Self, LaunchError> {
        // Only this user may enter the folder, so no other user reaches the socket in it.
        let folder = Self(PrivateFolder::new()?);
        // The longest name of a socket in the folder.
        let socket = folder.path(FAR_SOCKET);
        if socket.as_os_str().len() > LONGEST_PATH { Err(LaunchError::LongPath(socket)) } else { Ok(folder) }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// `--flag=PATH`.
    pub(super) fn flag(&self, flag: &str, name: &str) -> OsString {
        path_flag(flag, &self.path(name))
    }

    /// The backend with which both drivers meet.
    pub(super) fn wire(&self) -> BackendChoice {
        BackendChoice::Wire(self.path("wire"))
    }

    /// A report, if there is a complete one.
    pub(super) fn report<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.path(name)).ok()?).ok()
    }
}

pub(super) fn path_flag(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push("=");
    argument.push(path);
    argument
}

pub(super) fn start(program: &Program, arguments: &[OsString], out: Stdio, err: Stdio) -> Result<Process, LaunchError> {
    let failed = |source| LaunchError::Start { program: program.path.clone(), source };
    let mut words = program.under.iter().map(OsString::as_os_str).chain([program.path.as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(arguments).arg("--end-with-stdin").stdout(out).stderr(err);
    let process = stdin_until_exit().and_then(|stdin| Process::start(command, stdin)).map_err(failed)?;
    program.cpu.map_or(Ok(()), |cpu| process.pin_to(cpu)).map_err(failed)?;
    Ok(process)
}

/// Waits for the driver's line that it listens.
pub(super) async fn ready(driver: &mut Process, signals: &mut Signals) -> Result<(), LaunchError> {
    let Some(out) = driver.stdout() else { return Err(LaunchError::NotReady) };
    let mut line = String::new();
    let mut out = BufReader::new(out);
    tokio::select! {
        read = timeout(READY_TIMEOUT, out.read_line(&mut line)) => read.map_err(|_| LaunchError::NotReady)??,
        () = signals.next() => return Err(LaunchError::Interrupted),
    };
    if line.starts_with("driver: ready on ") {
        return Ok(());
    }
    // Its output has ended, so the driver ends too.
    match timeout(END_TIMEOUT, driver.exited()).await {
        Ok(exit) => match exit? {
            ChildExit::Status(Status::Interrupted) => Err(LaunchError::Interrupted),
            exit => Err(LaunchError::DriverEnded { exit, said: String::new() }),
        },
        Err(_) => Err(LaunchError::NotReady),
    }
}

/// Waits for the end of the driver, and interrupts it if it does not end by itself within `timeout`. Returns `None` if
/// it ended only because the lab ended it.
pub(super) async fn wait_for_driver(driver: &mut Process, timeout: Duration) -> Result<Option<ChildExit>, LaunchError> {
    let (mut interrupted, mut killed) = (false, false);
    let mut deadline = Instant::now() + timeout;
    loop {
        let Ok(exit) = timeout_at(deadline, driver.exited()).await else {
            driver.signal(if interrupted { Signal::KILL } else { Signal::INT });
            (killed, interrupted, deadline) = (interrupted, true, Instant::now() + END_TIMEOUT);
            continue;
        };
        let exit = exit?;
        // The driver may notice the end of the stack just before the signal arrives.
        let expected = matches!(exit, ChildExit::Status(Status::Interrupted | Status::PeerFailed));
        let obeyed = killed || (interrupted && expected);
        return Ok((!obeyed).then_some(exit));
    }
}
