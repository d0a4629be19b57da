//! Ourselves: the whole stack and the driver, at the most that they can do.

use shared::exec::IdleMode;
use shared::exit::Status;
use shared::report::RunReport;
use shared::signals::Signals;
use shared::units::{Bytes, LinkRate};

use super::{BenchError, HEADERS, Trial, Variant};
use crate::cli::Sides;
use crate::launch::{Binaries, LaunchError, Voice, launch};
use crate::merge::{Merged, merge};

/// Delivered packets a second.
pub(super) async fn rate(variant: Variant, trial: &Trial<'_>, signals: &mut Signals) -> Result<f64, BenchError> {
    let mut sides = bulk(trial.sides, trial.size, variant.burst());
    sides.stack.session.transport = variant.transport();
    sides.stack.stack.length.duration = Some(trial.time);
    sides.driver.driver.dma = variant.dma();
    // A process on the only CPU that it may use would take the machine for one of one CPU, and not
    // spin. The others spin too.
    let idle = if trial.cpus.is_some() { IdleMode::Spin } else { IdleMode::Hybrid };
    (sides.stack.waiting.idle, sides.driver.waiting.idle) = (idle, idle);
    let report = measured(&trial.binaries.on(trial.cpus), &sides, signals).await?;
    report.rate.packets_per_second.ok_or(BenchError::Lost)
}

/// `sides` with one app that sends frames of `size` as fast as it may, up to `burst` in a call, to a link that takes no
/// time.
pub(crate) fn bulk(sides: &Sides, size: Bytes, burst: u32) -> Sides {
    let mut sides = sides.clone();
    let app = format!("bulk:size={},burst={burst}", Bytes(size.0.saturating_sub(HEADERS)));
    // Frames of 64 to 1514 bytes have a payload that can be sent.
    sides.stack.stack.sending.apps = app.parse().into_iter().collect();
    sides.stack.lines.quiet = true;
    sides.driver.driver.hardware.link = LinkRate::Unlimited;
    sides
}

/// One run that counts: all that was accepted was delivered.
///
/// # Errors
/// If it was none.
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
