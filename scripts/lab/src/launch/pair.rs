//! A driver, and then a stack that meets it on a private socket.
//!
//! Whatever happens, both are gone when [`launch`] returns: every wait is bounded, but for the run
//! itself, which a signal ends.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::Signal;
use serde::de::DeserializeOwned;
use shared::process::exit::Status;
use shared::process::output::{Stream, harmless, text};
use shared::process::parent::pipe_until_our_end;
use shared::process::signals::Signals;
use shared::report::{DriverFile, RunReport};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use super::Binaries;
use super::binaries::Program;
use super::process::Process;
use super::{FolderError, PrivateFolder};
use crate::cli::Sides;
use crate::flags::{FlagError, spell};
use crate::profile::Profiler;
use crate::verdict::{Ended, Ends};

/// How long a driver may take to listen.
const READY: Duration = Duration::from_secs(10);

/// How long a process may take to end after it was asked to, or after its peer has.
const END: Duration = Duration::from_secs(10);

/// How long a driver that its stack has not met may take to end by itself: a signal may have ended it, and the stack so
/// found nothing to meet. It is told to end after that.
const ENDS_ALONE: Duration = Duration::from_millis(500);

/// Longest path of a Unix socket.
const LONGEST_PATH: usize = 107;

/// Where the text of the children goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// To the same streams as the lab's own.
    Aloud,
    /// The same, but all of it on standard error: standard output is for JSON.
    Aside,
    /// Nowhere, unless something goes wrong.
    Mute,
}

/// What a run left behind.
#[derive(Debug)]
pub(crate) struct Remains {
    /// How both ended.
    pub(crate) ends: Ends,
    /// The stack's report, if it lived to write one.
    pub(crate) report: Option<RunReport>,
    /// The driver's, likewise.
    pub(crate) file: Option<DriverFile>,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// No place for the socket and the reports.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The private folder is too far down.
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
    #[error("the driver ended before it was ready ({ended}): {said}")]
    DriverEnded {
        /// How.
        ended: Ended,
        /// What it wrote to standard error.
        said: String,
    },
    /// The driver never listened.
    #[error("the driver was not ready within {} s", READY.as_secs())]
    NotReady,
    /// The lab was interrupted before there was a run.
    #[error("interrupted before the run began")]
    Interrupted,
    /// A fault of the program.
    #[error(transparent)]
    Flags(#[from] FlagError),
    /// A process cannot be followed.
    #[error("a child process cannot be observed: {0}")]
    System(#[from] io::Error),
}

impl LaunchError {
    /// What the lab exits with.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Folder(_) | Self::LongPath(_) => Status::Usage,
            Self::DriverEnded { ended, .. } => ended.status(),
            Self::NotReady => Status::PeerFailed,
            Self::Interrupted => Status::Interrupted,
            Self::Start { .. } | Self::Flags(_) | Self::System(_) => Status::Failed,
        }
    }
}

/// What both processes share on disk: gone when this is dropped.
struct Room {
    folder: PrivateFolder,
}

