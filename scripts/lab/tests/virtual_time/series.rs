//! Events lie at the time at which they happened in the series of a report.

use std::iter::Sum;

use lab::runner::simulate_figures;
use shared::exec::Virtual;
use shared::report::{RunReport, Sample};
use shared::units::Nanos;

use super::setup::settings_of;

fn run(flags: &[&str]) -> RunReport {
    simulate_figures(&settings_of(flags, Nanos::ZERO), Virtual::default()).unwrap()
}

fn each<T>(report: &RunReport, of: fn(&Sample) -> T) -> Vec<T> {
    report.series.iter().map(of).collect()
}

fn sum<T: Sum>(report: &RunReport, of: fn(&Sample) -> T) -> T {
    report.series.iter().map(of).sum()
}

/// A full-size frame takes 6152 us on a link of 2 Mbit/s, so 16.25 complete in 100 ms.
#[test]
fn a_saturated_link_delivers_its_rate_in_each_interval_however_deep_the_ring_is() {
    for depth in [1, 7, 200] {
        let depth = format!("depth={depth}");
        let report = run(&["app=bulk", "app=bulk", "packets=30", "link=2Mbit", "interval=100ms", &depth]);
        assert_eq!(each(&report, |sample| sample.delivered), [16, 16, 16, 12], "{depth}");
        assert_eq!(report.series.last().map(|sample| sample.time_ns), Some(60 * 6_152_000));
    }
}

/// Two apps wait for the whole of each interval but the last: a wait counts in an interval before the wait is over.
#[test]
fn a_wait_longer_than_an_interval_is_split_over_the_intervals_that_it_overlaps() {
    // A frame takes 123.04 ms, which is more than twelve intervals.
    let report = run(&["app=bulk", "app=bulk", "packets=3", "link=100kbit", "interval=10ms", "depth=1"]);
    assert_eq!(report.blocked.stages["room"].waits_ns.count, 5);
    let blocked = each(&report, |sample| sample.blocked_ns);
    // When the fifth of six frames is on the link, the first app has sent its last packet and waits no more.
    let (one, two) = (10_000_000, 20_000_000);
    assert_eq!((blocked[0], blocked[1], blocked[30], blocked[55]), (two, two, two, one));
    assert!(blocked.iter().all(|blocked| *blocked <= two), "{blocked:?}");
    assert_eq!(sum(&report, |sample| sample.blocked_ns), report.blocked.total_ns);
}

/// Twice the rate of the link: half of the packets are dropped when they arrive, not when a frame completes.
#[test]
fn drops_and_refusals_lie_at_their_own_times() {
    // A packet every 3076 us from 0 on, into two slots of a link that takes 6152 us for each.
    let flags = ["app=cbr:load=2", "packets=40", "link=2Mbit", "interval=50ms", "policy=drop-newest", "depth=2"];
    let report = run(&flags);
    let dropped = each(&report, |sample| sample.dropped);
    assert_eq!(dropped.iter().sum::<u64>(), report.totals.dropped);
    assert!(dropped[..2].iter().all(|dropped| (7..=9).contains(dropped)), "{dropped:?}");

    let skips = run(&["app=cbr:load=2,when-blocked=skip", "packets=40", "link=2Mbit", "interval=50ms", "depth=2"]);
    assert_eq!(each(&skips, |sample| sample.refused), dropped);
    assert_eq!(skips.totals.refused, report.totals.dropped);
}

/// 250 s in samples of 1 ms are two and a half times as many as a report holds.
#[test]
fn a_full_series_merges_its_samples_and_reports_the_new_interval() {
    let report = run(&["app=cbr:rate=8pps", "duration=250s", "link=10Mbit", "interval=1ms"]);
    assert_eq!(report.series_interval_ns, 4_000_000);
    let elapsed = report.elapsed_ns;
    assert_eq!(report.series.len() as u64, elapsed.div_ceil(4_000_000));
    assert_eq!(report.series.last().map(|sample| sample.time_ns), Some(elapsed));
    let ends: Vec<_> = report.series.windows(2).map(|pair| pair[1].time_ns - pair[0].time_ns).collect();
    assert!(ends[..ends.len() - 1].iter().all(|span| *span == 4_000_000));
    assert_eq!((report.totals.delivered, sum(&report, |sample| sample.delivered)), (2000, 2000));
}
