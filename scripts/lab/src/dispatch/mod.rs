//! Compares the ways to call the layers: the real stack in two processes, run once in each way.
//!
//! The speed of a machine drifts within an hour, so each repetition runs every way once, and times are compared within
//! one repetition. Counts of instructions and allocations do not drift.

mod allocations;
mod chart;
mod report;
mod sentences;
mod table;

use netstack::dispatch::Dispatch;
use shared::exec::IdleMode;
use shared::process::signals::Signals;
use shared::units::{Bytes, Nanos};

use crate::bench::{BenchError, bulk, measured};
use crate::cli::Sides;
use crate::launch::{Binaries, Pair};

pub(crate) use allocations::allocations_per_packet;
pub(crate) use chart::Chart;
pub(crate) use report::{AtSize, DISPATCH_SCHEMA, DispatchReport, Repetition, Way};
pub(crate) use table::table;

/// All ways, the last of them a run without layers.
pub(crate) const WAYS: [Dispatch; 6] =
    [Dispatch::Static, Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll, Dispatch::Sync, Dispatch::None];

/// The name in reports, which is the value of `--dispatch`.
pub(crate) const fn name(way: Dispatch) -> &'static str {
    match way {
        Dispatch::Static => "static",
        Dispatch::Boxed => "boxed",
        Dispatch::Inline => "inline",
        Dispatch::Poll => "poll",
        Dispatch::Sync => "sync",
        Dispatch::None => "none",
    }
}

/// `sides` with bulk traffic of frames of `size`, dispatched in `way`.
pub(crate) fn called(sides: &Sides, way: Dispatch, size: Bytes) -> Sides {
    // A burst of 1: the cost of a call is compared, so each call sends one packet.
    let mut sides = bulk(sides, size, 1);
    sides.stack.stack.sending.dispatch = way;
    sides
}

/// Runs both processes for `time` at their highest rate.
///
/// # Errors
/// If the run cannot be used.
pub(crate) async fn time(
    binaries: &Binaries,
    sides: &Sides,
    time: Nanos,
    signals: &mut Signals,
) -> Result<Repetition, BenchError> {
    let mut sides = sides.clone();
    let cpus = Pair::here();
    sides.stack.stack.length.duration = Some(time);
    // A process that may use one CPU only takes the machine for one with a single CPU, where hybrid never spins.
    let idle = if cpus.is_some() { IdleMode::Spin } else { IdleMode::Hybrid };
    (sides.stack.waiting.idle, sides.driver.waiting.idle) = (idle, idle);
    let report = measured(&binaries.on(cpus), &sides, signals).await?;
    // On a busy machine the system may take the CPU from a process. Neither that time nor spinning counts as busy: so
    // take the smaller of the time not idle and the CPU time.
    let idle = report.process.idle;
    let at_work = report.elapsed_ns.saturating_sub(idle.spin_ns + idle.sleep_ns);
    let busy = at_work.min(report.process.cpu_ns);
    let rate = report.rate.packets_per_second.filter(|rate| *rate > 0.0).ok_or(BenchError::Lost)?;
    Ok(Repetition { ns_per_packet: 1e9 / rate, stack_ns_per_packet: busy as f64 / report.totals.delivered as f64 })
}
