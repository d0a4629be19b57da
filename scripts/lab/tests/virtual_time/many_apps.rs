//! Runs of more apps than may have histograms of their own: what each app reports adds up to the totals.

use lab::runner::simulate_figures;
use shared::exec::Virtual;
use shared::report::{Ending, RunReport};
use shared::units::Nanos;

use super::setup::settings_of;

/// A run of `apps` apps of all kinds in turn.
fn run(apps: usize, policy: &str) -> RunReport {
    // Under a policy that never waits, a closed loop would take no time.
    let bulk = if policy.starts_with("drop") { "cbr:rate=5kpps,size=200B" } else { "bulk:size=200B" };
    let kinds = [bulk, "poisson:rate=3kpps,size=100B", "cbr:rate=2kpps", "poisson:rate=9kpps,size=90B,budget=300B"];
    let mut flags: Vec<String> = (0..apps).map(|number| format!("app={}", kinds[number % kinds.len()])).collect();
    let others = ["depth=16", "hw-queue=8", "link=100Mbit", "packets=20", "txqueue=4", "interval=1ms"];
    flags.extend(others.map(str::to_owned));
    flags.push(format!("policy={policy}"));
    simulate_figures(&settings_of(&flags, Nanos::ZERO), Virtual::default()).unwrap()
}

fn check(report: &RunReport) {
    assert!(report.ledger.balanced, "{:?}", report.ledger.violations);
    assert_eq!(report.ending, Ending::Finished);
    let sum = |of: fn(&shared::report::AppReport) -> u64| report.apps.iter().map(of).sum::<u64>();
    assert_eq!(sum(|app| app.totals.offered), report.totals.offered);
    assert_eq!(sum(|app| app.totals.delivered), report.totals.delivered);
    assert_eq!(sum(|app| app.sojourn_ns.count), report.sojourn_ns.count);
    assert_eq!(sum(|app| app.latency_ns.count), report.latency_ns.count);
    assert_eq!(report.sojourn_ns.count, report.totals.delivered);
    assert_eq!(report.apps.iter().map(|app| app.latency_ns.max).max(), Some(report.latency_ns.max));
    let blocked = report.apps.iter().flat_map(|app| app.blocked.values()).map(|stage| stage.total_ns).sum::<u128>();
    assert_eq!(blocked, report.blocked.total_ns);
    for (stage, all) in &report.blocked.stages {
        let waits = report.apps.iter().map(|app| app.blocked[stage].waits_ns.count).sum::<u64>();
        assert_eq!(waits, all.waits_ns.count, "{stage}");
    }
    let nanos = |mean: Option<f64>, count: u64| mean.unwrap_or(0.0) * count as f64;
    let apps: f64 = report.apps.iter().map(|app| nanos(app.sojourn_ns.mean, app.sojourn_ns.count)).sum();
    let all = nanos(report.sojourn_ns.mean, report.sojourn_ns.count);
    assert!((apps - all).abs() <= all * 1e-9, "{apps} and {all}");
}

#[test]
fn apps_with_and_without_histograms_of_their_own_add_up_to_the_totals() {
    for policy in ["wait", "drop-newest", "drop-oldest", "deadline=1ms"] {
        for apps in [64, 65, 300] {
            let report = run(apps, policy);
            check(&report);
            // An app of which nothing was delivered has no quantiles in any case.
            let delivered = || report.apps.iter().filter(|app| app.latency_ns.count > 0);
            let unknown = delivered().filter(|app| app.latency_ns.p99.is_none()).count();
            assert_eq!(unknown, if apps > 64 { delivered().count() } else { 0 }, "{policy}");
            assert_eq!(report.apps_without_quantiles, if apps > 64 { apps as u64 } else { 0 });
        }
    }
}

#[test]
fn many_bulk_apps_get_as_much_as_each_other() {
    for apps in [2, 10, 100, 400] {
        let mut flags = vec!["app=bulk:size=22B".to_owned(); apps];
        flags.extend(["depth=64", "hw-queue=64", "link=1Gbit", "duration=100ms"].map(str::to_owned));
        let report = simulate_figures(&settings_of(&flags, Nanos::ZERO), Virtual::default()).unwrap();
        let shares: Vec<f64> = report.apps.iter().map(|app| app.totals.delivered as f64).collect();
        let (sum, squares) = (shares.iter().sum::<f64>(), shares.iter().map(|share| share * share).sum::<f64>());
        let jain = sum * sum / (apps as f64 * squares);
        assert!(jain > 0.99, "{apps} apps: {jain}");
    }
}
