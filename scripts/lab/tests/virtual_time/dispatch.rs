//! The report of a run is the same with each dispatch and with bursts of any size, to the byte.

use lab::runner::{SimulateError, simulate};
use lab::settings::{RunSettings, SimulationSettings};
use netstack::dispatch::Dispatch;
use serde_json::Value;
use shared::units::Nanos;

use super::setup::settings_of;

/// The report without the host and the settings.
fn report(settings: &RunSettings, way: Dispatch) -> Value {
    let mut settings = settings.clone();
    settings.set_dispatch(way);
    let report = simulate(&settings).unwrap();
    assert!(report.ledger.balanced, "{way:?}: {:?}", report.ledger.violations);
    let mut value = serde_json::to_value(report).unwrap();
    for key in ["host", "config"] {
        value[key] = Value::Null;
    }
    for app in value["apps"].as_array_mut().unwrap() {
        app["spec"] = Value::Null;
    }
    value
}

fn same(flags: &[&str], stack_cost: Nanos, ways: &[Dispatch]) {
    let settings = settings_of(flags, stack_cost);
    let first = report(&settings, Dispatch::Static);
    assert!(first["totals"]["delivered"].as_u64() > Some(100), "{flags:?}");
    for way in ways {
        assert_eq!(report(&settings, *way), first, "{way:?}, {flags:?}");
    }
}

const WAITING: [Dispatch; 3] = [Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll];
const ALL: [Dispatch; 4] = [Dispatch::Boxed, Dispatch::Inline, Dispatch::Poll, Dispatch::Sync];

#[test]
fn runs_that_wait_are_the_same_with_each_dispatch() {
    same(&["app=bulk", "app=bulk:size=64B,budget=1000B", "packets=1000", "depth=16"], Nanos::ZERO, &WAITING);
    same(
        &["app=onoff:load=2,on=1ms,off=1ms,distribution=exponential", "duration=30ms", "policy=deadline=100us"],
        Nanos::ZERO,
        &WAITING,
    );
    let closed = ["app=reqresp:think=30us,distribution=exponential", "app=cbr:load=0.8", "duration=30ms", "depth=3"];
    same(&[&closed[..], &["stall=every=1ms,for=50us", "coalesce=frames=4,for=20us"]].concat(), Nanos::ZERO, &WAITING);
    same(&["app=bulk:size=200B", "app=cbr:load=0.4", "packets=500", "depth=4"], Nanos(4_000), &WAITING);
    same(&["app=poisson:load=1.2", "packets=500", "depth=4", "policy=deadline=50us"], Nanos(9_000), &WAITING);
}

#[test]
fn the_number_of_packets_in_a_call_changes_nothing() {
    for (policy, depth) in [("wait", 1), ("wait", 16), ("wait", 200), ("deadline=30us", 4)] {
        let run = |burst: u32| {
            let [small, large] =
                ["size=64B", "size=1000B,budget=5000B"].map(|of| format!("app=bulk:{of},burst={burst}"));
            let (policy, depth) = (format!("policy={policy}"), format!("depth={depth}"));
            let flags = [&small, &large, "app=cbr:load=0.2", &policy, &depth, "packets=1000"];
            report(&settings_of(&flags, Nanos::ZERO), Dispatch::Static)
        };
        let one_by_one = run(1);
        assert!(one_by_one["totals"]["delivered"].as_u64() > Some(100), "{policy} {depth}");
        assert_eq!([run(7), run(64)], [one_by_one.clone(), one_by_one], "{policy} {depth}");
    }
}

#[test]
fn runs_that_never_wait_are_the_same_with_sync() {
    for policy in ["policy=drop-newest", "policy=drop-oldest"] {
        let apps = ["app=poisson:load=1.1", "app=cbr:load=0.3", "packets=2000", "depth=8", "txqueue=5"];
        same(&[&apps[..], &[policy, "service=exponential"]].concat(), Nanos::ZERO, &ALL);
    }
    same(&["app=poisson:load=1.5,when-blocked=skip", "packets=2000", "depth=8"], Nanos::ZERO, &ALL);
}

#[test]
fn a_closed_loop_with_sync_is_refused_and_continues() {
    let mut settings = settings_of(&["app=bulk", "duration=20ms", "depth=8"], Nanos::ZERO);
    settings.set_dispatch(Dispatch::Sync);
    let report = simulate(&settings).unwrap();
    assert!(report.totals.refused > 0 && report.ledger.balanced);
    // 20 ms of a gigabit, plus the frames in the ring at the end.
    assert!((1620..1640).contains(&report.totals.delivered), "{}", report.totals.delivered);
    settings.simulation = SimulationSettings { stack_cost: Nanos(4_000), ..settings.simulation };
    assert!(matches!(simulate(&settings), Err(SimulateError::Timeless(_))));
}
