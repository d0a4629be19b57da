//! The cost of dropping, exact to the packet, because virtual time does not depend on the machine.

use lab::runner::simulate;
use shared::report::RunReport;
use shared::units::Nanos;

use super::setup::settings_of;

/// A run with `drop-newest`, 64 slots, and 16 places in the hardware queue.
fn dropping(flags: [&str; 3]) -> RunReport {
    let all = [&["policy=drop-newest", "depth=64", "hw-queue=16"][..], &flags].concat();
    let run = simulate(&settings_of(&all, Nanos::ZERO)).unwrap();
    assert!(run.ledger.balanced, "{:?}", run.ledger);
    assert_eq!((run.totals.refused, run.totals.in_flight, run.totals.lost), (0, 0, 0), "{:?}", run.totals);
    run
}

/// Of two packets in the time of one, the ring takes one, and 64 more until it is full.
#[test]
fn at_twice_what_the_link_carries_dropping_loses_half() {
    for link in ["link=10Mbit", "link=50Mbit", "link=1Gbit"] {
        let run = dropping([link, "packets=10000", "app=cbr:load=2"]);
        assert!((run.totals.loss_ratio.unwrap() - 0.5).abs() <= 0.01, "{:?}", run.totals);
        assert!(run.totals.delivered.abs_diff(5_000 + 64) <= 1, "{:?}", run.totals);
        assert_eq!(run.drops.get("DEVICE_RING_FULL"), Some(&run.totals.dropped));
        assert_eq!(run.ring.occupancy_max, 64);
    }
}

#[test]
fn at_nine_tenths_of_what_the_link_carries_dropping_loses_nothing() {
    let run = dropping(["link=10Mbit", "packets=10000", "app=cbr:load=0.9"]);
    assert_eq!((run.totals.delivered, run.totals.dropped), (10_000, 0), "{:?}", run.totals);
    assert!(run.drops.is_empty(), "{:?}", run.drops);
}
