//! This project as a contestant: the whole stack and the driver at their highest rate.

use shared::exec::IdleMode;
use shared::process::exit::Status;
use shared::process::signals::Signals;
use shared::report::RunReport;
use shared::units::{Bytes, LinkRate};

use super::{BenchError, HEADERS, Trial, Variant};
use crate::cli::Sides;
use crate::launch::{Binaries, LaunchError, Voice, launch};
use crate::merge::{Merged, merge};

/// Measures the packets per second that the driver delivered.
pub(super) async fn rate(variant: Variant, trial: &Trial<'_>, signals: &mut Signals) -> Result<f64, BenchError> {
    let mut sides = bulk(trial.sides, trial.size, variant.burst());
    sides.stack.session.transport = variant.transport();
    sides.stack.stack.length.duration = Some(trial.time);
    sides.driver.driver.dma = variant.dma();
    // A process that may use one CPU only takes the machine for one with a single CPU, where hybrid never spins. So it
    // is set to spin, as the other contestants do.
    let idle = if trial.cpus.is_some() { IdleMode::Spin } else { IdleMode::Hybrid };
    (sides.stack.waiting.idle, sides.driver.waiting.idle) = (idle, idle);
    let report = measured(&trial.binaries.on(trial.cpus), &sides, signals).await?;
    report.rate.packets_per_second.ok_or(BenchError::Lost)
}

/// Returns `sides` with one bulk app that sends frames of `size`, up to `burst` per call, over an unlimited link.
pub(crate) fn bulk(sides: &Sides, size: Bytes, burst: u32) -> Sides {
    let mut sides = sides.clone();
    let app = format!("bulk:size={},burst={burst}", Bytes(size.0.saturating_sub(HEADERS)));
    // Parsing cannot fail: frames of 64 to 1514 bytes have a valid payload size.
    sides.stack.stack.sending.apps = app.parse().into_iter().collect();
    sides.stack.lines.quiet = true;
    sides.driver.driver.hardware.link = LinkRate::Unlimited;
    sides
}

/// Makes one run, and returns its report if it can be used: the ledger balances, and all accepted packets were
/// delivered.
///
/// # Errors
/// If it cannot be used.
pub(crate) async fn measured(
    binaries: &Binaries,
    sides: &Sides,
    signals: &mut Signals,
) -> Result<Box<RunReport>, BenchError> {
    let remains = match launch(binaries, sides, Voice::Mute, signals).await {
        Err(LaunchError::Interrupted) => return Err(BenchError::Interrupted),
        remains => remains?,
    };
    if remains.ends.status(true) == Status::Interrupted {
        return Err(BenchError::Interrupted);
    }
    remains.ends.complain();
    match merge(remains.report, remains.file) {
        Merged::Run { report, .. } if report.ledger.balanced && report.totals.delivered == report.totals.accepted => {
            Ok(report)
        }
        _ => Err(BenchError::Lost),
    }
}
