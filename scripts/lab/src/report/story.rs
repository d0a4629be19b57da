//! Sentences that explain a comparison, computed from its figures.

use shared::report::human::{count, percent, time};
use shared::report::{RunReport, Summary, Warning};

use crate::report::figures::POLICY;

/// The policy that never drops because the ring is full.
const WAIT: &str = "wait";

/// A median latency above twice the median sojourn means that packets waited at their senders.
const MOVED_FACTOR: f64 = 2.0;

/// A run is compared as "losing" if its loss is at least nine tenths of the greatest: closer losses differ by chance.
const NEAR_GREATEST: f64 = 0.9;

/// Returns at most three sentences, then the warnings of the runs.
pub(crate) fn story(runs: &[RunReport]) -> Vec<String> {
    let waiting = runs.iter().find(|run| policy(run) == WAIT);
    let greatest = runs.iter().map(loss).fold(0.0, f64::max);
    let losing = runs.iter().find(|run| run.totals.dropped > 0 && loss(run) >= NEAR_GREATEST * greatest);
    let mut sentences = vec![losses(runs)];
    sentences.extend(waiting.map(price_of_waiting));
    sentences.extend(waiting.zip(losing).map(|(waiting, losing)| median_times(waiting, losing)));
    sentences.extend(warnings(runs, policy));
    sentences
}

/// Each kind of warning once, with the text of its first run and the `name`s of all runs that have it. Warnings that
/// differ only in their numbers are of one kind.
pub(crate) fn warnings(runs: &[RunReport], name: impl Fn(&RunReport) -> String) -> impl Iterator<Item = String> {
    let wording = |warning: &str| warning.replace(|c: char| c.is_ascii_digit() || c == '.', "");
    let mut kinds: Vec<(String, &Warning, Vec<String>)> = Vec::new();
    for (run, warning) in runs.iter().flat_map(|run| run.warnings.iter().map(move |warning| (run, warning))) {
        let wording = wording(&warning.text);
        match kinds.iter_mut().find(|(known, ..)| *known == wording) {
            Some((.., whose)) => whose.push(name(run)),
            None => kinds.push((wording, warning, vec![name(run)])),
        }
    }
    kinds.into_iter().map(|(_, warning, whose)| match &whose[..] {
        [first, others @ ..] if !others.is_empty() => {
            format!("Warning ({first}, and likewise {}): {warning}.", others.join(", "))
        }
        _ => format!("Warning ({}): {warning}.", whose.concat()),
    })
}

fn policy(run: &RunReport) -> String {
    (POLICY.of)(run).for_people()
}

fn loss(run: &RunReport) -> f64 {
    run.totals.loss_ratio
}

fn losses(runs: &[RunReport]) -> String {
    let losers = runs.iter().filter(|run| run.totals.dropped > 0);
    let lost = losers.map(|run| {
        let (dropped, accepted) = (count(run.totals.dropped), count(run.totals.accepted));
        format!("{} {dropped} of {accepted} packets ({})", policy(run), percent(loss(run)))
    });
    let lost: Vec<_> = lost.collect();
    if lost.is_empty() {
        return "Nothing was dropped: the policies differ only when the ring is full.".to_owned();
    }
    format!("Lost: {}.", lost.join(", "))
}

/// Describes how long the senders were blocked under `wait`.
fn price_of_waiting(run: &RunReport) -> String {
    let totals = &run.totals;
    if totals.dropped > 0 {
        return format!(
            "Waiting does not prevent drops of frames that the driver finds wrong: {} were dropped.",
            count(totals.dropped)
        );
    }
    let lost = format!("Waiting lost none of {}", count(totals.accepted));
    let blocked = time(run.blocked.total_ns as f64);
    match (run.blocked.total_ns, totals.refused) {
        (0, _) => format!("{lost}, and no sender had to wait."),
        (_, 0) => format!("{lost}: the senders were blocked for {blocked} in all."),
        (_, kept) => format!(
            "{lost}: the senders were blocked for {blocked} in all, and still had {} packets that they had not sent when the time was up.",
            count(kept)
        ),
    }
}

