//! Runs the target of this name under libFuzzer: `scripts/fuzz.sh slots`.
#![no_main]

#[path = "../targets/slots.rs"]
mod slots;

libfuzzer_sys::fuzz_target!(|data: &[u8]| slots::target(data));
