//! The fuzz targets on the stable toolchain: the committed corpus, and seeded mutations of it. A smoke test
//! of the targets that `scripts/fuzz.sh` runs guided by coverage.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../fuzz/targets/control.rs"]
mod control;
#[path = "../fuzz/targets/slots.rs"]
mod slots;

use std::path::Path;

use shared::testing::{Dice, smoke};

/// Changes `input` at a few positions: flips a bit, sets, removes or inserts a byte, inserts a piece of `other`.
fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len() + 1);
        match (dice.below(5), input.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << dice.below(8),
            (1, Some(byte)) => *byte = dice.byte(),
            (2, Some(_)) => drop(input.remove(at)),
            (3, _) => drop(input.splice(at..at, dice.piece(other).iter().copied())),
            _ => input.insert(at, dice.byte()),
        }
        input.truncate(2_000);
    }
}

/// Runs `target` with its corpus, which is in `folder`, and with `mutations` of it.
fn run(folder: &str, mutations: usize, target: fn(&[u8])) {
    smoke(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder), mutations, target, mutate);
}

#[test]
fn control_messages() {
    run("control", 300_000, control::target);
}

#[test]
fn slots_and_completions() {
    run("slots", 100_000, slots::target);
}