impl Room {
    fn new() -> Result<Self, LaunchError> {
        // The folder is for this user only, so the socket in it is too.
        let room = Self { folder: PrivateFolder::new()? };
        let socket = room.path("socket");
        if socket.as_os_str().len() > LONGEST_PATH { Err(LaunchError::LongPath(socket)) } else { Ok(room) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `--flag=PATH`.
    fn flag(&self, flag: &str, name: &str) -> OsString {
        path_flag(flag, &self.path(name))
    }

    /// A report, if there is a complete one.
    fn report<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        serde_json::from_slice(&fs::read(self.path(name)).ok()?).ok()
    }
}

fn path_flag(flag: &str, path: &Path) -> OsString {
    let mut argument = OsString::from(flag);
    argument.push("=");
    argument.push(path);
    argument
}

/// Runs both programs once, with fresh processes, and waits for their end.
///
/// # Errors
/// [`LaunchError`] if there was no run. One that failed has remains.
pub(crate) async fn launch(
    binaries: &Binaries,
    sides: &Sides,
    voice: Voice,
    signals: &mut Signals,
) -> Result<Remains, LaunchError> {
    launch_profiled(binaries, sides, voice, signals, None).await
}

/// The same, with a profiler that samples both from before the stack does anything of interest.
///
/// # Errors
/// As [`launch`].
pub(crate) async fn launch_profiled(
    binaries: &Binaries,
    sides: &Sides,
    voice: Voice,
    signals: &mut Signals,
    profiler: Option<&mut Profiler>,
) -> Result<Remains, LaunchError> {
    let room = Room::new()?;
    let mut arguments = spell(&sides.driver)?;
    arguments.extend([room.flag("--socket", "socket"), room.flag("--json", "driver.json"), "--once".into()]);
    arguments.extend(sides.driver.capture.pcap.as_deref().map(|path| path_flag("--pcap", path)));
    let err = File::create(room.path("driver.err"))?;
    let mut driver = start(&binaries.driver, &arguments, Stdio::piped(), err.into())?;
    let mut remains = beside(&mut driver, binaries, sides, voice, signals, &room, profiler).await;
    driver.reap().await;
    let said = fs::read_to_string(room.path("driver.err")).unwrap_or_default();
    match &mut remains {
        Err(LaunchError::DriverEnded { said: told, .. }) => *told = said.trim().to_owned(),
        Err(_) => {}
        // After a run without trouble, the report has all that the driver wrote.
        Ok(remains) => {
            let trouble = remains.ends.driver.is_some_and(|ended| ended.status() != Status::Fine);
            let lines = said.lines().filter(|_| trouble).map(|line| harmless(line) + "\n");
            text(Stream::Err, lines.collect::<String>());
        }
    }
    remains
}

fn start(program: &Program, arguments: &[OsString], out: Stdio, err: Stdio) -> Result<Process, LaunchError> {
    let failed = |source| LaunchError::Start { program: program.path.clone(), source };
    let mut words = program.under.iter().map(OsString::as_os_str).chain([program.path.as_os_str()]);
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).args(arguments).arg("--end-with-stdin").stdout(out).stderr(err);
    let process = pipe_until_our_end().and_then(|stdin| Process::start(command, stdin)).map_err(failed)?;
    program.cpu.map_or(Ok(()), |cpu| process.keep_on(cpu)).map_err(failed)?;
    Ok(process)
}

/// Everything that happens while the driver is there.
#[expect(clippy::disallowed_methods, reason = "the stream is handed to a child, and nothing is written to it")]
async fn beside(
    driver: &mut Process,
    binaries: &Binaries,
    sides: &Sides,
    voice: Voice,
    signals: &mut Signals,
    room: &Room,
    profiler: Option<&mut Profiler>,
) -> Result<Remains, LaunchError> {
    ready(driver, signals).await?;
    let mut arguments = spell(&sides.stack)?;
    arguments.extend([room.flag("--socket", "socket"), room.flag("--json", "run.json")]);
    let out = match voice {
        Voice::Aloud => Stdio::inherit(),
        Voice::Aside => Stdio::from(io::stderr().as_fd().try_clone_to_owned()?),
        Voice::Mute => Stdio::null(),
    };
    let mut stack = start(&binaries.netstack, &arguments, out, Stdio::inherit())?;
    if let Some(profiler) = profiler {
        // Halted meanwhile, it is sampled from its first packet on.
        stack.signal(Signal::STOP);
        profiler.attach(stack.id(), driver.id()).await;
        stack.signal(Signal::CONT);
    }
    let ended = stack_ends(&mut stack, signals, room).await;
    stack.reap().await;
    let stack = ended?;
    let report = room.report("run.json");
    // A stack without a report may never have met the driver, which would then wait for ever.
    let patience = match (&report, stack.status()) {
        (Some(_), _) => END,
        (None, Status::PeerFailed) => ENDS_ALONE,
        (None, _) => Duration::ZERO,
    };
    let driver = driver_ends(driver, patience).await?;
    let driver = if report.is_some() { driver } else { without_a_run(stack, driver)? };
    let interrupted = signals.have_come();
    Ok(Remains { ends: Ends { stack, driver, interrupted }, report, file: room.report("driver.json") })
}

