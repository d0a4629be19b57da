//! Packets per second between two processes: this stack and other programs, measured in turn in the same run.
//!
//! The speed of a machine drifts within an hour. So each repetition measures every contestant once, and the ratios are
//! medians of the ratios within one repetition.

mod chart;
mod contestant;
mod error;
mod memif;
mod peer;
mod rows;
mod stack;
mod table;
mod testpmd;

use shared::process::signals::Signals;
use shared::ring::Depth;
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

/// Bytes of the Ethernet, IPv4 and UDP headers: frame size minus payload size.
pub(crate) const HEADERS: u64 = 42;

/// What is the same for all contestants.
#[derive(Debug, Clone)]
pub(crate) struct Trial<'a> {
    /// The programs of this project.
    pub(crate) binaries: &'a Binaries,
    /// The settings of the stack and the driver, except those that a contestant sets.
    pub(crate) sides: &'a Sides,
    /// Slots of each ring.
    pub(crate) depth: Depth,
    /// Bytes of the Ethernet frame without its check sequence.
    pub(crate) size: Bytes,
    /// How long each contestant sends.
    pub(crate) time: Nanos,
    /// One CPU for each process, if there are two.
    pub(crate) cpus: Option<Pair>,
}

/// Measures the packets per second that `contestant` delivered.
///
/// # Errors
/// If the measurement failed or a signal interrupted it. All processes have ended then.
pub(crate) async fn rate(contestant: &Contestant, trial: &Trial<'_>, signals: &mut Signals) -> Result<f64, BenchError> {
    // A signal drops the other future, and with it the processes that it started.
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
