//! Checks that measurements may be compared.

use std::collections::BTreeMap;

use super::{Cell, Checksum, MeasureError, Mode};
use crate::arms::{Arm, Table};
use crate::leaf::LeafKind;

/// The checksum of each number of passes, by variants and leaf: that of the first arm, which all others must match.
#[derive(Debug, Default)]
pub struct Checks(BTreeMap<(Mode, LeafKind, usize), Checksum>);

impl Checks {
    /// Checks that `cell` computed the same as the other arms in `passes` passes.
    ///
    /// # Errors
    /// If it differs.
    pub fn same_work(&mut self, cell: Cell, passes: usize, got: Checksum) -> Result<(), MeasureError> {
        let expected = *self.0.entry((cell.mode, cell.leaf, passes)).or_insert(got);
        if got == expected { Ok(()) } else { Err(MeasureError::Checksum { cell, expected, got }) }
    }

    /// The checksum of `passes` passes of `cell`.
    pub fn checksum(&self, cell: Cell, passes: usize) -> Option<Checksum> {
        self.0.get(&(cell.mode, cell.leaf, passes)).copied()
    }
}

/// Checks that the compiler has not merged the code of variants.
pub(super) fn all_there(arm: Arm, leaf: LeafKind, table: &dyn Table) -> Result<(), MeasureError> {
    match table.functions() {
        (found, expected) if found == expected => Ok(()),
        (found, expected) => Err(MeasureError::Merged { arm, leaf, expected, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ring::Ring;

    #[test]
    fn an_arm_that_computes_something_else_is_named() {
        let mut checks = Checks::default();
        let cell = |arm| Cell { arm, mode: Mode::Hot, leaf: LeafKind::Ready };
        checks.same_work(cell(Arm::Native), 1, Checksum(1)).unwrap();
        checks.same_work(cell(Arm::Slot), 1, Checksum(1)).unwrap();
        checks.same_work(Cell { mode: Mode::Cold, ..cell(Arm::Slot) }, 1, Checksum(2)).unwrap();
        checks.same_work(cell(Arm::Slot), 2, Checksum(3)).unwrap();
        let error = checks.same_work(cell(Arm::Poll), 1, Checksum(2)).unwrap_err().to_string();
        assert!(error.starts_with("poll hot ready computed 0000000000000002 instead of 0000000000000001"), "{error}");
    }

    #[test]
    fn merged_variants_are_detected() {
        struct Merged;
        impl Table for Merged {
            fn pass(&self, _: &[u16], _: &Ring) -> u64 {
                0
            }
            fn cancel(&self, _: &Ring) -> bool {
                false
            }
            fn space(&self) -> usize {
                0
            }
            fn functions(&self) -> (usize, usize) {
                (7, 8)
            }
        }
        let error = all_there(Arm::Poll, LeafKind::Body, &Merged).unwrap_err().to_string();
        assert!(error.starts_with("poll body: of 8 functions only 7 are distinct"), "{error}");
    }
}
