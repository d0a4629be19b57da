//! Allocations, counted by a counting allocator. It slows each allocation down, so it is in a program of its own, in
//! which no time is measured.

use std::alloc::System;
use std::env;
use std::path::Path;

use serde::{Deserialize, Serialize};
use shared::process::parent::killed_on_exit;
use stats_alloc::{Region, StatsAlloc};

use super::{Cell, Checksum, MeasureError, PASS, run};
use crate::ring::Ring;

/// The counting program, in the same folder as this one.
const PROGRAM: &str = "dispatch-allocations";

/// The allocations of one cell; there is one for each of [`Cell::all`], in that order.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Allocated {
    /// Allocations per call.
    pub allocations: f64,
    /// Allocated bytes per call.
    pub bytes: f64,
    /// The checksum of one pass.
    pub checksum: Checksum,
}

/// Counts the allocations of every cell; `counting` must be the allocator of this program.
pub fn count_allocations(counting: &StatsAlloc<System>) -> Vec<Allocated> {
    Cell::all().map(|cell| count(cell, counting)).collect()
}

fn count(cell: Cell, counting: &StatsAlloc<System>) -> Allocated {
    let (ring, orders) = (Ring::full(), cell.mode.orders());
    let table = cell.arm.build(cell.leaf, ring);
    // Not counted: the wait queue for room allocates when it is first used.
    run(table.as_ref(), &orders[..1], ring);
    let region = Region::new(counting);
    let checksum = run(table.as_ref(), &orders[..1], ring);
    let used = region.change();
    let per_call = |amount: usize| amount as f64 / PASS as f64;
    Allocated {
        allocations: per_call(used.allocations + used.reallocations),
        bytes: per_call(used.bytes_allocated),
        checksum,
    }
}

/// Runs the counting program.
///
/// # Errors
/// If it is missing or fails.
pub fn read_allocations() -> Result<Vec<Allocated>, MeasureError> {
    let program = env::current_exe()?.parent().unwrap_or(Path::new("")).join(PROGRAM);
    let refuse = |why: String| MeasureError::Allocations { program: program.clone(), why };
    let output =
        killed_on_exit(&program).and_then(|mut counter| counter.output()).map_err(|error| refuse(error.to_string()))?;
    if !output.status.success() {
        return Err(refuse(output.status.to_string()));
    }
    let counted: Vec<Allocated> = serde_json::from_slice(&output.stdout).map_err(|error| refuse(error.to_string()))?;
    if counted.len() == Cell::all().count() {
        Ok(counted)
    } else {
        Err(refuse(format!("it counted {} cells", counted.len())))
    }
}
