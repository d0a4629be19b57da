//! What apps draw: the same under every policy, depth and way of sending, and with the right means.

use lab::runner::{simulate, simulate_figures};
use shared::exec::Virtual;
use shared::report::RunReport;
use shared::units::Nanos;

use super::setup::settings_of;

const APPS: [&str; 6] = [
    "app=poisson:load=0.9,size=64B:7/576B:4/1472B:1",
    "app=cbr:load=0.9,size=64B:1/1472B:1",
    "app=onoff:load=2,on=300us,off=300us,distribution=pareto,shape=1.5,phase=random",
    "app=onoff:load=2,on=300us,off=300us,phase=random",
    "app=onoff:load=2,on=300us,off=300us,phase=500us,size=100B:1/200B:3",
    "app=reqresp:think=30us,distribution=pareto,shape=2.5",
];

fn figures(flags: &[&str]) -> RunReport {
    simulate_figures(&settings_of(flags, Nanos::ZERO), Virtual::default()).unwrap()
}

#[test]
fn arrivals_are_the_same_under_every_policy_and_depth() {
    for app in APPS {
        let of = |policy, depth| {
            let settings = settings_of(&[app, policy, depth, "packets=200", "seed=5"], Nanos::ZERO);
            let report = simulate(&settings).unwrap();
            assert!(report.ledger.balanced, "{app}: {:?}", report.ledger.violations);
            report.arrivals_digest
        };
        let first = of("policy=wait", "depth=64");
        for (policy, depth) in [
            ("policy=wait", "depth=1"),
            ("policy=drop-newest", "depth=3"),
            ("policy=drop-oldest", "depth=2"),
            ("policy=deadline=20us", "depth=8"),
        ] {
            assert_eq!(of(policy, depth), first, "{app} {policy} {depth}");
        }
    }
}

/// The bits that are delivered when all packets are: the sum of their sizes, whatever happened on the way.
#[test]
fn each_packet_of_a_mix_has_the_same_size_under_every_depth_and_burst() {
    let sizes = "size=64B:7/576B:4/1472B:1";
    let bits = |app: &str, more: &[&str]| {
        let report = figures(&[&[&*format!("app={app},{sizes}"), "packets=3000"], more].concat());
        let rate = report.rate.bits_per_second.unwrap() / report.rate.packets_per_second.unwrap();
        (rate * report.totals.delivered as f64).round() as u64
    };
    for app in ["bulk:burst=1", "bulk:burst=64", "poisson:load=0.9", "poisson:load=3", "cbr:load=3,when-blocked=wait"] {
        let first = bits(app, &["depth=64"]);
        assert_eq!(first, bits("bulk:burst=7", &["depth=5"]), "{app}");
        for more in [&["depth=1"][..], &["depth=16", "wake=each", "dispatch=poll"], &["depth=9", "latency=50us"]] {
            assert_eq!(bits(app, more), first, "{app} {more:?}");
        }
    }
}

/// With one app, a call for many packets gives the same report as a call for each.
#[test]
fn a_burst_of_a_mix_is_as_its_packets_one_by_one() {
    let run = |burst: u32| {
        let app = format!("app=bulk:burst={burst},size=22B:2/100B:1/1472B:1");
        let mut report = figures(&[&app, "packets=5000", "depth=32", "wake=each", "verify"]);
        report.apps[0].spec.clear();
        report
    };
    assert_eq!(run(1), run(64));
}

/// The mean size and the rate, which counts payload, are those of the weights, within five standard errors.
#[test]
fn the_pace_of_a_mix_counts_its_mean_size() {
    let report = figures(&["app=cbr:rate=80Mbit,size=100B:3/1300B:1", "duration=2s", "depth=1024"]);
    let packets = report.totals.delivered as f64;
    assert!((packets / 2.0 - 25_000.0).abs() < 1.0, "{packets}");
    let bits = report.rate.bits_per_second.unwrap();
    let deviation = 8.0 * (0.25 * 0.75f64).sqrt() * 1200.0;
    assert!((bits - 80e6).abs() < 5.0 * deviation / packets.sqrt() * 25_000.0, "{bits}");
}
