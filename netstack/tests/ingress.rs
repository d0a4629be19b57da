//! Hostile frames: every length and every single-byte lie of valid frames, any bytes, and the fuzz target over its
//! corpus and seeded mutations of it. A smoke test of the target that `scripts/fuzz.sh` runs guided by coverage.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[allow(dead_code, reason = "the unit tests write more kinds of frames")]
#[path = "../fuzz/targets/frames.rs"]
mod frames;
#[path = "../fuzz/targets/ingress.rs"]
mod ingress;

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use shared::testing::{Dice, smoke};

/// Changes `frame` at a few positions: flips a bit, sets a byte, cuts the end off, or puts a piece of `other` in.
fn mutate(frame: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    for _ in 0..=dice.below(4) {
        // Mostly in the headers.
        let at = if dice.below(3) > 0 { dice.below(frame.len().min(80)) } else { dice.below(frame.len()) };
        match (dice.below(8), frame.get_mut(at)) {
            (0..=2, Some(byte)) => *byte ^= 1 << dice.below(8),
            (3..=5, Some(byte)) => *byte = dice.byte(),
            (6, Some(_)) => frame.truncate(at),
            _ => drop(frame.splice(at..at, dice.piece(other).iter().copied())),
        }
    }
}

#[test]
fn valid_frames_are_not_dropped_and_their_checksums_need_no_repair() {
    for valid in frames::valid() {
        assert!(!ingress::check(&valid), "{valid:02x?}");
        let mut repaired = valid.clone();
        frames::repair(&mut repaired);
        assert_eq!(repaired, valid);
    }
}

#[test]
fn every_length_of_every_frame() {
    for valid in frames::valid() {
        for len in 0..valid.len() {
            ingress::target(&valid[..len]);
        }
        for len in valid.len()..valid.len() + 64 {
            let mut longer = valid.clone();
            longer.resize(len, 0xee);
            ingress::target(&longer);
        }
    }
}

#[test]
fn every_lie_of_one_byte() {
    for valid in frames::valid() {
        for at in 0..valid.len().min(120) {
            for byte in 0..=u8::MAX {
                let mut lie = valid.clone();
                lie[at] = byte;
                ingress::target(&lie);
            }
        }
    }
}

/// A wrong byte that a checksum covers is never delivered, answered or learned from.
#[test]
fn no_flipped_bit_behind_a_checksum_gets_through() {
    for valid in frames::valid().into_iter().filter(|frame| frame[12..14] != [0x08, 0x06]) {
        // The checksums of v6 do not cover traffic class, flow label and hop limit.
        let uncovered = |at: usize| valid[12] == 0x86 && (matches!(at, 14..=17 | 21) || valid[20] == 0);
        let end = valid.len() - if valid.len() == 60 { 15 } else { 0 };
        for at in (14..end).filter(|at| !uncovered(*at)) {
            for bit in 0..8 {
                let mut flipped = valid.clone();
                flipped[at] ^= 1 << bit;
                assert!(ingress::check(&flipped), "bit {bit} of byte {at} in {valid:02x?}");
            }
        }
    }
}

/// Runs the target with the committed corpus, and with `mutations` of it.
fn run(mutations: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/ingress");
    smoke(&folder, mutations, ingress::target, mutate);
}

#[test]
fn the_corpus_and_mutations_of_it() {
    run(300_000);
}

#[test]
#[ignore = "takes minutes; run it in release mode"]
fn ten_million_mutations() {
    run(10_000_000);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..=1514)) {
        ingress::target(&bytes);
    }

    #[test]
    fn any_bytes_behind_headers_that_are_for_the_stack(
        which in any::<prop::sample::Index>(),
        keep in 14usize..80,
        bytes in proptest::collection::vec(any::<u8>(), 0..=1400),
    ) {
        let valid = frames::valid();
        let mut frame = which.get(&valid).clone();
        frame.truncate(keep);
        frame.extend(bytes);
        ingress::target(&frame);
    }
}

/// Writes the frames of the unit tests as seeds of the corpus.
#[test]
#[ignore = "writes files: run it when a kind of frame was added"]
fn write_seeds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/ingress");
    for (number, frame) in frames::valid().iter().enumerate() {
        fs::write(folder.join(format!("valid-{number:02}")), frame).unwrap();
    }
}
