//! What a comparison means, in sentences that are computed from it.

use shared::report::human::{count, percent, time};
use shared::report::{RunReport, Summary};

use crate::figures::POLICY;

/// The policy that loses nothing.
const WAIT: &str = "wait";

/// How much longer a packet must take from its intended time than from acceptance, before we say
/// that it waited at its sender.
const MOVED: f64 = 2.0;

/// At most three sentences, and the warnings of the runs behind them.
pub(crate) fn story(runs: &[RunReport]) -> Vec<String> {
    let waiting = runs.iter().find(|run| policy(run) == WAIT);
    let worst = runs.iter().filter(|run| run.totals.dropped > 0).max_by(|a, b| loss(a).total_cmp(&loss(b)));
    let mut sentences = vec![losses(runs)];
    sentences.extend(waiting.map(price_of_waiting));
    sentences.extend(waiting.zip(worst).map(|(waiting, worst)| where_the_delay_is(waiting, worst)));
    for run in runs {
        sentences.extend(run.warnings.iter().map(|warning| format!("Warning ({}): {warning}.", policy(run))));
    }
    sentences
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
        format!("{} lost {dropped} of {accepted} packets ({})", policy(run), percent(loss(run)))
    });
    match &lost.collect::<Vec<_>>()[..] {
        [] => "Nothing was dropped: the policies differ only when the ring is full.".to_owned(),
        [one] => format!("{}.", capital(one)),
        [some @ .., last] => format!("{}, and {last}.", capital(&some.join(", "))),
    }
}

/// What waiting cost the senders.
fn price_of_waiting(run: &RunReport) -> String {
    let totals = &run.totals;
    if totals.dropped > 0 {
        return format!(
            "Waiting does not help where the driver finds frames to be wrong: {} were.",
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

/// From acceptance alone, waiting seems to cost nothing.
fn where_the_delay_is(waiting: &RunReport, worst: &RunReport) -> String {
    let medians = |times: fn(&RunReport) -> &Summary| {
        let median = |run| time(times(run).p50 as f64);
        format!("{} under {WAIT} and {} under {}", median(waiting), median(worst), policy(worst))
    };
    let (accepted, intended) = (medians(|run| &run.sojourn_ns), medians(|run| &run.latency_ns));
    let moved = waiting.latency_ns.p50 as f64 > MOVED * waiting.sojourn_ns.p50 as f64;
    let moral = if moved { ": the delay moved to the senders" } else { "" };
    format!("From acceptance the median packet took {accepted}; from its intended time {intended}{moral}.")
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}
