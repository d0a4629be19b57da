//! What specialists use: DPDK's testpmd, which sends from one process to another over memif.
//!
//! Both poll and never sleep. The sender drops what finds no room, so only what the receiver says that
//! it received counts. No huge pages, and nothing outside of a private folder.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use shared::parent::bound;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::{Instant, timeout_at};

use super::testpmd::{Reader, Window};
use super::{BenchError, Trial};
use crate::launch::{Cpu, PrivateFolder, Process};

/// Slots of the deepest ring that memif makes.
pub(super) const MOST_SLOTS: u32 = 1 << 14;

/// How long both may take to begin, besides what is measured: a busy machine starts them slowly.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who a process is.
#[derive(Debug, Clone, Copy)]
enum Role {
    Sender,
    Receiver,
}

/// Packets a second that the receiver received.
pub(super) async fn rate(testpmd: &Path, trial: &Trial<'_>) -> Result<f64, BenchError> {
    let folder = PrivateFolder::new()?;
    let mut receiver = start(testpmd, Role::Receiver, trial, folder.path())?;
    let mut sender = None;
    let rate = received(&mut receiver, &mut sender, testpmd, trial, folder.path()).await;
    // They have nothing to tell, and leave nothing but the folder.
    receiver.reap().await;
    if let Some(mut sender) = sender {
        sender.reap().await;
    }
    rate
}

/// Starts the `sender` when the receiver is ready, and watches until a window of the trial's time is
/// full.
async fn received(
    receiver: &mut Process,
    sender: &mut Option<Process>,
    testpmd: &Path,
    trial: &Trial<'_>,
    folder: &Path,
) -> Result<f64, BenchError> {
    let out = receiver.stdout().ok_or_else(|| failed(folder))?;
    let (mut lines, mut reader, mut window) = (BufReader::new(out).lines(), Reader::default(), Window::default());
    let deadline = Instant::now() + PATIENCE + Duration::from_nanos(trial.time.0);
    while window.seconds() < trial.time.as_secs_f64() {
        let line = next_line(&mut lines, deadline).await?.ok_or_else(|| failed(folder))?;
        let Some(sample) = reader.line(&line) else { continue };
        window.add(sample).map_err(|_| problem("stood still while it was measured; run the benchmark again"))?;
        // With its first sample, the receiver is where the sender looks for it.
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
    let mut command = Command::from(bound(testpmd)?);
    command.args(arguments(role, cpu, trial.depth.get(), trial.size.0, folder));
    // Where it keeps what its processes share: the first for root, the second for everybody else.
    command.env("RUNTIME_DIRECTORY", folder).env("XDG_RUNTIME_DIR", folder);
    let complaints = File::create(folder.join(role.complaints()))?;
    command.stdout(out).stderr(complaints);
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
    // The thread that prints sleeps, so it shares the CPU of the one that works.
    let mut arguments: Vec<OsString> =
        [format!("--lcores=0@{cpu},1@{cpu}"), format!("--file-prefix={name}")].map(OsString::from).into();
    arguments.extend(["--no-huge", "-m", "256", "--no-pci", "--no-telemetry"].map(OsString::from));
    arguments.extend([device, "--".into()]);
    // Packets in the ring, in the hands of both sides, and in their caches.
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
    /// The file of what it says on standard error.
    const fn complaints(self) -> &'static str {
        match self {
            Self::Sender => "sender.err",
            Self::Receiver => "receiver.err",
        }
    }
}

fn problem(problem: &str) -> BenchError {
    BenchError::Peer { name: "memif", problem: problem.to_owned() }
}

/// The receiver ended by itself: its last words say why.
fn failed(folder: &Path) -> BenchError {
    let said = fs::read_to_string(folder.join(Role::Receiver.complaints())).unwrap_or_default();
    let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("without a word");
    problem(&format!("ended before it was measured: {last}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::Pair;

    #[test]
    fn each_side_is_told_the_same_ring_and_stays_on_its_cpu() {
        let Some(cpus) = Pair::here() else { return };
        let said = |role, cpu| {
            let arguments = arguments(role, cpu, 1024, 64, Path::new("/private"));
            arguments.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let (sender, receiver) = (said(Role::Sender, cpus.producer), said(Role::Receiver, cpus.consumer));
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
