//! `perf`, which samples both processes from outside: neither knows, and no timer lies on a hot path.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::process::{self, Stdio};
use std::time::Duration;

use rustix::fs::{CWD, Mode, mkfifoat};
use rustix::process::Signal;
use shared::exit::{Status, one_line};
use shared::parent::bound;
use shared::units::Nanos;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe;
use tokio::process::Command;
use tokio::time::timeout;

use super::samples::{FIELDS, Sample, read};
use crate::launch::{FolderError, PrivateFolder, Process};
use crate::verdict::Ended;

/// Samples a second of CPU time: often enough for a few seconds, and no divisor of anything periodic.
const FREQUENCY: u64 = 3989;

/// How long perf may take to attach, or to write what it has.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there can be no profile; found before anything runs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PerfError {
    /// Not installed.
    #[error("--profile: there is no program perf ({0}); install it (Debian package linux-perf) or leave the flag out")]
    Missing(#[source] io::Error),
    /// Installed, but of no use.
    #[error(
        "--profile: perf cannot sample here ({0}); as root, set kernel.perf_event_paranoid to 2 or less with \
         `sysctl kernel.perf_event_paranoid=2`, or leave the flag out"
    )]
    Refused(String),
    /// No place for what it writes.
    #[error("--profile: {0}")]
    Folder(#[from] FolderError),
    /// No pipes to it.
    #[error("--profile: no named pipe can be made where temporary files are ({0}); set TMPDIR to another folder")]
    Pipe(#[source] io::Error),
}

/// Why a run that was to be sampled has no samples. The run itself is none the worse.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoSamples {
    /// It did not get as far as sampling.
    #[error("perf did not attach to both processes ({0})")]
    Attach(String),
    /// It went away.
    #[error("perf ended before its time ({0})")]
    Ended(Ended),
    /// What it wrote cannot be read.
    #[error("perf cannot read its own samples ({0})")]
    Script(String),
}

/// A folder for perf's files, and perf while it samples.
#[derive(Debug)]
pub(super) struct Perf {
    folder: PrivateFolder,
    running: Option<Process>,
}

/// CPU time between two samples of a thread.
pub(super) fn period() -> Nanos {
    Nanos(1_000_000_000 / FREQUENCY)
}

impl Perf {
    /// Makes sure that perf is there and may sample, by sampling a program that does nothing.
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

    /// Returns once perf samples the processes of these `pids`.
    pub(super) async fn attach(&mut self, pids: [u32; 2]) -> Result<(), NoSamples> {
        let failed = |error: io::Error| NoSamples::Attach(error.to_string());
        let mut control =
            pipe::OpenOptions::new().read_write(true).open_sender(self.path("control")).map_err(failed)?;
        let mut answer =
            pipe::OpenOptions::new().read_write(true).open_receiver(self.path("answer")).map_err(failed)?;
        let mut arguments = vec!["record".into()];
        arguments.extend(self.recording("perf.data"));
        arguments.push(format!("--pid={},{}", pids[0], pids[1]).into());
        let said = File::create(self.path("said")).map_err(failed)?;
        let mut command = Command::from(bound("perf").map_err(failed)?);
        command.args(&arguments).stdout(Stdio::null()).stderr(said);
        let mut perf = Process::start(command, Stdio::null()).map_err(failed)?;
        control.write_all(b"enable\n").await.map_err(failed)?;
        let mut acknowledged = [0; 4];
        tokio::select! {
            read = timeout(PATIENCE, answer.read_exact(&mut acknowledged)) => match read {
                Ok(read) => read.map_err(failed)?,
                Err(_) => return Err(NoSamples::Attach("it does not answer".to_owned())),
            },
            _ = perf.ended() => return Err(NoSamples::Attach(first_words(&self.said()))),
        };
        self.running = Some(perf);
        Ok(())
    }

    /// Ends the sampling.
    pub(super) async fn finish(&mut self) -> Result<(), NoSamples> {
        let Some(mut perf) = self.running.take() else { return Ok(()) };
        // It may have ended with those that it sampled.
        perf.signal(Signal::INT);
        let ended = match timeout(PATIENCE, perf.ended()).await {
            Ok(ended) => ended.map_err(|error| NoSamples::Script(error.to_string()))?,
            Err(_) => Ended::Killed(Signal::KILL.as_raw()),
        };
        perf.reap().await;
        // Told to end, it writes everything, and then ends as if the signal had killed it.
        match ended {
            Ended::Said(Status::Fine | Status::Interrupted) => Ok(()),
            ended => Err(NoSamples::Ended(ended)),
        }
    }

    /// Hands every sample to `take`.
    pub(super) fn samples(&self, take: impl FnMut(&Sample)) -> Result<(), NoSamples> {
        let failed = |error: io::Error| NoSamples::Script(error.to_string());
        let said = File::create(self.path("said")).map_err(failed)?;
        let mut script = bound("perf").map_err(failed)?;
        // Inlined functions are told apart here: perf would start a program for each address.
        script.args(["script", "--no-inline", "-F", FIELDS, "-i"]).arg(self.path("perf.data"));
        let mut script = script.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(said).spawn().map_err(failed)?;
        let read = script.stdout.take().map_or(Ok(()), |text| read(BufReader::new(text), take));
        let ended = script.wait().map_err(failed)?;
        read.map_err(failed)?;
        if ended.success() { Ok(()) } else { Err(NoSamples::Script(first_words(&self.said()))) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn said(&self) -> Vec<u8> {
        std::fs::read(self.path("said")).unwrap_or_default()
    }

    /// The arguments of `perf record`. `cpu-clock` is there in a virtual machine too. A kilobyte of stack
    /// tells a library function's caller, since nothing here has frame pointers. The file is bounded: a
    /// long run is sampled in its first part only.
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

/// What perf said, on one line and not all of it: its advice is longer than ours.
fn first_words(said: &[u8]) -> String {
    let said = one_line(&String::from_utf8_lossy(said));
    let said = said.trim_start_matches("Error:").trim();
    match said.char_indices().nth(160) {
        Some((end, _)) => format!("{}...", &said[..end]),
        None => said.to_owned(),
    }
}
