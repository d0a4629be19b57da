//! Allocations per packet, for each way to call the layers, with and without waits.
//!
//! A program without the test harness, because allocations are counted for the whole process, and the harness has a
//! thread that allocates.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "dispatch/rig.rs"]
mod rig;

use std::alloc::System;

use netstack::dispatch::Dispatch;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use rig::{Scene, play};

#[global_allocator]
static COUNTING: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations of a run.
fn allocations(way: Dispatch, scene: Scene<'_>) -> usize {
    let region = Region::new(COUNTING);
    let seen = play(way, scene);
    let used = region.change();
    let total: u64 = seen.apps.iter().map(|app| app.counters.delivered).sum();
    assert_eq!(total, scene.packets * scene.apps.len() as u64, "{way:?}");
    used.allocations + used.reallocations
}

/// Allocations per additional packet. No buffer that grows by doubling grows between these two lengths, so the result
/// is exact.
fn per_packet(way: Dispatch, depth: u32, apps: &[&str]) -> f64 {
    let scene = |packets| Scene { depth, apps, packets, keep_frames: false, ..Scene::default() };
    let (short, long) = (scene(7_000), scene(8_000));
    let more = (long.packets - short.packets) * apps.len() as u64;
    (allocations(way, long) as f64 - allocations(way, short) as f64) / more as f64
}

/// `boxed` costs five allocations per packet; the other ways cost none.
fn main() {
    let ways = [Dispatch::Static, Dispatch::Inline, Dispatch::Poll, Dispatch::Boxed];
    let scenes: [(u32, &[&str]); 3] =
        [(1, &["bulk:size=64B"]), (4_096, &["bulk:size=64B"]), (2, &["bulk:size=64B,budget=100B", "cbr:rate=40kpps"])];
    // Allocates what is allocated once per process.
    play(Dispatch::Static, Scene::default());
    for way in ways {
        for (depth, apps) in scenes {
            let expected = if way == Dispatch::Boxed { 5.0 } else { 0.0 };
            let counted = per_packet(way, depth, apps);
            assert!((counted - expected).abs() < 1e-9, "{way:?} at depth {depth}: {counted}");
        }
    }
    // `sync` needs room for all packets, so that none is refused.
    assert!(per_packet(Dispatch::Sync, 10_000, &["bulk:size=64B"]).abs() < 1e-9);
}
