//! DPDK's testpmd, which sends from one process to another over memif.
//!
//! Both processes poll and never sleep. The sender drops packets that find no free slot, so only what the receiver
//! reports as received counts. They use no huge pages, and no files outside a private folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use shared::process::parent::killed_on_exit;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::{Instant, timeout_at};

use super::contestant::{BenchError, Trial};
use super::testpmd::{Reader, Window};
use crate::launch::{Cpu, PrivateFolder, Process};

/// How long both processes may take to start: long, because a busy machine starts them slowly.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The role of a process.
#[derive(Debug, Clone, Copy)]
enum Role {
    Sender,
    Receiver,
}

/// Measures the packets per second that the receiver received.
pub(super) async fn rate(testpmd: &Path, trial: &Trial<'_>) -> Result<f64, BenchError> {
    let folder = PrivateFolder::new()?;
    let mut receiver = start(testpmd, Role::Receiver, trial, folder.path())?;
    let mut sender = None;
    let rate = received(&mut receiver, &mut sender, testpmd, trial, folder.path()).await;
    // Both have no report to wait for, and leave nothing behind outside the folder: end them.
    receiver.kill().await;
    if let Some(mut sender) = sender {
        sender.kill().await;
    }
    rate
}

/// Starts `sender` when the receiver is ready, and reads samples until they cover the time of the trial.
async fn received(
    receiver: &mut Process,
    sender: &mut Option<Process>,
    testpmd: &Path,
    trial: &Trial<'_>,
    folder: &Path,
) -> Result<f64, BenchError> {
    let out = receiver.stdout().ok_or_else(|| failed(folder))?;
    let (mut lines, mut reader, mut window) = (BufReader::new(out).lines(), Reader::default(), Window::default());
    let deadline = Instant::now() + START_TIMEOUT + Duration::from_nanos(trial.time.0);
    while window.seconds() < trial.time.as_secs_f64() {
        let line = next_line(&mut lines, deadline).await?.ok_or_else(|| failed(folder))?;
        let Some(sample) = reader.line(&line) else { continue };
        window.add(sample).map_err(|_| problem("stopped receiving while it was measured; run the benchmark again"))?;
        // The first sample shows that the receiver has created the socket to which the sender connects.
        if sender.is_none() {
            *sender = Some(start(testpmd, Role::Sender, trial, folder)?);
        }
    }
    Ok(window.rate())
}

async fn next_line(lines: &mut Lines<BufReader<ChildStdout>>, deadline: Instant) -> Result<Option<String>, BenchError> {
    let late = |_| problem("did not deliver in time; run the benchmark again when the machine is less busy");
    Ok(timeout_at(deadline, lines.next_line()).await.map_err(late)??)
}

fn start(testpmd: &Path, role: Role, trial: &Trial<'_>, folder: &Path) -> Result<Process, BenchError> {
    let cpus = trial.cpus.ok_or_else(|| problem("needs two CPUs"))?;
    let (cpu, out) = match role {
        Role::Sender => (cpus.producer, Stdio::null()),
        Role::Receiver => (cpus.consumer, Stdio::piped()),
    };
    let mut command = Command::from(killed_on_exit(testpmd)?);
    command.args(arguments(role, cpu, trial.depth.get(), trial.size.0, folder));
    // The folder for files that its processes share: the first variable for root, the second for other users.
    command.env("RUNTIME_DIRECTORY", folder).env("XDG_RUNTIME_DIR", folder);
    let errors_file = File::create(folder.join(role.errors_file()))?;
    command.stdout(out).stderr(errors_file);
    Ok(Process::start(command, Stdio::null())?)
}

fn arguments(role: Role, cpu: Cpu, depth: u32, size: u64, folder: &Path) -> Vec<OsString> {
    let (name, end, mode) = match role {
        Role::Sender => ("sender", "client", "txonly"),
        Role::Receiver => ("receiver", "server", "rxonly"),
    };
    let mut device = OsString::from(format!(
        "--vdev=net_memif0,role={end},id=0,bsize=2048,rsize={},socket-abstract=no,socket=",
        depth.ilog2()
    ));
    device.push(folder.join("memif"));
    // Core 0 prints and mostly sleeps, so it shares the CPU of core 1, which forwards.
    let mut arguments: Vec<OsString> =
        [format!("--lcores=0@{cpu},1@{cpu}"), format!("--file-prefix={name}")].map(OsString::from).into();
    arguments.extend(["--no-huge", "-m", "256", "--no-pci", "--no-telemetry"].map(OsString::from));
    arguments.extend([device, "--".into()]);
    // Buffers for the packets in the ring, in use by both sides, and in their caches.
    let packets = (4 * depth).max(8192);
    arguments.extend(
        [
            format!("--forward-mode={mode}"),
            format!("--txpkts={size}"),
            format!("--total-num-mbufs={packets}"),
            format!("--rxd={depth}"),
            format!("--txd={depth}"),
            "--stats-period=1".to_owned(),
        ]
        .map(OsString::from),
    );
    arguments
}

impl Role {
    /// The file that receives its standard error.
    const fn errors_file(self) -> &'static str {
        match self {
            Self::Sender => "sender.err",
            Self::Receiver => "receiver.err",
        }
    }
}

fn problem(problem: &str) -> BenchError {
    BenchError::Peer { name: "memif", problem: problem.to_owned() }
}

/// The error if the receiver ended by itself: the last line of its standard error.
fn failed(folder: &Path) -> BenchError {
    let errors = fs::read_to_string(folder.join(Role::Receiver.errors_file())).unwrap_or_default();
    let last = errors.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("without a message");
    problem(&format!("ended before it was measured: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::CpuPair;

    #[test]
    fn both_sides_get_the_same_ring_and_a_cpu_each() {
        let Some(cpus) = CpuPair::here() else { return };
        let joined = |role, cpu| {
            let arguments = arguments(role, cpu, 1024, 64, Path::new("/private"));
            arguments.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let (sender, receiver) = (joined(Role::Sender, cpus.producer), joined(Role::Receiver, cpus.consumer));
        for side in [&sender, &receiver] {
            assert!(side.contains("rsize=10,socket-abstract=no,socket=/private/memif -- "), "{side}");
            assert!(side.contains("--txpkts=64 ") && side.contains("--rxd=1024 --txd=1024"), "{side}");
            assert!(side.contains("--no-huge"), "{side}");
        }
        assert!(sender.contains("role=client") && sender.contains("txonly"), "{sender}");
        assert!(receiver.contains("role=server") && receiver.contains("rxonly"), "{receiver}");
        assert!(sender.starts_with(&format!("--lcores=0@{0},1@{0} ", cpus.producer)), "{sender}");
        assert!(receiver.starts_with(&format!("--lcores=0@{0},1@{0} ", cpus.consumer)), "{receiver}");
    }
}
