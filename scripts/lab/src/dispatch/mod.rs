//! Compares the ways to call the layers: the real stack in two processes, run once in each way.
//!
//! The speed of a machine drifts within an hour, so each repetition runs every way once, and times are compared within
//! one repetition. Counts of instructions and allocations do not drift.
//!
//! The processes that are timed count no allocations; their layers are the same code as in a simulation. There the link
//! has 1 Gbit/s, so that nearly every packet waits for room: waiting must cost no allocation either.

mod chart;
mod report;
mod text;

use netstack::dispatch::Dispatch;
use shared::exec::Virtual;
use shared::process::signals::Signals;
use shared::units::{BitRate, Bytes, LinkRate, Nanos};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

use crate::launch::{Binaries, Pin};
use crate::runner::full_rate::{MeasureError, timed};
use crate::runner::workload::Workload;
use crate::runner::{SimulateError, simulate_figures};
use crate::settings::RunSettings;

pub(crate) use chart::figure;
pub(crate) use report::{AtSize, DISPATCH_SCHEMA, DispatchReport, Repetition, Way};
pub(crate) use text::text;

/// All ways, the last of them a run without layers.
pub(crate) const WAYS: [Dispatch; 6] =
    [Dispatch::Static, Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll, Dispatch::Sync, Dispatch::None];

/// The name in reports, which is the value of `--dispatch`.
pub(crate) const fn way_name(way: Dispatch) -> &'static str {
    match way {
        Dispatch::Static => "static",
        Dispatch::Boxed => "boxed",
        Dispatch::Inline => "inline",
        Dispatch::Poll => "poll",
        Dispatch::Sync => "sync",
        Dispatch::None => "none",
    }
}

/// `settings` with bulk traffic of frames of `size`, whose layers are called in `way`.
pub(crate) fn in_way(settings: &RunSettings, way: Dispatch, size: Bytes) -> RunSettings {
    // A burst of 1: the cost of a call is compared, so each call sends one packet.
    let mut settings = Workload::Bulk { burst: 1 }.settings(settings, size);
    settings.set_dispatch(way);
    settings
}

/// Runs both processes for `duration` at their highest rate.
///
/// # Errors
/// If the run is no measurement.
pub(crate) async fn time_per_packet(
    binaries: &Binaries,
    settings: RunSettings,
    duration: Nanos,
    pin: Pin,
    signals: &mut Signals,
) -> Result<Repetition, MeasureError> {
    let report = timed(binaries, settings, duration, pin.cpus(), signals).await?;
    // On a busy machine the system may take the CPU from a process. Neither that time nor spinning counts as busy: so
    // take the smaller of the time not idle and the CPU time.
    let idle = report.process.idle;
    let at_work = report.elapsed_ns.saturating_sub(idle.spin_ns + idle.sleep_ns);
    let busy = at_work.min(report.process.cpu_ns);
    let rate = report.rate.packets_per_second.filter(|rate| *rate > 0.0).ok_or(MeasureError::Lost)?;
    Ok(Repetition { ns_per_packet: 1e9 / rate, stack_ns_per_packet: busy as f64 / report.totals.delivered as f64 })
}

/// Packets of the shorter and of the longer run. Their difference excludes what a run allocates once.
const SHORT: u64 = 5_000;
const LONG: u64 = 25_000;

/// Counts the allocations for each additional delivered packet, with the dispatch of `settings`.
///
/// # Errors
/// If the run cannot be simulated.
pub(crate) fn allocations_per_packet(settings: &RunSettings) -> Result<f64, SimulateError> {
    let (short, long) = (counted(settings, SHORT)?, counted(settings, LONG)?);
    let packets = long.delivered.saturating_sub(short.delivered).max(1);
    Ok(long.allocations.saturating_sub(short.allocations) as f64 / packets as f64)
}

struct Counted {
    allocations: u64,
    delivered: u64,
}

fn counted(settings: &RunSettings, packets: u64) -> Result<Counted, SimulateError> {
    let mut settings = settings.clone();
    settings.set_packets(packets);
    // On an unlimited link virtual time would not advance.
    settings.set_link(LinkRate::Limited(BitRate(1_000_000_000)));
    // The program `lab` makes this its allocator.
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    let report = simulate_figures(&settings, Virtual::default())?;
    let allocations = region.change().allocations as u64;
    Ok(Counted { allocations, delivered: report.totals.delivered })
}
