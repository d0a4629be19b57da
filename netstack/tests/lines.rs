//! The printed lines of a run equal the series in its report, and both add up to its totals.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

#[path = "hot_path/halves.rs"]
mod halves;

use std::cell::RefCell;
use std::rc::Rc;

use halves::Halves;
use netstack::session::{Outcome, Watch};
use shared::ledger::Counters;
use shared::report::Sample;

fn flags(flags: &[&str]) -> Vec<String> {
    flags.iter().map(|flag| (*flag).to_owned()).collect()
}

fn run(halves: &Halves, over_shm: bool) -> (Outcome, Vec<Sample>) {
    let lines = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&lines);
    let watch: Option<Watch> = Some(Box::new(move |line| seen.borrow_mut().push(*line)));
    let outcome = if over_shm { halves.over_shm(watch).0 } else { halves.over_the_socket(watch) };
    (outcome, lines.take())
}

#[test]
fn lines_equal_the_series_under_every_policy_and_transport() {
    let apps = ["--app=bulk:size=700B", "--app=cbr:load=0.7", "--app=poisson:load=0.6,when-blocked=skip"];
    for policy in ["wait", "drop-newest", "drop-oldest", "deadline=9ms"] {
        for over_shm in [true, false] {
            let policy = format!("--policy={policy}");
            let run_flags = ["--duration=90ms", "--interval=7ms", policy.as_str()];
            let stack = flags(&[&apps[..], &run_flags[..]].concat());
            // Stalls make some frames take longer than an interval, and coalescing delays completions.
            let driver = flags(&["--link=10Mbit", "--stall=every=30ms,for=11ms", "--coalesce=frames=4,for=3ms"]);
            let (outcome, lines) = run(&Halves { stack, driver, depth: 16, in_virtual_time: true }, over_shm);
            assert_eq!(lines, outcome.series, "{policy}, over shared memory: {over_shm}");
            let elapsed = outcome.ended.since(outcome.began).0;
            assert_eq!(lines.last().map(|line| line.time_ns), Some(elapsed));
            assert_eq!(lines.len() as u64, elapsed.div_ceil(7_000_000));

            let mut total = Counters::default();
            outcome.accounts().for_each(|account| total += &account.counters());
            let blocked = outcome.accounts().map(|account| account.blocked_ns()).sum::<u128>();
            let sum = |of: fn(&Sample) -> u64| lines.iter().map(of).sum::<u64>();
            assert_eq!(sum(|line| line.delivered), total.delivered);
            assert_eq!(sum(|line| line.delivered_bytes), total.delivered_bytes);
            assert_eq!(sum(|line| line.dropped), total.dropped());
            assert_eq!(sum(|line| line.refused), total.refused());
            assert_eq!(lines.iter().map(|line| line.blocked_ns).sum::<u128>(), blocked);
            assert!(lines.iter().all(|line| line.blocked_ns <= 3 * 7_000_000), "{lines:?}");
        }
    }
}
