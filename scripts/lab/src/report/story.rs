//! Sentences that explain a comparison, computed from its figures.

use shared::report::human::{count, percent, time};
use shared::report::{RunReport, Summary, Warning};

use crate::report::figures::POLICY;

/// The policy that never drops because the ring is full.
const WAIT: &str = "wait";

/// A median latency above twice the median sojourn means that packets waited at their senders.
const MOVED_FACTOR: f64 = 2.0;

/// A setting is compared as "losing" if its loss is at least nine tenths of the greatest: closer losses differ by chance.
const NEAR_GREATEST: f64 = 0.9;

/// A setting of a comparison, with its runs; there is at least one.
#[derive(Debug)]
pub(crate) struct Told<'a> {
    /// What it is called: a policy, or what varies with its value.
    pub(crate) name: String,
    pub(crate) runs: Vec<&'a RunReport>,
}

impl Told<'_> {
    fn sum(&self, of: fn(&RunReport) -> u64) -> u64 {
        self.runs.iter().map(|run| of(run)).sum()
    }

    fn mean(&self, of: impl Fn(&RunReport) -> f64) -> f64 {
        self.runs.iter().map(|run| of(run)).sum::<f64>() / self.runs.len() as f64
    }

    fn dropped(&self) -> u64 {
        self.sum(|run| run.totals.dropped)
    }

    fn accepted(&self) -> u64 {
        self.sum(|run| run.totals.accepted)
    }

    fn loss(&self) -> f64 {
        if self.dropped() == 0 { 0.0 } else { self.dropped() as f64 / self.accepted() as f64 }
    }

    /// `None` if a run delivered nothing.
    fn median(&self, of: fn(&RunReport) -> &Summary) -> Option<f64> {
        let medians: Option<Vec<u64>> = self.runs.iter().map(|run| of(run).p50).collect();
        medians.map(|medians| medians.iter().sum::<u64>() as f64 / self.runs.len() as f64)
    }

    /// Nanoseconds in all, for a run.
    fn blocked(&self) -> f64 {
        self.mean(|run| run.blocked.total_ns as f64)
    }

    fn waits(&self) -> bool {
        self.runs.iter().all(|run| (POLICY.of)(run).for_people() == WAIT)
    }
}

/// Returns at most three sentences, then the warnings of the runs. `policies` tells whether the policy alone varies.
pub(crate) fn story(settings: &[Told<'_>], policies: bool) -> Vec<String> {
    let waiting: Vec<_> = settings.iter().filter(|setting| setting.waits()).collect();
    let greatest = settings.iter().map(Told::loss).fold(0.0, f64::max);
    let is_losing = |setting: &&Told<'_>| setting.dropped() > 0 && setting.loss() >= NEAR_GREATEST * greatest;
    let losing = settings.iter().find(is_losing);
    let mut sentences = vec![losses(settings, policies)];
    sentences.extend(match &waiting[..] {
        [] => None,
        [one] => Some(price_of_waiting(one)),
        several => prices_of_waiting(several),
    });
    let medians = match (&waiting[..], losing) {
        ([waiting, ..], Some(losing)) => Some((*waiting, losing)),
        ([first, .., last], None) => Some((*first, *last)),
        _ => None,
    };
    sentences.extend(medians.and_then(|(waiting, other)| median_times(waiting, other)));
    let runs = settings.iter().flat_map(|setting| setting.runs.iter().map(|run| (setting.name.clone(), *run)));
    sentences.extend(warnings(runs));
    sentences
}

/// Each kind of warning once, with the text of its first run and the names of all runs that have it. Warnings that
/// differ only in their numbers are of one kind.
pub(crate) fn warnings<'a>(runs: impl Iterator<Item = (String, &'a RunReport)>) -> impl Iterator<Item = String> {
    let wording = |warning: &str| warning.replace(|c: char| c.is_ascii_digit() || c == '.', "");
    let mut kinds: Vec<(String, &Warning, Vec<String>)> = Vec::new();
    for (name, run) in runs {
        for warning in &run.warnings {
            let wording = wording(&warning.text);
            match kinds.iter_mut().find(|(known, ..)| *known == wording) {
                Some((.., whose)) if whose.contains(&name) => {}
                Some((.., whose)) => whose.push(name.clone()),
                None => kinds.push((wording, warning, vec![name.clone()])),
            }
        }
    }
    kinds.into_iter().map(|(_, warning, whose)| match &whose[..] {
        [first, others @ ..] if !others.is_empty() => {
            format!("Warning ({first}, and likewise {}): {warning}.", others.join(", "))
        }
        _ => format!("Warning ({}): {warning}.", whose.concat()),
    })
}

