//! Depths by loads by policies by seeds as one table: a change of any number shows in review.

use std::fmt::Write as _;

use lab::runner::simulate_figures;
use shared::exec::Virtual;
use shared::report::human;
use shared::units::Nanos;

use super::setup::settings_of;

const POLICIES: [&str; 5] =
    ["policy=wait", "policy=wait,skip", "policy=drop-newest", "policy=drop-oldest", "policy=deadline=100us"];

#[test]
fn depths_by_loads_by_policies_by_seeds() {
    let mut table = String::new();
    writeln!(
        table,
        "{:13} {:>5} {:>4} {:>4} | {:>7} {:>7} {:>9} | {:>9} {:>9} {:>9} | {:>7} {:>5}",
        "policy",
        "depth",
        "load",
        "seed",
        "refused",
        "dropped",
        "delivered",
        "sojourn",
        "p99",
        "latency",
        "blocked",
        "slots"
    )
    .unwrap();
    for policy in POLICIES {
        for depth in [1, 4, 16, 64] {
            for load in ["0.5", "0.9", "1.1", "2"] {
                for seed in [1, 2] {
                    table += &row(policy, depth, load, seed);
                }
            }
        }
    }
    insta::assert_snapshot!(table);
}

fn row(policy: &str, depth: u32, load: &str, seed: u64) -> String {
    let (policy, blocked) = policy.split_once(",skip").map_or((policy, "wait"), |(policy, _)| (policy, "skip"));
    let flags = [
        format!("app=poisson:load={load},when-blocked={blocked}"),
        policy.to_owned(),
        format!("depth={depth}"),
        format!("seed={seed}"),
        "packets=1000".to_owned(),
        "txqueue=8".to_owned(),
        "service=exponential".to_owned(),
        "dma=none".to_owned(),
    ];
    let report = simulate_figures(&settings_of(&flags, Nanos::ZERO), Virtual::default()).unwrap();
    assert!(report.ledger.balanced && report.ring.occupancy_ns == report.ring.held_ns);
    let name = policy.trim_start_matches("policy=");
    let name = if blocked == "skip" { "wait, skip" } else { name };
    let totals = &report.totals;
    format!(
        "{name:13} {depth:>5} {load:>4} {seed:>4} | {:>7} {:>7} {:>9} | {:>9} {:>9} {:>9} | {:>7} {:>5}\n",
        totals.refused,
        totals.dropped,
        totals.delivered,
        human::time(report.sojourn_ns.mean.unwrap()),
        human::time(report.sojourn_ns.p99.unwrap() as f64),
        human::time(report.latency_ns.mean.unwrap()),
        human::time(report.blocked.total_ns as f64),
        human::mean(report.ring.occupancy_mean),
    )
}
