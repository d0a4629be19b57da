//! Where packets wait, for whom, and how fast backpressure acts, in settings so simple that each figure is known.
//!
//! A full-size frame takes 12 304 ns at 1 Gbit/s, and the ring has one slot.

use lab::runner::simulate_figures;
use shared::exec::Virtual;
use shared::report::{HardwareSplit, RunReport, SplitReport};
use shared::stalls::Stalls;
use shared::units::Nanos;

use super::setup::settings_of;

const FRAME: u64 = 12_304;

fn run(flags: &[&str], wake_latency: Nanos) -> RunReport {
    let one_slot = ["depth=1", "hw-queue=1", "link=1Gbit"];
    let mut settings = settings_of(&[&one_slot, flags].concat(), Nanos::ZERO);
    settings.simulation.wake_latency = wake_latency;
    simulate_figures(&settings, Virtual::waking_late(wake_latency)).unwrap()
}

#[test]
fn the_latency_is_split_by_where_each_packet_spent_it() {
    // Sent twice as fast as the link carries: the second packet waits for half a frame, the third for a whole one. The
    // fourth is due when the third still waits, so it begins with half a frame at its source.
    let report = run(&["app=cbr:load=2", "packets=4"], Nanos::ZERO);
    let link = 4 * FRAME;
    let expected = SplitReport {
        packets: 4,
        latency_ns: (link + FRAME / 2 + FRAME / 2 + 2 * FRAME).into(),
        source_ns: (FRAME / 2).into(),
        room_ns: (FRAME / 2 + 2 * FRAME).into(),
        hardware_ns: link.into(),
        hardware: Some(HardwareSplit { queue_ns: 0, link_ns: link.into(), delay_ns: 0 }),
        ..SplitReport::default()
    };
    assert_eq!(report.latency_split, Some(expected));
}

#[test]
fn frames_wait_in_the_ring_in_the_hardware_and_for_their_completions() {
    let flags = ["app=bulk", "packets=2", "latency=5us", "depth=2", "hw-queue=2"];
    let report =
        simulate_figures(&settings_of(&[&flags[..], &["link=1Gbit"]].concat(), Nanos::ZERO), Virtual::default());
    let split = report.unwrap().latency_split.unwrap();
    // The second frame waits for the link while the first one is sent; each completes 5 us after its end.
    let expected = HardwareSplit { queue_ns: FRAME.into(), link_ns: (2 * FRAME).into(), delay_ns: 10_000 };
    assert_eq!((split.ring_ns, split.hardware), (0, Some(expected)));
}

#[test]
fn a_full_ring_stops_the_next_send_and_room_is_used_at_once() {
    let bulk = run(&["app=bulk", "packets=100"], Nanos::ZERO).backpressure;
    assert_eq!((bulk.full_to_stop_ns.count, bulk.full_to_stop_ns.max), (99, Some(0)));
    assert_eq!((bulk.room_to_send_ns.count, bulk.room_to_send_ns.max), (99, Some(0)));
    // The packet after each that is accepted is dropped, half a frame later.
    let dropping = run(&["app=cbr:load=2", "policy=drop-newest", "packets=100"], Nanos::ZERO).backpressure;
    assert_eq!((dropping.full_to_stop_ns.count, dropping.room_to_send_ns.count), (50, 0));
    assert_eq!(
        (dropping.full_to_stop_ns.mean, dropping.full_to_stop_ns.max),
        (Some((FRAME / 2) as f64), Some(FRAME / 2))
    );
    // A sender that is woken late uses the room late.
    let late = run(&["app=bulk", "packets=100"], Nanos(50_000)).backpressure.room_to_send_ns;
    assert_eq!((late.count, late.p50, late.max), (99, Some(50_000), Some(50_000)));
}

#[test]
fn an_app_that_waits_for_itself_is_charged_and_the_time_of_stalls_is_beside_it() {
    let report = run(&["app=bulk", "packets=50", "stall=every=100us,for=30us"], Nanos::ZERO);
    let row = &report.blame.unwrap().rows[0];
    // It waits from the first packet to the acceptance of the last one, without a break.
    assert_eq!((&row.held_ns[..], row.free_ns), (&[row.blocked_ns][..], 0));
    let until = Nanos(row.blocked_ns as u64);
    let stalls = Stalls::new(Some("every=100us,for=30us".parse().unwrap()), 0, Nanos::ZERO).spans(Nanos::ZERO, until);
    let stalled: u64 = stalls.map(|(from, to)| to.min(until).since(from).0).sum();
    assert_eq!(row.stalled_ns, Some(stalled.into()));
    assert!(stalled > 100_000, "{stalled}");
}

#[test]
fn a_small_app_is_blocked_by_the_greedy_one_and_neither_is_far_from_its_share() {
    let flags = ["app=bulk:name=greedy", "app=cbr:name=small,load=0.2", "duration=100ms", "interval=100ms"];
    let report = run(&flags, Nanos::ZERO);
    let blame = report.blame.unwrap();
    assert_eq!(blame.apps, ["greedy", "small"]);
    let small = &blame.rows[1];
    assert_eq!((small.held_ns[0], small.free_ns), (small.blocked_ns, 0), "it never waits for itself");
    let fairness = report.fairness.unwrap();
    assert!(fairness.max_min_deviation.unwrap().abs() < 0.02, "{fairness:?}");
    assert!(fairness.jain_index.unwrap() < 0.8, "their demands differ: {fairness:?}");
}
