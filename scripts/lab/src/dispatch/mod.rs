//! What the ways to call the layers cost: the real stack, two processes, once in each way.
//!
//! A machine's speed drifts within an hour, so each repetition runs every way once, and what counts is the
//! ratio of the medians. Instructions and allocations are counted, and do not drift.

mod allocations;
mod chart;
mod report;
mod sentences;
mod table;

use netstack::dispatch::Dispatch;
use shared::exec::IdleMode;
use shared::signals::Signals;
use shared::units::{Bytes, Nanos};

use crate::bench::{BenchError, bulk, measured};
use crate::cli::Sides;
use crate::launch::{Binaries, Pair};

pub(crate) use allocations::allocations_per_packet;
pub(crate) use chart::Chart;
pub(crate) use report::{AtSize, DISPATCH_SCHEMA, DispatchReport, Repetition, Way};
pub(crate) use table::table;

/// Every way, and without layers what is left of a run.
pub(crate) const WAYS: [Dispatch; 6] =
    [Dispatch::Static, Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll, Dispatch::Sync, Dispatch::None];

/// The name in reports, which is that of the flag's value.
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

/// `sides` with traffic of frames of `size`, called in `way`.
pub(crate) fn called(sides: &Sides, way: Dispatch, size: Bytes) -> Sides {
    // What is compared is a call.
    let mut sides = bulk(sides, size, 1);
    sides.stack.stack.sending.dispatch = way;
    sides
}

/// One run of both processes for `time`, as fast as they can.
///
/// # Errors
/// If it is no measurement.
pub(crate) async fn time(
    binaries: &Binaries,
    sides: &Sides,
    time: Nanos,
    signals: &mut Signals,
) -> Result<Repetition, BenchError> {
    let mut sides = sides.clone();
    let cpus = Pair::here();
    sides.stack.stack.length.duration = Some(time);
    // A process on the only CPU that it may use would take the machine for one of one CPU, and not spin.
    let idle = if cpus.is_some() { IdleMode::Spin } else { IdleMode::Hybrid };
    (sides.stack.waiting.idle, sides.driver.waiting.idle) = (idle, idle);
    let report = measured(&binaries.on(cpus), &sides, signals).await?;
    // On a busy machine a process loses its CPU, while it spins or while it works: neither is its work.
    let idle = report.process.idle;
    let at_work = report.elapsed_ns.saturating_sub(idle.spin_ns + idle.sleep_ns);
    let busy = at_work.min(report.process.cpu_ns);
    let rate = report.rate.packets_per_second.filter(|rate| *rate > 0.0).ok_or(BenchError::Lost)?;
    Ok(Repetition { ns_per_packet: 1e9 / rate, stack_ns_per_packet: busy as f64 / report.totals.delivered as f64 })
}
