//! The fuzz targets on the stable toolchain: the committed corpus, and seeded mutations of it. A smoke test
//! of the targets that `scripts/fuzz.sh` runs guided by coverage.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "../fuzz/targets/control.rs"]
mod control;
#[path = "../fuzz/targets/slots.rs"]
mod slots;

use std::fs;
use std::path::Path;

/// Pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    fn byte(&mut self) -> u8 {
        [0, 1, 127, 128, 255, self.below(256) as u8][self.below(6)]
    }
}

/// Changes `input` at a few positions: flips a bit, sets, removes or inserts a byte, inserts a piece of `other`.
fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(input.len() + 1);
        match (dice.below(5), input.get_mut(at)) {
            (0, Some(byte)) => *byte ^= 1 << dice.below(8),
            (1, Some(byte)) => *byte = dice.byte(),
            (2, Some(_)) => drop(input.remove(at)),
            (3, _) => {
                let from = dice.below(other.len());
                let piece = &other[from..][..dice.below(other.len() - from)];
                input.splice(at..at, piece.iter().copied());
            }
            _ => input.insert(at, dice.byte()),
        }
        input.truncate(2_000);
    }
}

/// Runs `target` with the corpus in `folder`, and with `mutations` of it.
fn smoke(folder: &str, mutations: usize, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(folder);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let corpus: Vec<_> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    assert!(corpus.len() > 10, "the corpus has only {} inputs", corpus.len());
    corpus.iter().for_each(|input| target(input));
    let mut dice = Dice(1);
    for _ in 0..mutations {
        let mut input = corpus[dice.below(corpus.len())].clone();
        let other = &corpus[dice.below(corpus.len())];
        mutate(&mut input, other, &mut dice);
        target(&input);
    }
}

#[test]
fn control_messages() {
    smoke("control", 300_000, control::target);
}

#[test]
fn slots_and_completions() {
    smoke("slots", 100_000, slots::target);
}
