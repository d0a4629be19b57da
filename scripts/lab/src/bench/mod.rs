//! Packets a second between two processes, ours and others', measured in turn in the same run.
//!
//! A machine's speed drifts within an hour, so each repetition runs every contestant once, and what
//! counts is the median of the ratios in one repetition.

mod chart;
mod contestant;
mod error;
mod memif;
mod peer;
mod rows;
mod stack;
mod table;
mod testpmd;

use shared::ring::Depth;
use shared::signals::Signals;
use shared::units::{Bytes, Nanos};

use crate::cli::Sides;
use crate::launch::{Binaries, Pair};

pub(crate) use chart::Chart;
pub(crate) use contestant::{Contestant, Peer, Variant, contestants};
pub(crate) use error::BenchError;
pub(crate) use peer::act;
pub(crate) use rows::{BENCH_SCHEMA, BenchReport, Row, compare};
pub(crate) use stack::{bulk, measured};
pub(crate) use table::table;

/// Ethernet, IPv4 and UDP headers: what a frame is longer than its payload.
pub(crate) const HEADERS: u64 = 42;

/// What is the same for everybody.
#[derive(Debug, Clone)]
pub(crate) struct Trial<'a> {
    /// Our programs.
    pub(crate) binaries: &'a Binaries,
    /// Their settings, but for what is measured.
    pub(crate) sides: &'a Sides,
    /// Slots of each ring.
    pub(crate) depth: Depth,
    /// Ethernet frame without check sequence.
    pub(crate) size: Bytes,
    /// How long each sends.
    pub(crate) time: Nanos,
    /// A CPU for each process, if there are two.
    pub(crate) cpus: Option<Pair>,
}

/// Delivered packets a second of `contestant`.
///
/// # Errors
/// If that is no measurement, or a signal came before it was one. No process is left then.
pub(crate) async fn rate(contestant: &Contestant, trial: &Trial<'_>, signals: &mut Signals) -> Result<f64, BenchError> {
    // Dropped before it is ready, a future takes its processes with it.
    match contestant {
        Contestant::Pushback(variant) => stack::rate(*variant, trial, signals).await,
        Contestant::Peer(peer) => tokio::select! {
            rate = peer::rate(*peer, trial) => rate,
            () = signals.next() => Err(BenchError::Interrupted),
        },
        Contestant::Memif(testpmd) => tokio::select! {
            rate = memif::rate(testpmd, trial) => rate,
            () = signals.next() => Err(BenchError::Interrupted),
        },
    }
}
