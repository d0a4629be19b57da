//! Allocations per packet: this program's own, while it runs the same stack in virtual time.
//!
//! The processes that are timed count nothing; the layers in them are the same code. The run is on a link of
//! 1 Gbit/s, so nearly every packet waits for room, which has to cost no allocation either.

use std::alloc::System;

use lab::simulate::{Only, Scenario, SimulateError, measure};
use shared::exec::Virtual;
use shared::units::{BitRate, LinkRate};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::cli::Sides;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Packets of the shorter and of the longer run: what a run allocates once is in both.
const SHORT: u64 = 5_000;
const LONG: u64 = 25_000;

/// Allocations that each delivered packet more takes, as `sides` call the layers.
///
/// # Errors
/// If it cannot be simulated.
pub(crate) fn allocations_per_packet(sides: &Sides) -> Result<f64, SimulateError> {
    let (short, long) = (run(sides, SHORT)?, run(sides, LONG)?);
    let packets = long.delivered.saturating_sub(short.delivered).max(1);
    Ok(long.allocations.saturating_sub(short.allocations) as f64 / packets as f64)
}

struct Run {
    allocations: u64,
    delivered: u64,
}

fn run(sides: &Sides, packets: u64) -> Result<Run, SimulateError> {
    let mut sides = sides.clone();
    (sides.stack.stack.length.packets, sides.stack.stack.length.duration) = (Some(packets), None);
    // Time that nothing takes would stand still.
    sides.driver.driver.hardware.link = LinkRate::Limited(BitRate(1_000_000_000));
    let scenario = Scenario { stack: sides.stack, driver: sides.driver, only: Only::default() };
    let region = Region::new(COUNTING);
    let report = measure(&scenario, Virtual::default())?;
    let allocations = region.change().allocations as u64;
    Ok(Run { allocations, delivered: report.totals.delivered })
}
