//! Packets per second between two processes: this stack and other programs, measured in turn in the same run.
//!
//! The speed of a machine drifts within an hour. So each repetition measures every contestant once, and the ratios are
//! medians of the ratios within one repetition.

mod contestant;
mod memif;
mod peer;
mod render;
mod rows;
mod testpmd;

use shared::process::signals::Signals;

use crate::runner::full_rate::{MeasureError, bulk, timed};

pub(crate) use contestant::{BenchError, Contestant, Trial, Variant, contestants};
pub(crate) use peer::{PeerArgs, act};
pub(crate) use render::{figure, table};
pub(crate) use rows::{BENCH_SCHEMA, BenchReport, Row, compare};

/// Measures the packets per second that `contestant` delivered.
///
/// # Errors
/// If the measurement failed or a signal interrupted it. All processes have ended then.
pub(crate) async fn rate(contestant: &Contestant, trial: &Trial<'_>, signals: &mut Signals) -> Result<f64, BenchError> {
    // A signal drops the other future, and with it the processes that it started.
    match contestant {
        Contestant::Pushback(variant) => stack_rate(*variant, trial, signals).await,
        Contestant::Peer(peer) => tokio::select! {
            rate = peer::rate(*peer, trial) => rate,
            () = signals.next() => Err(MeasureError::Interrupted.into()),
        },
        Contestant::Memif(testpmd) => tokio::select! {
            rate = memif::rate(testpmd, trial) => rate,
            () = signals.next() => Err(MeasureError::Interrupted.into()),
        },
    }
}

/// Measures the packets per second that the driver delivered in a run of this project.
async fn stack_rate(variant: Variant, trial: &Trial<'_>, signals: &mut Signals) -> Result<f64, BenchError> {
    let mut settings = bulk(trial.settings, trial.size, variant.burst());
    settings.set_transport(variant.transport());
    settings.set_dma(variant.dma());
    let report = timed(trial.binaries, settings, trial.time, trial.cpus, signals).await?;
    Ok(report.rate.packets_per_second.ok_or(MeasureError::Lost)?)
}
