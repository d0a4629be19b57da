//! The same seed and flags give the same report, to the byte.

use std::thread;

use lab::simulate::{Scenario, simulate, theory_of};
use shared::report::HostReport;
use shared::units::Nanos;

use super::setup::scenario;

/// The report without the host.
fn json(scenario: &Scenario) -> String {
    let mut report = simulate(scenario).unwrap();
    report.host = HostReport::default();
    report.theory = theory_of(&report);
    serde_json::to_string(&report).unwrap()
}

fn scenarios() -> Vec<Scenario> {
    let plain: [&[&str]; 5] = [
        &["app=bulk", "packets=3000", "depth=16"],
        &["app=poisson:load=1.1", "packets=3000", "depth=8", "policy=drop-newest", "service=exponential"],
        &["app=poisson:load=1.5", "app=cbr:load=0.3", "packets=2000", "depth=8", "policy=drop-oldest", "txqueue=5"],
        &["app=onoff:load=2,on=1ms,off=1ms,distribution=exponential", "duration=50ms", "policy=deadline=100us"],
        &[
            "app=reqresp:think=30us,distribution=exponential",
            "app=bulk:size=64B,budget=1000B",
            "duration=30ms",
            "stall=every=1ms,for=50us",
            "coalesce=frames=4,for=20us",
            "latency=5us",
            "seed=9007199254740992",
            "verify",
        ],
    ];
    let mut scenarios: Vec<_> = plain.into_iter().map(|flags| scenario(flags, Nanos::ZERO)).collect();
    scenarios.push(scenario(&["app=bulk", "policy=drop-newest", "duration=20ms", "depth=3"], Nanos(4_000)));
    scenarios
}

#[test]
fn ten_runs_give_the_same_report() {
    for scenario in scenarios() {
        let first = json(&scenario);
        (1..10).for_each(|_| assert_eq!(json(&scenario), first));
    }
}

/// More threads than processors, each with a run of its own: a run must not depend on when its thread is scheduled.
#[test]
fn a_loaded_machine_changes_nothing() {
    let scenarios = scenarios();
    let alone: Vec<_> = scenarios.iter().map(json).collect();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                scenarios.iter().zip(&alone).for_each(|(scenario, alone)| assert_eq!(&json(scenario), alone))
            });
        }
    });
}

#[test]
fn another_seed_is_another_run() {
    let scenario = scenario(&["app=poisson:load=1.1", "packets=1000", "depth=8"], Nanos::ZERO);
    assert_ne!(json(&scenario), json(&scenario.seeded(2)));
}