/// Compares the medians from acceptance and from intended time: from acceptance alone, waiting seems to cost nothing.
fn median_times(waiting: &RunReport, losing: &RunReport) -> String {
    let medians = |times: fn(&RunReport) -> &Summary| {
        let median = |run| time(times(run).p50 as f64);
        format!("{} under {WAIT} and {} under {}", median(waiting), median(losing), policy(losing))
    };
    let (accepted, intended) = (medians(|run| &run.sojourn_ns), medians(|run| &run.latency_ns));
    let moved = waiting.latency_ns.p50 as f64 > MOVED_FACTOR * waiting.sojourn_ns.p50 as f64;
    let conclusion = if moved { ": the delay moved to the senders" } else { "" };
    format!("From acceptance the median packet took {accepted}; from its intended time {intended}{conclusion}.")
}

#[cfg(test)]
mod tests {
    use shared::report::WarningCode;

    use super::*;
    use crate::fixture::{run, times};

    fn joined(runs: &[RunReport]) -> String {
        story(runs).join("\n")
    }

    fn waiting() -> RunReport {
        let mut run = run("wait", 40_632, 0);
        run.latency_ns = times(40_632, 1_250_000_000);
        run.blocked.total_ns = 4_100_000_000;
        run
    }

    #[test]
    fn twice_what_the_link_carries() {
        let runs = [waiting(), run("drop-newest", 40_632, 20_316), run("drop-oldest", 40_632, 20_252)];
        insta::assert_snapshot!(joined(&runs), @"
        Lost: drop-newest 20,316 of 40,632 packets (50 %), drop-oldest 20,252 of 40,632 packets (49.8 %).
        Waiting lost none of 40,632: the senders were blocked for 4.10 s in all.
        From acceptance the median packet took 7.82 ms under wait and 7.82 ms under drop-newest; from its intended time 1.25 s under wait and 7.83 ms under drop-newest: the delay moved to the senders.
        ");
    }

    #[test]
    fn a_run_of_fixed_time_leaves_packets_with_their_senders() {
        let mut waiting = waiting();
        waiting.totals.accepted = 20_380;
        waiting.totals.refused = 20_252;
        insta::assert_snapshot!(joined(&[waiting, run("deadline=5ms", 40_632, 20_252)]), @"
        Lost: deadline=5ms 20,252 of 40,632 packets (49.8 %).
        Waiting lost none of 20,380: the senders were blocked for 4.10 s in all, and still had 20,252 packets that they had not sent when the time was up.
        From acceptance the median packet took 7.82 ms under wait and 7.82 ms under deadline=5ms; from its intended time 1.25 s under wait and 7.83 ms under deadline=5ms: the delay moved to the senders.
        ");
    }

    #[test]
    fn less_than_the_link_carries() {
        insta::assert_snapshot!(joined(&[run("wait", 18_284, 0), run("drop-newest", 18_284, 0)]), @"
        Nothing was dropped: the policies differ only when the ring is full.
        Waiting lost none of 18,284, and no sender had to wait.
        ");
    }

    fn idle(share: &str) -> Warning {
        Warning::new(WarningCode::HardwareStarved, format!("the hardware stood idle for {share} of the run"))
    }

    #[test]
    fn warnings_name_the_runs_that_have_them() {
        let mut starved = run("drop-newest", 100, 60);
        starved.warnings = vec![idle("29.3 %")];
        let mut likewise = run("wait", 100, 0);
        likewise.warnings = vec![idle("1.2 %"), Warning::new(WarningCode::Other, "another")];
        insta::assert_snapshot!(joined(&[starved, likewise]), @"
        Lost: drop-newest 60 of 100 packets (60 %).
        Waiting lost none of 100, and no sender had to wait.
        From acceptance the median packet took 7.82 ms under wait and 7.82 ms under drop-newest; from its intended time 7.83 ms under wait and 7.83 ms under drop-newest.
        Warning (drop-newest, and likewise wait): the hardware stood idle for 29.3 % of the run.
        Warning (wait): another.
        ");
    }
}
