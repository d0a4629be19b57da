//! The cost of each cell of the table: time, instructions, allocations, bytes. Also checks that all cells did the same
//! work, with separate code for each variant.

mod allocations;
mod checks;
mod instructions;
mod wall;

use std::fmt;
use std::io;
use std::path::PathBuf;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arms::{Arm, Table};
use crate::leaf::LeafKind;
use crate::ring::Ring;
use crate::work::VARIANTS;

pub use allocations::{Allocated, count_allocations, read_allocations};
pub use checks::Checks;
pub use instructions::{Callgrind, one_cell};
pub use wall::{Timed, wall_clock};

/// The number of calls in one pass.
pub const PASS: usize = VARIANTS;

/// The number of passes that have an order: those of one repetition.
pub const PASSES: usize = 32;

/// The seed of the orders of variants, fixed so that each run has the same.
const SEED: u64 = 1;

/// Which variants are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Mode {
    /// One variant, again and again.
    Hot,
    /// All variants in shuffled order, a different one for each pass: a predictor learns an order that repeats.
    Cold,
}

impl Mode {
    /// Both modes, in the order of reports.
    pub const ALL: [Self; 2] = [Self::Hot, Self::Cold];

    /// The variants to call in each of [`PASSES`] passes.
    pub fn orders(self) -> Vec<Vec<u16>> {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(SEED);
        let mut next = || {
            let mut order: Vec<u16> = (0..VARIANTS as u16).collect();
            match self {
                Self::Hot => order.fill(0),
                Self::Cold => order.shuffle(&mut random),
            }
            order
        };
        (0..PASSES).map(|_| next()).collect()
    }
}

/// Runs a pass of `table` for each of `orders`; returns the checksum of all.
fn run(table: &dyn Table, orders: &[Vec<u16>], ring: &Ring) -> Checksum {
    Checksum(orders.iter().fold(0, |sum: u64, order| sum.rotate_left(1) ^ table.pass(order, ring)))
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        })
    }
}

/// One cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// The way to call.
    pub arm: Arm,
    /// Which variants are called.
    pub mode: Mode,
    /// The last level.
    pub leaf: LeafKind,
}

impl Cell {
    /// All cells, in the order of reports.
    pub fn all() -> impl Iterator<Item = Self> {
        LeafKind::ALL.into_iter().flat_map(|leaf| {
            Mode::ALL.into_iter().flat_map(move |mode| Arm::ALL.into_iter().map(move |arm| Self { arm, mode, leaf }))
        })
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.arm, self.mode, self.leaf)
    }
}

/// A checksum of the results of all calls of the passes. Written in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(into = "String", try_from = "String")]
pub struct Checksum(pub u64);

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl From<Checksum> for String {
    fn from(checksum: Checksum) -> Self {
        checksum.to_string()
    }
}

impl TryFrom<String> for Checksum {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(text.trim(), 16).map(Self)
    }
}

/// Why there is no table.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// An arm computed something else, so it cannot be compared.
    #[error(
        "{cell} computed {got} instead of {expected}: the arms did not do the same work, and the comparison is void"
    )]
    Checksum {
        /// The cell.
        cell: Cell,
        /// The checksum of all other arms.
        expected: Checksum,
        /// The checksum of this one.
        got: Checksum,
    },
    /// The compiler merged the code of variants.
    #[error(
        "{arm} {leaf}: of {expected} functions only {found} are distinct: variants share code, so cold calls are not \
         cold"
    )]
    Merged {
        /// The arm.
        arm: Arm,
        /// Its last level.
        leaf: LeafKind,
        /// The expected number of functions.
        expected: usize,
        /// The number of distinct functions.
        found: usize,
    },
    /// The counting program is missing or failed.
    #[error("allocations cannot be counted with {}: {why}; build it as scripts/bench-dispatch.sh does", program.display())]
    Allocations {
        /// The path of the program.
        program: PathBuf,
        /// The error.
        why: String,
    },
    /// Valgrind is installed, but failed.
    #[error("{cell}: instructions cannot be counted with valgrind: {why}; repair it, or omit them with --quick")]
    Callgrind {
        /// The cell that was counted.
        cell: Cell,
        /// The error.
        why: String,
    },
    /// A count that does not repeat depends on more than the code.
    #[error("{cell}: one count of instructions per call is {first}, the other {second}: they must be equal")]
    Unsteady {
        /// The cell that was counted.
        cell: Cell,
        /// The first count.
        first: f64,
        /// The second.
        second: f64,
    },
    /// The system has no resources left for a process or a thread.
    #[error("out of system resources: {0}")]
    System(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn hot_calls_one_variant_and_cold_calls_each_variant_once_per_pass_in_a_fixed_order() {
        assert_eq!(Mode::Hot.orders(), vec![vec![0; VARIANTS]; PASSES]);
        let cold = Mode::Cold.orders();
        let sorted: Vec<u16> = (0..VARIANTS as u16).collect();
        for order in &cold {
            assert_eq!(order.iter().copied().collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>(), sorted);
        }
        assert_eq!(cold.iter().collect::<BTreeSet<_>>().len(), PASSES, "each pass has its own");
        assert_eq!(cold, Mode::Cold.orders());
    }

    #[test]
    fn there_is_a_cell_for_each_combination() {
        let cells: BTreeSet<Cell> = Cell::all().collect();
        assert_eq!((cells.len(), Cell::all().count()), (72, 72));
    }
}
