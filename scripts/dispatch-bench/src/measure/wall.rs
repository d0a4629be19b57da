//! Wall-clock time. The speed of a machine drifts, so each repetition measures every cell once, and medians are
//! compared.

use std::hint::black_box;
use std::time::Instant;

use super::checks::all_there;
use super::{Cell, Checks, Checksum, MeasureError, Mode, PASS, PASSES, run};
use crate::arms::{Arm, Table};
use crate::leaf::LeafKind;
use crate::ring::Ring;

/// The measurement of one cell.
#[derive(Debug, Clone)]
pub struct Timed {
    /// The cell.
    pub cell: Cell,
    /// Nanoseconds per call, one for each repetition.
    pub repetitions: Vec<f64>,
    /// The bytes that hold one call in progress, without boxes made for it.
    pub space: usize,
}

/// Measures every cell `repetitions` times, each time over [`PASSES`] passes.
///
/// # Errors
/// If the cells did not do the same work, or the code of variants was merged.
pub fn wall_clock(repetitions: u32, checks: &mut Checks) -> Result<Vec<Timed>, MeasureError> {
    let ring = Ring::full();
    let mut tables: Vec<(Arm, LeafKind, Box<dyn Table>)> = Vec::new();
    for leaf in LeafKind::ALL {
        for arm in Arm::ALL {
            let table = arm.build(leaf, ring);
            all_there(arm, leaf, table.as_ref())?;
            tables.push((arm, leaf, table));
        }
    }
    let mut timed: Vec<_> = Cell::all().map(|cell| Timed { cell, repetitions: Vec::new(), space: 0 }).collect();
    let orders = Mode::ALL.map(|mode| (mode, mode.orders()));
    for _ in 0..repetitions {
        for timed in &mut timed {
            let Cell { arm, mode, leaf } = timed.cell;
            let Some((_, _, table)) = tables.iter().find(|(a, l, _)| (*a, *l) == (arm, leaf)) else { continue };
            let Some((_, orders)) = orders.iter().find(|(m, _)| *m == mode) else { continue };
            // The first pass loads the arm's code and data into the caches, and is not timed.
            checks.same_work(timed.cell, 1, run(table.as_ref(), &orders[..1], ring))?;
            let (ns, checksum) = time(table.as_ref(), orders, ring);
            checks.same_work(timed.cell, PASSES, checksum)?;
            timed.repetitions.push(ns);
            timed.space = table.space();
        }
    }
    Ok(timed)
}

/// Nanoseconds per call, and the checksum of the calls.
fn time(table: &dyn Table, orders: &[Vec<u16>], ring: &Ring) -> (f64, Checksum) {
    let start = Instant::now();
    let checksum = black_box(run(table, black_box(orders), ring));
    (start.elapsed().as_nanos() as f64 / (orders.len() * PASS) as f64, checksum)
}
