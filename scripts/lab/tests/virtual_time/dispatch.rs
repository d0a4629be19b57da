//! The report of a run is the same with each dispatch, to the byte; with one app it is with bursts of any size, too.

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

/// The apps, policy and depth of a run of 1000 packets of each app, up to `burst` of them in a call.
fn in_bursts(apps: &[&str], policy: &str, depth: u32, burst: u32) -> Value {
    let apps = apps.iter().map(|app| match app.starts_with("bulk") {
        true => format!("app={app},burst={burst}"),
        false => format!("app={app}"),
    });
    let others = [format!("policy={policy}"), format!("depth={depth}"), "packets=1000".to_owned()];
    let flags: Vec<String> = apps.chain(others).collect();
    report(&settings_of(&flags, Nanos::ZERO), Dispatch::Static)
}

#[test]
fn with_one_app_the_number_of_packets_in_a_call_changes_nothing() {
    for (policy, depth) in [("wait", 1), ("wait", 16), ("wait", 200), ("deadline=30us", 4)] {
        for app in ["bulk:size=64B", "bulk:size=1000B,budget=5000B"] {
            let [one_by_one, some, most] = [1, 7, 64].map(|burst| in_bursts(&[app], policy, depth, burst));
            assert!(one_by_one["totals"]["delivered"].as_u64() > Some(100), "{app} {policy} {depth}");
            assert_eq!([&some, &most], [&one_by_one, &one_by_one], "{app} {policy} {depth}");
        }
    }
}

/// An app that waits is granted room for several packets of its burst, so those of the others come later.
#[test]
fn with_several_apps_the_number_of_packets_in_a_call_changes_their_order_alone() {
    let apps = ["bulk:size=64B", "bulk:size=1000B,budget=5000B", "cbr:load=0.2"];
    for depth in [1, 16, 200] {
        let totals = |burst: u32| -> Vec<[u64; 3]> {
            let report = in_bursts(&apps, "wait", depth, burst);
            let of = |app: &Value| ["offered", "accepted", "delivered"].map(|count| app[count].as_u64().unwrap());
            report["apps"].as_array().unwrap().iter().map(of).collect()
        };
        assert_eq!([1, 7, 64].map(totals), [const { [[1000; 3]; 3] }; 3], "{depth}");
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
