//! Runs `perf`, which samples both processes from outside: they need no change, and no timer is on a hot path.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::{self, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use shared::process::exit::Status;
use shared::process::flags::one_line;
use shared::process::parent::killed_on_exit;
use shared::units::Nanos;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::timeout;

use super::samples::{FIELDS, Sample, read};
use crate::launch::{ChildExit, FolderError, PrivateFolder, Process};

/// Samples per second of CPU time: enough for a run of a few seconds, and prime, so that it does not lock to anything
/// periodic in the program.
const FREQUENCY: u64 = 3989;

/// How long perf may take to attach, or to write its samples.
const PERF_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a profile is impossible; found before anything runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PerfError {
    /// perf is not installed.
    #[error("--profile: there is no program perf ({0}); install it (Debian package linux-perf) or leave the flag out")]
    Missing(#[source] io::Error),
    /// perf is installed, but may not sample.
    #[error(
        "--profile: perf cannot sample here ({0}); as root, set kernel.perf_event_paranoid to 2 or less with \
         `sysctl kernel.perf_event_paranoid=2`, or leave the flag out"
    )]
    Refused(String),
    /// There is no folder for its files.
    #[error("--profile: {0}")]
    Folder(#[from] FolderError),
    /// There are no pipes to control it.
    #[error("--profile: no named pipe can be made where temporary files are ({0}); set TMPDIR to another folder")]
    Pipe(#[source] io::Error),
}

/// Why a run has no samples although they were requested. The run itself is valid.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSamples {
    /// perf did not start sampling.
    #[error("perf did not attach to both processes ({0})")]
    Attach(String),
    /// perf ended before the run did.
    #[error("perf ended before the run did ({0})")]
    Ended(ChildExit),
    /// perf cannot print its samples.
    #[error("perf cannot read its own samples ({0})")]
    Script(String),
}

/// A folder for perf's files, and perf itself while it samples.
#[derive(Debug)]
pub(super) struct Perf {
    folder: PrivateFolder,
    running: Option<Process>,
}

/// The CPU time between two samples of a thread.
pub(super) fn period() -> Nanos {
    Nanos(1_000_000_000 / FREQUENCY)
}

impl Perf {
    /// Checks that perf is installed and may sample, by sampling `true`.
    pub(super) fn prepare() -> Result<Self, PerfError> {
        let folder = PrivateFolder::new()?;
        let perf = Self { folder, running: None };
        for fifo in ["control", "answer"] {
            let made = mkfifoat(CWD, perf.path(fifo), Mode::RUSR | Mode::WUSR);
            made.map_err(|error| PerfError::Pipe(error.into()))?;
        }
        let mut probe = process::Command::new("perf");
        probe.arg("record").args(perf.recording("probe.data")).args(["--", "true"]).stdin(Stdio::null());
        let tried = probe.output().map_err(PerfError::Missing)?;
        if tried.status.success() { Ok(perf) } else { Err(PerfError::Refused(first_words(&tried.stderr))) }
    }

    /// Starts perf, and returns when it samples the processes `pids`.
    pub(super) async fn attach(&mut self, pids: [u32; 2]) -> Result<(), NoSamples> {
        let failed = |error: io::Error| NoSamples::Attach(error.to_string());
        let mut control =
            pipe::OpenOptions::new().read_write(true).open_sender(self.path("control")).map_err(failed)?;
        let mut answer =
            pipe::OpenOptions::new().read_write(true).open_receiver(self.path("answer")).map_err(failed)?;
        let mut arguments = vec!["record".into()];
        arguments.extend(self.recording("perf.data"));
        arguments.push(format!("--pid={},{}", pids[0], pids[1]).into());
        let errors = File::create(self.path("stderr")).map_err(failed)?;
        let mut command = Command::from(killed_on_exit("perf").map_err(failed)?);
        command.args(&arguments).stdout(Stdio::null()).stderr(errors);
        let mut perf = Process::start(command, Stdio::null()).map_err(failed)?;
        control.write_all(b"enable\n").await.map_err(failed)?;
        let mut acknowledged = [0; 4];
        tokio::select! {
            read = timeout(PERF_TIMEOUT, answer.read_exact(&mut acknowledged)) => match read {
                Ok(read) => read.map_err(failed)?,
                Err(_) => return Err(NoSamples::Attach("it did not answer in time".to_owned())),
            },
            _ = perf.exited() => return Err(NoSamples::Attach(first_words(&self.error_output()))),
        };
        self.running = Some(perf);
        Ok(())
    }

    /// Stops sampling.
    pub(super) async fn finish(&mut self) -> Result<(), NoSamples> {
        let Some(mut perf) = self.running.take() else { return Ok(()) };
        // perf may have ended already, together with the processes that it sampled; then there is nothing to signal.
        perf.signal(Signal::INT);
        let ended = match timeout(PERF_TIMEOUT, perf.exited()).await {
            Ok(ended) => ended.map_err(|error| NoSamples::Script(error.to_string()))?,
            Err(_) => ChildExit::Killed(Signal::KILL.as_raw()),
        };
        perf.kill().await;
        // On SIGINT perf writes its samples, and then ends as if the signal had killed it.
        match ended {
            ChildExit::Status(Status::Fine | Status::Interrupted) => Ok(()),
            ended => Err(NoSamples::Ended(ended)),
        }
    }

    /// Calls `take` with each sample.
    pub(super) fn samples(&self, take: impl FnMut(&Sample)) -> Result<(), NoSamples> {
        let failed = |error: io::Error| NoSamples::Script(error.to_string());
        let errors = File::create(self.path("stderr")).map_err(failed)?;
        let mut script = killed_on_exit("perf").map_err(failed)?;
        // `--no-inline`: inlined functions are separated in `lines`; perf would start a program for each address.
        script.args(["script", "--no-inline", "-F", FIELDS, "-i"]).arg(self.path("perf.data"));
        let mut script = script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors).spawn().map_err(failed)?;
        let read = script.stdout.take().map_or(Ok(()), |text| read(BufReader::new(text), take));
        let ended = script.wait().map_err(failed)?;
        read.map_err(failed)?;
        if ended.success() { Ok(()) } else { Err(NoSamples::Script(first_words(&self.error_output()))) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn error_output(&self) -> Vec<u8> {
        std::fs::read(self.path("stderr")).unwrap_or_default()
    }

    /// The arguments of `perf record`. `cpu-clock` exists in virtual machines too. 1024 bytes of stack are enough to
    /// find the caller of a library function; the programs have no frame pointers. The size of the file is bounded, so
    /// only the first part of a long run is sampled.
    fn recording(&self, file: &str) -> Vec<std::ffi::OsString> {
        let mut control = std::ffi::OsString::from("--control=fifo:");
        control.push(self.path("control"));
        control.push(",");
        control.push(self.path("answer"));
        let mut arguments: Vec<std::ffi::OsString> = ["--event=cpu-clock", "--call-graph=dwarf,1024", "--delay=-1"]
            .into_iter()
            .chain(["--max-size=256M", "--no-buildid-cache", "--quiet"])
            .map(Into::into)
            .collect();
        arguments.extend([format!("--freq={FREQUENCY}").into(), control, "--output".into()]);
        arguments.push(self.path(file).into());
        arguments
    }
}

/// The first 160 characters of perf's output on one line: its full advice is longer.
fn first_words(output: &[u8]) -> String {
    let text = one_line(&String::from_utf8_lossy(output));
    let text = text.trim_start_matches("Error:").trim();
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
