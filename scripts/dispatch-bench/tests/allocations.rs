//! Five allocations a call where each level boxes its future, and none anywhere else: exactly.

use std::alloc::System;

use dispatch_bench::arms::Arm;
use dispatch_bench::measure::{Cell, count_allocations};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The only test here: others would be counted.
#[test]
fn boxes_are_five_and_the_rest_is_none() {
    let counted = count_allocations(COUNTING);
    assert_eq!(counted.len(), Cell::all().count());
    for (cell, counted) in Cell::all().zip(counted) {
        let boxed = matches!(cell.arm, Arm::BoxedGeneric | Arm::BoxedDyn | Arm::Dynosaur);
        assert_eq!(counted.allocations, if boxed { 5.0 } else { 0.0 }, "{cell}");
        assert_eq!(counted.bytes > 0.0, boxed, "{cell}");
    }
}
