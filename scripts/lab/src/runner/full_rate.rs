//! Runs of stack and driver at their highest rate, whose reports count as measurements.

use shared::exec::IdleMode;
use shared::process::exit::Status;
use shared::process::signals::Signals;
use shared::report::RunReport;
use shared::units::Nanos;

use super::real::{LaunchError, Merged, StackOutput, run};
use crate::launch::{Binaries, CpuPair};
use crate::settings::RunSettings;

/// Bytes of the Ethernet, IPv4 and UDP headers: frame size minus payload size.
pub(crate) const HEADERS: u64 = 42;

/// Bytes of the smallest Ethernet frame that is measured.
pub(crate) const SMALLEST: u64 = 64;

/// Why a run is no measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MeasureError {
    /// A signal ended it.
    #[error("interrupted before all contestants were measured; there are no figures")]
    Interrupted,
    /// The processes cannot be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The run lost packets, or did not end well.
    #[error("no benchmark: a run of the stack lost packets or did not end well")]
    Lost,
}

impl MeasureError {
    /// The exit status of the lab.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Interrupted => Status::Interrupted,
            Self::Launch(error) => error.status(),
            Self::Lost => Status::Failed,
        }
    }
}

/// Makes one run of this `duration`, in which each process has one of `cpus` and spins. Without `cpus`, the scheduler
/// places them.
///
/// # Errors
/// If it is no measurement.
pub(crate) async fn timed(
    binaries: &Binaries,
    mut settings: RunSettings,
    duration: Nanos,
    cpus: Option<CpuPair>,
    signals: &mut Signals,
) -> Result<Box<RunReport>, MeasureError> {
    settings.set_duration(duration);
    // A process that has a CPU to itself need not leave it to its peer.
    settings.set_idle(if cpus.is_some() { IdleMode::Spin } else { IdleMode::Hybrid });
    measured(&binaries.on(cpus), &settings, signals).await
}

/// Makes one run, and returns its report if it is a measurement: the ledger balances, and all accepted packets were
/// delivered.
///
/// # Errors
/// If it is no measurement.
pub(crate) async fn measured(
    binaries: &Binaries,
    settings: &RunSettings,
    signals: &mut Signals,
) -> Result<Box<RunReport>, MeasureError> {
    let run = match run(binaries, settings, StackOutput::Discard, signals).await {
        Err(LaunchError::Interrupted) => return Err(MeasureError::Interrupted),
        run => run?,
    };
    if run.exits.status() == Status::Interrupted {
        return Err(MeasureError::Interrupted);
    }
    run.exits.complain();
    match run.merged {
        Merged::Run { report, .. } if report.ledger.balanced && report.totals.delivered == report.totals.accepted => {
            Ok(report)
        }
        _ => Err(MeasureError::Lost),
    }
}
