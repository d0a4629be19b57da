//! Runs the target of this name under libFuzzer: `scripts/fuzz.sh control`.
#![no_main]

#[path = "../targets/control.rs"]
mod control;

libfuzzer_sys::fuzz_target!(|data: &[u8]| control::target(data));
