//! Counts the allocations of every cell, and prints them as JSON for `dispatch-bench`.

use std::alloc::System;

use dispatch_bench::measure::count_allocations;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

#[expect(clippy::disallowed_methods, reason = "dispatch-bench reads the pipe")]
fn main() -> serde_json::Result<()> {
    serde_json::to_writer(std::io::stdout().lock(), &count_allocations(COUNTING))
}
