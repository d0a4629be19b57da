//! The contestants of a benchmark, what is the same for all of them, and why one cannot be measured.

use std::io;
use std::path::PathBuf;

use clap::ValueEnum;
use driver::session::Dma;
use shared::control::TransportKind;
use shared::process::exit::Status;
use shared::ring::Depth;
use shared::units::{Bytes, Nanos};

use crate::launch::{Binaries, CpuPair, FolderError};
use crate::runner::full_rate::MeasureError;
use crate::runner::workload::Workload;
use crate::settings::RunSettings;

/// The largest number of slots of a memif ring.
const MOST_SLOTS: u32 = 1 << 14;

/// A program that is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The whole stack and the driver.
    Pushback(Variant),
    /// Two processes of the bench crate.
    Peer(Peer),
    /// Two processes of DPDK's testpmd, which is at this path.
    Memif(PathBuf),
}

/// How stack and driver are set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variant {
    /// With the default settings.
    Shm,
    /// With `--dma none`: the driver does not copy frames out of the ring.
    NoDma,
    /// The app sends one packet per call.
    Single,
    /// With `--transport socket`: frames travel through the socket.
    Socket,
    /// [`Workload::Mixed`].
    Mixed,
    /// A thousand apps.
    ThousandApps,
}

impl Variant {
    /// Every variant, in the order of each repetition.
    const ALL: [Self; 6] = [Self::Shm, Self::NoDma, Self::Single, Self::Socket, Self::Mixed, Self::ThousandApps];
}

/// Two processes of the bench crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// A hand-written ring in shared memory without anything else: the limit of this machine. It moves as many bytes as
    /// the stack's ring: the frame and a record.
    BareRing,
    /// A Unix stream socket, with 64 frames per write.
    UnixStream,
    /// A plain send loop and a plain receive loop on UDP; received packets are counted, not sent ones.
    UdpLoopback,
}

/// Why a contestant is not measured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum LeftOut {
    #[error("memif is left out: dpdk-testpmd is not on the PATH; install it (Debian package dpdk-dev)")]
    NoTestpmd,
    #[error(
        "memif is left out: its two processes never sleep and need a CPU each: that takes two CPUs, and --pin auto"
    )]
    NoCpuEach,
    #[error("memif is left out: its rings have a power of two of slots, at most {MOST_SLOTS}, and --depth is {0}")]
    Depth(Depth),
}

/// What is the same for all contestants.
#[derive(Debug, Clone)]
pub(crate) struct Trial<'a> {
    /// The programs of this project.
    pub(crate) binaries: &'a Binaries,
    /// The settings of the stack and the driver, except those that a contestant sets.
    pub(crate) settings: &'a RunSettings,
    /// Slots of each ring.
    pub(crate) depth: Depth,
    /// Bytes of the Ethernet frame without its check sequence.
    pub(crate) size: Bytes,
    /// How long each contestant sends.
    pub(crate) time: Nanos,
    /// One CPU for each process, if there are two and the scheduler is not to choose.
    pub(crate) cpus: Option<CpuPair>,
}

/// Why there is no benchmark.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A run of the stack and the driver is no measurement, or a signal ended the benchmark.
    #[error(transparent)]
    Run(#[from] MeasureError),
    /// Another contestant failed.
    #[error("no benchmark: {name} {problem}")]
    Peer {
        /// Its name.
        name: &'static str,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// There is no folder for the files of a contestant.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system has no resources left for the measurement.
    #[error("out of system resources: {0}")]
    System(#[from] io::Error),
}

impl BenchError {
    /// The exit status of the lab.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Run(error) => error.status(),
            Self::Folder(_) => Status::Usage,
            Self::Peer { .. } | Self::System(_) => Status::Failed,
        }
    }
}

impl Contestant {
    /// The name in reports.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Pushback(Variant::Shm) => "pushback-shm",
            Self::Pushback(Variant::NoDma) => "pushback-shm-nodma",
            Self::Pushback(Variant::Single) => "pushback-shm-single",
            Self::Pushback(Variant::Socket) => "pushback-socket",
            Self::Pushback(Variant::Mixed) => "pushback-shm-mixed",
            Self::Pushback(Variant::ThousandApps) => "pushback-shm-1000-apps",
            Self::Peer(peer) => peer.name(),
            Self::Memif(_) => "memif",
        }
    }
}

impl Variant {
    pub(super) const fn transport(self) -> TransportKind {
        match self {
            Self::Socket => TransportKind::Socket,
            _ => TransportKind::Shm,
        }
    }

    pub(super) const fn dma(self) -> Dma {
        match self {
            Self::NoDma => Dma::None,
            _ => Dma::Copy,
        }
    }

    /// What the apps send.
    pub(super) const fn workload(self) -> Workload {
        match self {
            Self::Shm | Self::NoDma | Self::Socket => Workload::BULK,
            Self::Single => Workload::Bulk { burst: 1 },
            Self::Mixed => Workload::Mixed,
            Self::ThousandApps => Workload::Many { apps: 1000 },
        }
    }
}

impl Peer {
    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::BareRing => "bare-ring",
            Self::UnixStream => "unix-stream",
            Self::UdpLoopback => "udp-loopback",
        }
    }
}

/// All contestants that can be measured, in the order of each repetition, and why memif is left out.
pub(crate) fn contestants(
    testpmd: Option<PathBuf>,
    depth: Depth,
    cpu_each: bool,
) -> (Vec<Contestant>, Option<LeftOut>) {
    let peers = [Peer::BareRing, Peer::UnixStream, Peer::UdpLoopback];
    let mut all: Vec<_> = Variant::ALL.map(Contestant::Pushback).into();
    all.extend(peers.map(Contestant::Peer));
    let memif = match testpmd {
        None => Err(LeftOut::NoTestpmd),
        Some(_) if !cpu_each => Err(LeftOut::NoCpuEach),
        Some(_) if !depth.get().is_power_of_two() || depth.get() > MOST_SLOTS => Err(LeftOut::Depth(depth)),
        Some(testpmd) => Ok(Contestant::Memif(testpmd)),
    };
    match memif {
        Ok(memif) => {
            all.push(memif);
            (all, None)
        }
        Err(why) => (all, Some(why)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left_out(testpmd: Option<&str>, depth: u32, cpu_each: bool) -> Option<LeftOut> {
        let (all, left_out) = contestants(testpmd.map(PathBuf::from), Depth::new(depth).unwrap(), cpu_each);
        assert_eq!(all.len(), if left_out.is_some() { 9 } else { 10 });
        left_out
    }

    #[test]
    fn memif_is_measured_where_it_can_run_and_reported_as_left_out_elsewhere() {
        assert_eq!(left_out(Some("/bin/testpmd"), 1024, true), None);
        assert_eq!(left_out(None, 1024, true), Some(LeftOut::NoTestpmd));
        assert_eq!(left_out(Some("/bin/testpmd"), 1024, false), Some(LeftOut::NoCpuEach));
        for depth in [1000, 32_768] {
            let reason = left_out(Some("/bin/testpmd"), depth, true).unwrap().to_string();
            assert!(reason.contains(&format!("--depth is {depth}")) && !reason.contains('\n'), "{reason}");
        }
    }
}