/// How the driver ended, given how the stack did without a run to report. A process that ends before there is a run says
/// no farewell, and that its peer failed is then all that the other one can say.
fn without_a_run(stack: Ended, driver: Option<Ended>) -> Result<Option<Ended>, LaunchError> {
    let (interrupted, failed) = (Ended::Said(Status::Interrupted), Ended::Said(Status::PeerFailed));
    match (stack, driver) {
        (stack, Some(driver)) if (stack, driver) == (failed, interrupted) => Err(LaunchError::Interrupted),
        (_, Some(driver)) if driver == failed => Ok(None),
        (_, driver) => Ok(driver),
    }
}

/// Waits for the driver's one line.
async fn ready(driver: &mut Process, signals: &mut Signals) -> Result<(), LaunchError> {
    let Some(out) = driver.stdout() else { return Err(LaunchError::NotReady) };
    let mut line = String::new();
    let mut out = BufReader::new(out);
    tokio::select! {
        read = timeout(READY, out.read_line(&mut line)) => read.map_err(|_| LaunchError::NotReady)??,
        () = signals.next() => return Err(LaunchError::Interrupted),
    };
    if line.starts_with("driver: ready on ") {
        return Ok(());
    }
    // The end of its output is the end of the driver, but for a moment.
    match timeout(END, driver.ended()).await {
        Ok(ended) => match ended? {
            Ended::Said(Status::Interrupted) => Err(LaunchError::Interrupted),
            ended => Err(LaunchError::DriverEnded { ended, said: String::new() }),
        },
        Err(_) => Err(LaunchError::NotReady),
    }
}

/// Waits for the stack, and passes the first signal on to it: it informs the driver. If it does not heed
/// that, it is killed.
async fn stack_ends(stack: &mut Process, signals: &mut Signals, room: &Room) -> Result<Ended, LaunchError> {
    let mut patience: Option<Instant> = None;
    loop {
        let late = async {
            match patience {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = stack.ended() => return Ok(ended?),
            () = signals.next() => {
                stack.signal(Signal::INT);
                patience = Some(Instant::now() + END);
            }
            () = late => {
                // With its report written, it waits only as long as a reader takes its text.
                if !room.path("run.json").exists() {
                    stack.signal(Signal::KILL);
                }
                patience = Some(Instant::now() + END);
            }
        }
    }
}

/// Waits for the driver, and interrupts it if it does not end by itself within `patience`.
/// `None` if it ended only because the lab ended it.
async fn driver_ends(driver: &mut Process, patience: Duration) -> Result<Option<Ended>, LaunchError> {
    let (mut told, mut killed) = (false, false);
    let mut deadline = Instant::now() + patience;
    loop {
        let Ok(ended) = timeout_at(deadline, driver.ended()).await else {
            driver.signal(if told { Signal::KILL } else { Signal::INT });
            (killed, told, deadline) = (told, true, Instant::now() + END);
            continue;
        };
        let ended = ended?;
        // It may find that the stack is gone just before the signal comes.
        let expected = matches!(ended, Ended::Said(Status::Interrupted | Status::PeerFailed));
        let obeyed = killed || (told && expected);
        return Ok((!obeyed).then_some(ended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_of_either_process_before_the_run_is_an_interrupt() {
        let said = Ended::Said;
        let (interrupted, failed) = (said(Status::Interrupted), said(Status::PeerFailed));
        assert!(matches!(without_a_run(failed, Some(interrupted)), Err(LaunchError::Interrupted)));
        for stack in [interrupted, failed, said(Status::Usage), Ended::Killed(9)] {
            assert_eq!(without_a_run(stack, Some(failed)).unwrap(), None, "{stack}");
        }
        for (stack, driver) in [
            (failed, None),
            (failed, Some(Ended::Killed(9))),
            (said(Status::Usage), Some(interrupted)),
            (interrupted, Some(said(Status::Unbalanced))),
        ] {
            assert_eq!(without_a_run(stack, driver).unwrap(), driver, "{stack} {driver:?}");
        }
    }
}
