//! Fuzz targets on the stable toolchain: their committed corpus, and seeded mutations of it.

use std::fs;
use std::path::Path;

/// Pseudo-random numbers, the same in every run.
#[derive(Debug)]
pub struct Dice(u64);

impl Dice {
    /// A number below `bound`, or 0 if that is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }

    /// A byte, more often one at the edge of a range.
    pub fn byte(&mut self) -> u8 {
        [0, 1, 127, 128, 255, self.below(256) as u8][self.below(6)]
    }

    /// A piece of `input`, which may be empty.
    pub fn piece<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let from = self.below(input.len());
        &input[from..][..self.below(input.len() - from)]
    }
}

/// Runs `target` with the corpus in `folder`, and with `mutations` of it: `mutate` changes an input, and may take
/// pieces of another one.
pub fn smoke(folder: &Path, mutations: usize, target: fn(&[u8]), mutate: fn(&mut Vec<u8>, &[u8], &mut Dice)) {
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
