//! When a report contains the warning that the machine set its result, and its advice.

use proptest::prelude::*;
use serde_json::json;
use shared::report::{RunReport, Totals, WarningCode, machine_warning};

use crate::made_up;

/// A run of 2 s in which one app `spec` offered 6000 packets and all were delivered, 40 us after they were accepted.
fn run(spec: &str, starved_ns: u64) -> RunReport {
    let mut report = made_up::finished();
    report.totals = Totals { offered: 6_000, accepted: 6_000, delivered: 6_000, ..Totals::default() };
    report.elapsed_ns = 2_000_000_000;
    report.hardware.as_mut().unwrap().starved_ns = starved_ns;
    report.config.driver = json!({ "link": "300Mbit", "hw_queue": 12 });
    (report.ring.depth, report.ring.occupancy_max) = (48, 3);
    let app = &mut report.apps[0];
    (app.spec, app.totals) = (spec.to_owned(), report.totals);
    (app.sojourn_ns.mean, app.latency_ns.mean) = (Some(40_000.0), Some(41_000.0));
    (report.sojourn_ns.mean, report.latency_ns.mean) = (app.sojourn_ns.mean, app.latency_ns.mean);
    let driver = report.driver.as_mut().unwrap();
    driver.received = 6_000;
    (driver.process.cpu_ns, driver.process.idle.spin_ns) = (300_000_000, 100_000_000);
    report
}

fn warning(report: &RunReport) -> Option<(WarningCode, String)> {
    machine_warning(report).map(|warning| (warning.code, warning.text))
}

fn text(report: &RunReport) -> String {
    warning(report).map(|(_, text)| text).unwrap_or_default()
}

#[test]
fn a_late_driver_does_not_reduce_the_rate_of_an_app_that_offers_less_than_the_link_rate() {
    let late = run("cbr:rate=3kpps", 150_000_000);
    insta::assert_snapshot!(text(&late), @"the driver took frames 25 us late on average, where their mean sojourn is 40 us: this machine set that time, but the rate was kept");
    assert_eq!(warning(&late).map(|(code, _)| code), Some(WarningCode::DriverLate));
    // A tenth of a packet's sojourn is too little for a warning.
    assert_eq!(warning(&run("poisson:rate=3kpps", 23_000_000)), None);
}

#[test]
fn idle_time_reduces_the_rate_if_there_was_more_to_send() {
    for spec in ["bulk:burst=8", "reqresp:think=1ms"] {
        assert_eq!(warning(&run(spec, 19_000_000)), None, "less than a hundredth");
        let (code, text) = warning(&run(spec, 52_000_000)).unwrap();
        assert_eq!(code, WarningCode::HardwareStarved);
        assert!(text.starts_with("the hardware stood idle for 2.60 % of the run"), "{text}");
    }
    // Open loops: packets that were dropped or refused because there was no room.
    for (lost, warned) in [(30, false), (240, true)] {
        let mut drops = run("poisson:load=0.9", 52_000_000);
        drops.drops.insert("DEVICE_RING_FULL".to_owned(), lost);
        let mut refusals = run("poisson:load=0.9,when-blocked=skip", 52_000_000);
        refusals.totals.refused = lost;
        let mut bad = run("poisson:load=0.9", 52_000_000);
        bad.drops.insert("DRIVER_BAD_CHECKSUM".to_owned(), lost);
        let starved = |run: &RunReport| warning(run).is_some_and(|(code, _)| code == WarningCode::HardwareStarved);
        assert_eq!([starved(&drops), starved(&refusals), starved(&bad)], [warned, warned, false]);
    }
    // Or packets that were sent increasingly behind schedule: by 60 ms of 2 s at the end.
    let mut behind = run("cbr:load=0.9", 52_000_000);
    behind.apps[0].latency_ns.mean = Some(30_040_000.0);
    assert_eq!(warning(&behind).map(|(code, _)| code), Some(WarningCode::HardwareStarved));
    // Loss that the model causes is not due to the machine.
    let mut overload = run("cbr:load=2", 1_000_000);
    overload.drops.insert("DEVICE_RING_FULL".to_owned(), 3_000);
    assert_eq!(warning(&overload), None);
}

#[test]
fn the_advice_would_help() {
    let advice =
        |report: &RunReport| text(report).split_once("; ").map_or(String::new(), |(_, advice)| advice.to_owned());
    let mut report = run("bulk", 200_000_000);
    assert_eq!(advice(&report), "", "no queue was full");
    report.ring.occupancy_max = 48;
    assert_eq!(advice(&report), "raise --hw-queue, which is 12, or lower --link");
    report.config.driver["hw_queue"] = json!(48);
    let deeper = "raise --depth, which is 48, and keep --hw-queue at least as large";
    assert_eq!(advice(&report), format!("{deeper}, or lower --link"));
    (report.ring.depth, report.ring.occupancy_max) = (65_536, 65_536);
    report.config.driver["hw_queue"] = json!(65_536);
    assert_eq!(advice(&report), "lower --link", "no ring is deeper");
    // A driver that works all the time is short of CPU time, and not late.
    report.driver.as_mut().unwrap().process.cpu_ns = 2_050_000_000;
    assert_eq!(advice(&report), "lower --link");
    report.ring.occupancy_max = 65_535;
    assert_eq!(advice(&report), "");
}

proptest! {
    /// For any value that the driver reports, and any number of delivered packets.
    #[test]
    fn no_share_is_above_one(starved in any::<u64>(), active in 0..5u64, elapsed in 1..u64::MAX, delivered in 0..3u64) {
        let mut report = run("bulk", starved);
        (report.hardware.as_mut().unwrap().active_ns, report.elapsed_ns, report.totals.delivered) = (active, elapsed, delivered);
        if let Some((_, text)) = warning(&report).filter(|(code, _)| *code == WarningCode::HardwareStarved) {
            let percent = text.split(' ').nth(5).and_then(|share| share.parse::<f64>().ok());
            prop_assert!(percent.is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{text}");
        }
    }
}
