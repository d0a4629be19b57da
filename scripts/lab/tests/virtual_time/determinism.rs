//! The same seed and flags give the same report, to the byte.

use std::thread;

use lab::runner::simulate;
use lab::settings::RunSettings;
use lab::theory::theory_of;
use shared::units::Nanos;

use super::setup::settings_of;

/// The report without the host.
fn json(settings: &RunSettings) -> String {
    let mut report = simulate(settings).unwrap();
    report.host = None;
    report.theory = theory_of(&report);
    serde_json::to_string(&report).unwrap()
}

fn all_settings() -> Vec<RunSettings> {
    let plain: [&[&str]; 7] = [
        &["app=bulk", "packets=3000", "depth=16"],
        &["app=poisson:load=1.1", "packets=3000", "depth=8", "policy=drop-newest", "service=exponential"],
        &["app=poisson:load=1.5", "app=cbr:load=0.3", "packets=2000", "depth=8", "policy=drop-oldest", "txqueue=5"],
        &["app=onoff:load=2,on=1ms,off=1ms,distribution=exponential", "duration=50ms", "policy=deadline=100us"],
        &[
            "app=cbr:load=0.7,size=64B:3/1472B:2",
            "duration=30ms",
            "depth=8",
            "stall=every=1ms,for=300us,distribution=exponential",
        ],
        &["app=bulk", "duration=20ms", "depth=8", "stall=every=3ms,for=1ms,phase=random"],
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
    let mut all_settings: Vec<_> = plain.into_iter().map(|flags| settings_of(flags, Nanos::ZERO)).collect();
    all_settings.push(settings_of(&["app=bulk", "policy=drop-newest", "duration=20ms", "depth=3"], Nanos(4_000)));
    all_settings
}

#[test]
fn ten_runs_give_the_same_report() {
    for settings in all_settings() {
        let first = json(&settings);
        (1..10).for_each(|_| assert_eq!(json(&settings), first));
    }
}

/// More threads than processors, each with a run of its own: a run must not depend on when its thread is scheduled.
#[test]
fn a_loaded_machine_changes_nothing() {
    let all_settings = all_settings();
    let alone: Vec<_> = all_settings.iter().map(json).collect();
    thread::scope(|scope| {
        for _ in 0..10 {
            scope.spawn(|| {
                all_settings.iter().zip(&alone).for_each(|(settings, alone)| assert_eq!(&json(settings), alone))
            });
        }
    });
}

#[test]
fn another_seed_is_another_run() {
    let settings = settings_of(&["app=poisson:load=1.1", "packets=1000", "depth=8"], Nanos::ZERO);
    assert_ne!(json(&settings), json(&settings.with_seed(2)));
    for stall in ["every=1ms,for=300us,distribution=exponential", "every=1ms,for=300us,phase=random"] {
        let settings = settings_of(&["app=cbr:load=0.9", "packets=1000", &format!("stall={stall}")], Nanos::ZERO);
        assert!(settings.is_random(), "{stall}");
        let stalled = |seed| simulate(&settings.with_seed(seed)).unwrap().hardware.unwrap().stalled_ns;
        assert_ne!(stalled(1), stalled(2), "{stall}");
    }
}
