//! What each cell of the table costs: time, instructions, allocations, bytes. And the proof that all
//! cells did the same work, with code of their own for each variant.

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
use serde::{Deserialize, Serialize};

use crate::arms::{Arm, Table};
use crate::leaf::LeafKind;
use crate::ring::Ring;
use crate::work::VARIANTS;

pub use allocations::{Allocated, count_allocations, read_allocations};
pub use checks::Checks;
pub use instructions::{Callgrind, one_cell};
pub use wall::{Timed, wall_clock};

/// Calls of one pass.
pub const PASS: usize = VARIANTS;

/// Passes for which there is an order: as many as are timed at a time.
pub const PASSES: usize = 32;

/// What the orders of the variants are drawn from, so that each run has the same.
const SEED: u64 = 1;

/// Which variants are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Mode {
    /// One of them, over and over.
    Hot,
    /// All of them, in shuffled order, and in another for each pass: a predictor learns one that returns.
    Cold,
}

impl Mode {
    /// Both, in the order of reports.
    pub const ALL: [Self; 2] = [Self::Hot, Self::Cold];

    /// The variants of each of [`PASSES`] passes.
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

/// Passes of `table`, one for each of `orders`, and what they computed together.
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
    /// Which variants.
    pub mode: Mode,
    /// What the last level does.
    pub leaf: LeafKind,
}

impl Cell {
    /// All of them, in the order of reports.
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

/// What the calls of one pass returned, all together. Written in hexadecimal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Arms that do different things cannot be compared.
    #[error(
        "{cell} computed {got} instead of {expected}: the arms did not do the same work, and the comparison is void"
    )]
    Checksum {
        /// Who.
        cell: Cell,
        /// What all others computed.
        expected: Checksum,
        /// What it did.
        got: Checksum,
    },
    /// Something merged the code of variants.
    #[error("{arm} {leaf}: of {expected} functions only {found} are there: variants share code, and nothing is cold")]
    Merged {
        /// Who.
        arm: Arm,
        /// Ending in.
        leaf: LeafKind,
        /// As many as there should be.
        expected: usize,
        /// As many as there are.
        found: usize,
    },
    /// The counting program is not there, or fails.
    #[error("allocations cannot be counted with {}: {why}; build it as scripts/bench-dispatch.sh does", program.display())]
    Allocations {
        /// What was started.
        program: PathBuf,
        /// What went wrong.
        why: String,
    },
    /// Valgrind is there, but of no use.
    #[error("{cell}: instructions cannot be counted with valgrind: {why}; mend it, or leave them out with --quick")]
    Callgrind {
        /// While counting this.
        cell: Cell,
        /// What went wrong.
        why: String,
    },
    /// A count that depends on more than the code is no count.
    #[error(
        "{cell}: one count of instructions per call said {first}, the other {second}: they must repeat to the digit"
    )]
    Unsteady {
        /// While counting this.
        cell: Cell,
        /// The first count.
        first: f64,
        /// The second.
        second: f64,
    },
    /// The machine gives no process or no thread.
    #[error("the system gives the benchmark what it needs no more: {0}")]
    System(#[from] io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn hot_calls_one_variant_and_cold_calls_each_once_a_pass_in_orders_that_are_always_the_same() {
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
