//! The contestants of the bench crate: a sink and a source, each in a process of the lab's own program.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use bench::{Tally, ring_peer, udp, unix_stream};
use clap::{Args, Subcommand};
use shared::process::exit::Status;
use shared::process::parent::killed_on_exit;
use shared::ring::Depth;
use shared::ring::shm::RECORD;
use shared::units::{Bytes, Nanos};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::contestant::{BenchError, Peer, Trial};
use crate::launch::{ChildExit, Cpu, PrivateFolder, Process};
use crate::runner::full_rate::HEADERS;

/// The flags of the hidden command `lab peer`.
#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    /// Which program.
    #[arg(value_enum)]
    peer: Peer,
    /// Bytes of the Ethernet frame without its check sequence.
    #[arg(long)]
    size: Bytes,
    /// Slots of the ring, if the program has one.
    #[arg(long)]
    depth: Depth,
    #[command(subcommand)]
    role: PeerRole,
}

#[derive(Debug, Subcommand)]
enum PeerRole {
    /// Prints the address for the source, and counts what arrives.
    Sink {
        /// A private folder for its socket.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Sends as fast as it can.
    Source {
        /// The address that the sink printed.
        #[arg(long)]
        to: String,
        /// How long to send.
        #[arg(long)]
        time: Nanos,
    },
}

/// Runs one of the two processes until it is done.
///
/// # Errors
/// If this machine does not allow it.
pub(crate) fn act(args: &PeerArgs) -> io::Result<()> {
    let (frame, depth) = (length(args.size), args.depth.as_usize());
    // The bytes that a packet of the stack takes in the ring if it shares its record with no other.
    let slot = frame + RECORD;
    let payload = length(Bytes(args.size.0.saturating_sub(HEADERS)));
    match &args.role {
        PeerRole::Sink { folder } => match args.peer {
            Peer::BareRing => ring_peer::sink(depth, slot),
            Peer::UnixStream => unix_stream::sink(folder, frame),
            Peer::UdpLoopback => udp::sink(),
        },
        PeerRole::Source { to, time } => {
            let time = Duration::from_nanos(time.0);
            match args.peer {
                Peer::BareRing => ring_peer::source(Path::new(to), depth, slot, time),
                Peer::UnixStream => unix_stream::source(Path::new(to), frame, time),
                Peer::UdpLoopback => udp::source(to.parse().map_err(io::Error::other)?, payload, time),
            }
        }
    }
}

fn length(bytes: Bytes) -> usize {
    usize::try_from(bytes.0).unwrap_or(usize::MAX)
}

/// Measures the packets per second that the sink received.
pub(super) async fn rate(peer: Peer, trial: &Trial<'_>) -> Result<f64, BenchError> {
    let folder = PrivateFolder::new()?;
    let failed = |problem: &str| BenchError::Peer { name: peer.name(), problem: problem.to_owned() };
    let mut sink = start(peer, trial, trial.cpus.map(|cpus| cpus.consumer), |command| {
        command.arg("sink").arg("--folder").arg(folder.path());
    })?;
    let out = sink.stdout().ok_or_else(|| failed("has a receiver without standard output"))?;
    let mut lines = BufReader::new(out);
    let mut address = String::new();
    lines.read_line(&mut address).await?;
    let mut source = start(peer, trial, trial.cpus.map(|cpus| cpus.producer), |command| {
        command.arg("source").args(["--to", address.trim(), "--time", &trial.time.to_string()]);
    })?;
    let sent = source.exited().await?;
    if sent != ChildExit::Status(Status::Fine) {
        sink.kill().await;
        return Err(failed("could not send, for the reason above"));
    }
    let mut counted = String::new();
    lines.read_to_string(&mut counted).await?;
    sink.exited().await?;
    let rate = Tally::read(&counted).and_then(|tally| tally.rate());
    rate.ok_or_else(|| failed("delivered nothing; this machine may not allow what it needs"))
}

fn start(peer: Peer, trial: &Trial<'_>, cpu: Option<Cpu>, role: impl FnOnce(&mut Command)) -> io::Result<Process> {
    let mut command = Command::from(killed_on_exit(env::current_exe()?)?);
    let (size, depth) = (trial.size.to_string(), trial.depth.to_string());
    command.args(["peer", peer.name(), "--size", &size, "--depth", &depth]).stdout(Stdio::piped());
    role(&mut command);
    let process = Process::start(command, Stdio::null())?;
    cpu.map_or(Ok(()), |cpu| process.pin_to(cpu))?;
    Ok(process)
}
