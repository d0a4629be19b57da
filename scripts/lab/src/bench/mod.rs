//! Packets per second between two processes: this stack and other programs, measured in turn in the same run.
//!
//! The speed of a machine drifts within an hour. So each repetition measures every contestant once, and the ratios are
//! medians of the ratios within one repetition.

mod contestant;
mod memif;
mod peer;
mod render;
mod rows;
pub(crate) mod simulation;
mod testpmd;

use shared::process::signals::Signals;

use crate::runner::full_rate::{HEADERS, MeasureError, timed};

pub(crate) use contestant::{BenchError, Contestant, Trial, Variant, contestants};
pub(crate) use peer::{PeerArgs, act};
pub(crate) use render::{figure, table};
pub(crate) use rows::{BENCH_SCHEMA, BenchReport, Delivered, Row, compare};
pub(crate) use simulation::{APPS as SIMULATED_APPS, Simulated, rate as simulated_rate};

/// Measures what `contestant` delivered.
///
/// # Errors
/// If the measurement failed or a signal interrupted it. All processes have ended then.
pub(crate) async fn rate(
    contestant: &Contestant,
    trial: &Trial<'_>,
    signals: &mut Signals,
) -> Result<Delivered, BenchError> {
    let of_size = |rate| Delivered::of_size(rate, trial.size.0);
    // A signal drops the other future, and with it the processes that it started.
    match contestant {
        Contestant::Pushback(variant) => stack_rate(*variant, trial, signals).await,
        Contestant::Peer(peer) => tokio::select! {
            rate = peer::rate(*peer, trial) => rate.map(of_size),
            () = signals.next() => Err(MeasureError::Interrupted.into()),
        },
        Contestant::Memif(testpmd) => tokio::select! {
            rate = memif::rate(testpmd, trial) => rate.map(of_size),
            () = signals.next() => Err(MeasureError::Interrupted.into()),
        },
    }
}

/// Measures what the driver delivered in a run of this project.
async fn stack_rate(variant: Variant, trial: &Trial<'_>, signals: &mut Signals) -> Result<Delivered, BenchError> {
    let mut settings = variant.workload().settings(trial.settings, trial.size);
    settings.set_transport(variant.transport());
    settings.set_dma(variant.dma());
    let report = timed(trial.binaries, settings, trial.time, trial.cpus, signals).await?;
    let rate = report.rate;
    let (packets, payload) = rate.packets_per_second.zip(rate.bits_per_second).ok_or(MeasureError::Lost)?;
    Ok(Delivered { packets_per_second: packets, bits_per_second: payload + packets * HEADERS as f64 * 8.0 })
}
