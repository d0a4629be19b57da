//! The layers behave the same under every way of calling each other: one suite, run over every way.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod rig;

use netstack::account::Stage;
use netstack::dispatch::Dispatch;
use shared::ledger::RefuseReason;
use shared::units::Nanos;

use rig::{SERVICE, Scene, Seen, play};

/// The ways under which a send waits.
const WAITING: [Dispatch; 4] = [Dispatch::Static, Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll];

/// Every way.
const WAYS: [Dispatch; 5] = [Dispatch::Static, Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll, Dispatch::Sync];

/// Plays `scene` under each of `ways`, checks that the results are equal, and returns the result.
fn same(ways: &[Dispatch], scene: Scene<'_>) -> Seen {
    let first = play(ways[0], scene);
    for way in &ways[1..] {
        assert_eq!(play(*way, scene), first, "{way:?}, {scene:?}");
    }
    for app in &first.apps {
        assert!(app.counters.offered > 0, "{scene:?}");
        assert_eq!(app.counters.check("app"), [], "{scene:?}");
    }
    first
}

fn waits(seen: &Seen, stage: Stage) -> u64 {
    seen.apps.iter().map(|app| app.waits[stage as usize]).sum()
}

#[test]
fn frames_are_the_same_to_the_byte() {
    let apps = ["bulk:size=1B", "cbr:rate=50kpps,size=1400B", "bulk:size=99B,to=[fd00::2]:9"];
    let seen = same(&WAYS, Scene { depth: 1000, apps: &apps, packets: 200, ..Scene::default() });
    assert_eq!(seen.frames.len(), 600);
    assert_eq!(waits(&seen, Stage::Room), 0, "there was room for all");
    let lengths = |len| seen.frames.iter().filter(|frame| frame.len() == len).count();
    assert_eq!((lengths(43), lengths(1442), lengths(161)), (200, 200, 200));
}

#[test]
fn frames_without_layers_have_the_same_length_and_payload() {
    let scene = Scene { depth: 1000, ..Scene::default() };
    let (with, without) = (play(Dispatch::Static, scene), play(Dispatch::None, scene));
    assert_eq!(without.frames[0], with.frames[0]);
    assert_eq!(without.frames.len(), with.frames.len());
    assert!(without.frames.iter().zip(&with.frames).all(|(bare, full)| bare[42..] == full[42..]));
}

#[test]
fn a_full_ring_has_the_same_effect_under_all_ways_that_wait() {
    let apps = ["bulk:size=100B", "cbr:rate=150kpps", "poisson:rate=70kpps,when-blocked=skip", "reqresp:think=30us"];
    for policy in ["wait", "drop-newest", "drop-oldest", "deadline=15us", "deadline=1ms"] {
        for depth in [1, 2, 7] {
            let seen = same(&WAITING, Scene { policy, depth, apps: &apps, ..Scene::default() });
            let never_waits = policy.starts_with("drop");
            assert_eq!(waits(&seen, Stage::Room) == 0, never_waits, "{policy}");
            assert_eq!((seen.waiting, seen.room), (0, depth.into()), "{policy}");
        }
    }
}

#[test]
fn policies_that_never_wait_are_the_same_without_futures() {
    let apps = ["bulk:size=100B", "cbr:rate=150kpps", "poisson:rate=70kpps"];
    for policy in ["drop-newest", "drop-oldest"] {
        let seen = same(&WAYS, Scene { policy, apps: &apps, ..Scene::default() });
        assert!(seen.apps.iter().any(|app| app.counters.dropped() > 0), "{policy}");
    }
}

#[test]
fn a_send_that_waits_costs_one_wake() {
    let seen = same(&WAITING, Scene { packets: 100, ..Scene::default() });
    let app = &seen.apps[0];
    // Two slots are free; then each packet waits for the one before the last.
    assert_eq!(waits(&seen, Stage::Room), 98);
    assert_eq!(app.polls, 1 + 98 + turns(100), "a task is polled once to begin, and once per wake-up");
    assert_eq!((seen.stops, seen.wakes), (98, 98));
    assert_eq!(app.counters.delivered, 100);
}

/// How often an app of `packets` packets yields to other tasks.
fn turns(packets: u64) -> u64 {
    (packets - 1) / 64
}

