//! Runs the target of this name under libFuzzer: `scripts/fuzz.sh ingress`.
#![no_main]

#[allow(dead_code, reason = "the tests write more kinds of frames")]
#[path = "../targets/frames.rs"]
mod frames;
#[path = "../targets/ingress.rs"]
mod ingress;

libfuzzer_sys::fuzz_target!(|data: &[u8]| ingress::target(data));
