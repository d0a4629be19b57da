//! Allocations per packet, counted in this process while it runs the same stack in virtual time.
//!
//! The processes that are timed count no allocations; their layers are the same code. The link has 1 Gbit/s, so that
//! nearly every packet waits for room: waiting must cost no allocation either.

use std::alloc::System;

use lab::simulate::{Only, Scenario, SimulateError, measure};
use shared::exec::Virtual;
use shared::units::{BitRate, LinkRate};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use crate::cli::Sides;

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Packets of the shorter and of the longer run. Their difference excludes what a run allocates once.
const SHORT: u64 = 5_000;
const LONG: u64 = 25_000;

/// Counts the allocations for each additional delivered packet, with the dispatch of `sides`.
///
/// # Errors
/// If the run cannot be simulated.
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
    // On an unlimited link virtual time would not advance.
    sides.driver.driver.hardware.link = LinkRate::Limited(BitRate(1_000_000_000));
    let scenario = Scenario { stack: sides.stack, driver: sides.driver, only: Only::default() };
    let region = Region::new(COUNTING);
    let report = measure(&scenario, Virtual::default())?;
    let allocations = region.change().allocations as u64;
    Ok(Run { allocations, delivered: report.totals.delivered })
}