#[test]
fn waiting_sends_are_served_in_fifo_order() {
    let apps = ["bulk:size=10B", "bulk:size=20B", "bulk:size=30B"];
    let seen = same(&WAITING, Scene { depth: 1, apps: &apps, packets: 20, ..Scene::default() });
    let sizes: Vec<usize> = seen.frames.iter().map(|frame| frame.len() - 42).collect();
    // The first packet finds room; from then on the three apps wait in rotation.
    let (rest, last) = sizes[1..].as_chunks::<3>();
    assert!(rest.iter().all(|three| three == &[10, 20, 30]) && last == [20, 30], "{sizes:?}");
}

#[test]
fn a_cancelled_send_leaves_the_wait_queue_and_returns_what_it_was_granted() {
    let apps = ["bulk:size=100B,budget=250B", "bulk:size=100B", "cbr:rate=150kpps,size=100B"];
    for end in [1, 15, 25, 101].map(Nanos::from_micros) {
        let seen = same(&WAITING, Scene { apps: &apps, end, ..Scene::default() });
        assert_eq!((seen.waiting, seen.room), (0, 2));
        assert_eq!(seen.apps[0].budget, Some(250), "the granted bytes have returned");
        let cancelled = seen.apps.iter().filter(|app| app.counters.refused_for(RefuseReason::GaveUp) == 1);
        assert_eq!(cancelled.count(), 3, "each was waiting at {end}");
        let accepted: u64 = seen.apps.iter().map(|app| app.counters.accepted).sum();
        assert_eq!(seen.frames.len() as u64, accepted);
    }
}

#[test]
fn a_send_waits_for_its_budget_and_keeps_it_while_waiting_for_room() {
    let apps = ["bulk:size=100B,budget=150B", "bulk:size=100B,budget=350B"];
    let seen = same(&WAITING, Scene { depth: 1, apps: &apps, ..Scene::default() });
    assert!(waits(&seen, Stage::Budget) > 0 && waits(&seen, Stage::Room) > 0);
    assert_eq!(seen.apps.iter().map(|app| app.counters.delivered).sum::<u64>(), 100);
    assert_eq!(seen.took, Nanos(100 * SERVICE.0), "the hardware was never idle");
}

#[test]
fn a_send_waits_for_its_neighbour_and_then_for_room() {
    let apps = ["bulk:size=100B", "bulk:size=50B"];
    let neighbour_at = Some(Nanos::from_millis(3));
    let seen = same(&WAITING, Scene { depth: 1, apps: &apps, neighbour_at, ..Scene::default() });
    assert_eq!(waits(&seen, Stage::Neighbour), 2);
    assert!(seen.apps.iter().all(|app| app.waits[Stage::Room as usize] >= 49), "{:?}", seen.apps);
    assert_eq!(seen.frames.len(), 100);
}

#[test]
fn a_send_stops_waiting_for_a_neighbour_after_a_second() {
    let seen = same(&WAITING, Scene { apps: &["cbr:rate=1pps"], packets: 2, neighbour_at: None, ..Scene::default() });
    assert_eq!(seen.apps[0].counters.refused_for(RefuseReason::NoNeighbour), 2);
    assert_eq!(seen.apps[0].blocked_ns, 2_000_000_000);
}

#[test]
fn sync_refuses_when_the_ring_is_full_and_a_closed_loop_retries() {
    for app in ["bulk:size=100B", "cbr:rate=150kpps,size=100B"] {
        for policy in ["wait", "deadline=1ms"] {
            let seen = play(Dispatch::Sync, Scene { policy, apps: &[app], packets: 100, ..Scene::default() });
            let counters = seen.apps[0].counters;
            assert_eq!((counters.offered, counters.dropped()), (100, 0));
            assert!(counters.refused_for(RefuseReason::WouldBlock) > 0 && counters.delivered > 2, "{counters:?}");
            assert_eq!(counters.delivered + counters.refused(), 100);
            assert_eq!((waits(&seen, Stage::Room), seen.apps[0].blocked_ns), (0, 0), "no send waits");
        }
    }
    let seen = play(Dispatch::Sync, Scene { apps: &["reqresp:think=1us", "bulk"], ..Scene::default() });
    assert!(seen.apps.iter().all(|app| app.counters.delivered > 0), "both make progress: {:?}", seen.apps);
}