fn losses(settings: &[Told<'_>], policies: bool) -> String {
    let losers = settings.iter().filter(|setting| setting.dropped() > 0);
    let lost = losers.map(|setting| {
        let (dropped, accepted) = (count(setting.dropped()), count(setting.accepted()));
        format!("{} {dropped} of {accepted} packets ({})", setting.name, percent(setting.loss()))
    });
    let lost: Vec<_> = lost.collect();
    match (lost.is_empty(), policies) {
        (true, true) => "Nothing was dropped: the policies differ only when the ring is full.".to_owned(),
        (true, false) => "Nothing was dropped.".to_owned(),
        (false, _) => format!("Lost: {}.", lost.join(", ")),
    }
}

/// Describes how long the senders were blocked under `wait`.
fn price_of_waiting(setting: &Told<'_>) -> String {
    if setting.dropped() > 0 {
        return format!(
            "Waiting does not prevent drops of frames that the driver finds wrong: {} were dropped.",
            count(setting.dropped())
        );
    }
    let lost = format!("Waiting lost none of {}", count(setting.accepted()));
    let blocked = time(setting.blocked());
    let senders = senders(setting);
    match (setting.blocked() == 0.0, setting.sum(|run| run.totals.refused)) {
        (true, _) => format!("{lost}, and no sender had to wait."),
        (_, 0) => format!("{lost}: {senders} were blocked for {blocked} in all."),
        (_, kept) => format!(
            "{lost}: {senders} were blocked for {blocked} in all, and still had {} packets that they had not sent when the time was up.",
            count(kept)
        ),
    }
}

/// The same of several settings that wait: where the senders were blocked for the shortest and for the longest time.
/// `None` if frames were dropped because the driver found them wrong.
fn prices_of_waiting(settings: &[&Told<'_>]) -> Option<String> {
    let by_time = |one: &&&Told<'_>, other: &&&Told<'_>| one.blocked().total_cmp(&other.blocked());
    let (shortest, longest) = (settings.iter().min_by(by_time)?, settings.iter().max_by(by_time)?);
    if settings.iter().any(|setting| setting.dropped() > 0) {
        return None;
    }
    let lost = format!("Waiting lost none of {}", count(settings.iter().map(|setting| setting.accepted()).sum()));
    if longest.blocked() == 0.0 {
        return Some(format!("{lost}, and no sender had to wait."));
    }
    let named = |setting: &Told<'_>| format!("{} under {}", time(setting.blocked()), setting.name);
    let senders = senders(longest);
    Some(format!("{lost}: {senders} were blocked for {} to {}.", named(shortest), named(longest)))
}

fn senders(setting: &Told<'_>) -> &'static str {
    if setting.runs.len() > 1 { "in an average run the senders" } else { "the senders" }
}

/// Compares the medians of sojourn and latency: by the sojourn alone, waiting seems to cost nothing. `None` if nothing was
/// delivered on one side.
fn median_times(waiting: &Told<'_>, other: &Told<'_>) -> Option<String> {
    let medians = |times: fn(&RunReport) -> &Summary| {
        let median = |setting: &Told<'_>| Some(format!("{} under {}", time(setting.median(times)?), setting.name));
        Some(format!("{} and {}", median(waiting)?, median(other)?))
    };
    let (accepted, intended) = (medians(|run| &run.sojourn_ns)?, medians(|run| &run.latency_ns)?);
    let moved = waiting.median(|run| &run.latency_ns)? > MOVED_FACTOR * waiting.median(|run| &run.sojourn_ns)?;
    let conclusion = if moved { ": the delay moved to the senders" } else { "" };
    Some(format!("The median sojourn was {accepted}; the median latency {intended}{conclusion}."))
}

#[cfg(test)]
mod tests {
    use shared::report::WarningCode;

    use super::*;
    use crate::fixture::{run, times};

    fn joined(runs: &[RunReport]) -> String {
        let policies = runs.iter().map(|run| Told { name: (POLICY.of)(run).for_people(), runs: vec![run] });
        story(&policies.collect::<Vec<_>>(), true).join("\n")
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
        The median sojourn was 7.82 ms under wait and 7.82 ms under drop-newest; the median latency 1.25 s under wait and 7.83 ms under drop-newest: the delay moved to the senders.
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
        The median sojourn was 7.82 ms under wait and 7.82 ms under deadline=5ms; the median latency 1.25 s under wait and 7.83 ms under deadline=5ms: the delay moved to the senders.
        ");
    }

    #[test]
    fn less_than_the_link_carries() {
        insta::assert_snapshot!(joined(&[run("wait", 18_284, 0), run("drop-newest", 18_284, 0)]), @"
        Nothing was dropped: the policies differ only when the ring is full.
        Waiting lost none of 18,284, and no sender had to wait.
        ");
    }

    #[test]
    fn where_another_setting_varies_it_is_named_and_runs_are_taken_together() {
        let (short, long, lossy) = (waiting(), run("wait", 40_632, 0), run("drop-newest", 40_632, 20_316));
        let told = |name: &str, one| Told { name: name.to_owned(), runs: vec![one, one] };
        let depths = [told("depth=8", &short), told("depth=64", &long)];
        let both = [told("depth=8, policy=wait", &short), told("depth=8, policy=drop-newest", &lossy)];
        insta::assert_snapshot!([story(&depths, false), story(&both, false)].concat().join("\n"), @"
        Nothing was dropped.
        Waiting lost none of 162,528: in an average run the senders were blocked for 0 ns under depth=64 to 4.10 s under depth=8.
        The median sojourn was 7.82 ms under depth=8 and 7.82 ms under depth=64; the median latency 1.25 s under depth=8 and 7.83 ms under depth=64: the delay moved to the senders.
        Lost: depth=8, policy=drop-newest 40,632 of 81,264 packets (50 %).
        Waiting lost none of 81,264: in an average run the senders were blocked for 4.10 s in all.
        The median sojourn was 7.82 ms under depth=8, policy=wait and 7.82 ms under depth=8, policy=drop-newest; the median latency 1.25 s under depth=8, policy=wait and 7.83 ms under depth=8, policy=drop-newest: the delay moved to the senders.
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
        The median sojourn was 7.82 ms under wait and 7.82 ms under drop-newest; the median latency 7.83 ms under wait and 7.83 ms under drop-newest.
        Warning (drop-newest, and likewise wait): the hardware stood idle for 29.3 % of the run.
        Warning (wait): another.
        ");
    }
}
