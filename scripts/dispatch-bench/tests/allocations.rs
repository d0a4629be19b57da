//! Exactly five allocations per call where each level boxes its future, and none in any other arm.

use std::alloc::System;

use dispatch_bench::arms::Arm;
use dispatch_bench::measure::{Cell, count_allocations};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The only test in this file: the allocations of others would be counted too.
#[test]
fn boxed_arms_allocate_five_times_per_call_and_others_never() {
    let counted = count_allocations(COUNTING);
    assert_eq!(counted.len(), Cell::all().count());
    for (cell, counted) in Cell::all().zip(counted) {
        let boxed = matches!(cell.arm, Arm::BoxedGeneric | Arm::BoxedDyn | Arm::Dynosaur);
        assert_eq!(counted.allocations, if boxed { 5.0 } else { 0.0 }, "{cell}");
        assert_eq!(counted.bytes > 0.0, boxed, "{cell}");
    }
}
