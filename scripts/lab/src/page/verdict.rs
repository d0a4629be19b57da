//! What the results say, in a sentence.

use serde_json::Value;
use shared::report::{ConfigReport, SplitReport, human};

use super::lines::{Combination, Knee, Lines, knee, whole_name};
use super::places::longest;
use crate::points::estimate::Estimated;

/// The most lines, or points without an axis, that the sentence names.
const MOST_NAMED: usize = 4;

/// What is known of a set of points.
#[derive(Debug)]
pub(crate) struct Estimates<'a> {
    /// What varies.
    pub(crate) keys: &'a [String],
    /// Of each point the values of `keys`, and what its runs say.
    pub(crate) points: Vec<(&'a [String], &'a Estimated)>,
    /// The settings of the first point, and where its packets spent their latency, if that is known.
    pub(crate) first: Option<(ConfigReport, Option<SplitReport>)>,
}

/// The verdict in a sentence: where each line has its knee, and what there is then; of a single point, what it is.
pub(crate) fn verdict(results: &Estimates<'_>) -> String {
    let values: Vec<_> = results.points.iter().map(|(values, _)| *values).collect();
    let lines = Lines::of(results.keys, &values);
    let has_result = |point: usize| results.points[point].1.runs > 0;
    let shown: Vec<_> = lines.shown.iter().filter(|line| line.points.iter().any(|(_, at)| has_result(*at))).collect();
    if shown.is_empty() {
        return "No run has a result yet.".to_owned();
    }
    if let ([_], Some((config, split))) = (&values[..], &results.first) {
        return single(results, config, split.as_ref());
    }
    let Some((axis, _)) = lines.axis else { return each_point(results) };
    let key = &results.keys[axis];
    let more = (shown.len() + lines.left_out.len()).saturating_sub(MOST_NAMED);
    // How the sentence begins is said once for all lines that it holds for.
    let mut enough = " is enough for 99 % of the best goodput";
    let clause = |line: &Combination| {
        let with = if line.name.is_empty() { String::new() } else { format!("with {}, ", line.name) };
        let (point, Knee { rises, only, .. }) = knee_of(results, line)?;
        let (value, figures) = (&values[point][axis], figures(results, point));
        Some(match (rises, only) {
            (true, _) => format!("{with}goodput still rises at {key} {value}, the largest value: {figures}"),
            (_, true) => format!("{with}only {key} {value} has a result: {figures}"),
            _ => format!("{with}{key} {value}{}: {figures}", std::mem::take(&mut enough)),
        })
    };
    let clauses: Vec<_> = shown.into_iter().take(MOST_NAMED).filter_map(clause).collect();
    sentence(&clauses, more, if more == 1 { "combination is in the table" } else { "combinations are in the table" })
}

/// The point at the knee of `line`, and what kind of knee it is; `None` if no goodput is known.
pub(super) fn knee_of(results: &Estimates<'_>, line: &Combination) -> Option<(usize, Knee)> {
    let goodput = |point: usize| results.points[point].1.figure("bits_per_second").mean;
    let found = knee(&line.points.iter().map(|(_, point)| goodput(*point)).collect::<Vec<_>>())?;
    Some((line.points[found.at].1, found))
}

/// What ran, what came of it, and where most of the latency was spent.
fn single(results: &Estimates<'_>, config: &ConfigReport, split: Option<&SplitReport>) -> String {
    let mut text = format!("{}: {}", what_ran(config), figures(results, 0));
    if let Some((there, share)) = split.and_then(longest) {
        text += &format!("; {} of the mean latency was spent {there}", human::percent(share));
    }
    text + "."
}

/// The apps and the ring, as in `bulk and 2 poisson over 16 slots, wait`.
fn what_ran(config: &ConfigReport) -> String {
    let apps = config.netstack.get("apps").and_then(Value::as_array);
    let mut kinds: Vec<(&str, usize)> = Vec::new();
    for spec in apps.into_iter().flatten().filter_map(Value::as_str) {
        let kind = spec.split(':').next().unwrap_or(spec);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, count)) => *count += 1,
            None => kinds.push((kind, 1)),
        }
    }
    let counted = |(kind, count): &(&str, usize)| match count {
        1 => (*kind).to_owned(),
        count => format!("{count} {kind}"),
    };
    let apps = match &kinds.iter().map(counted).collect::<Vec<_>>()[..] {
        [] => "No app".to_owned(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    // A setting may be spelled as text.
    let setting = |name: &str| config.netstack.get(name).map(|value| value.to_string().trim_matches('"').to_owned());
    let slots = setting("depth").map(|depth| format!(" over {depth} {}", if depth == "1" { "slot" } else { "slots" }));
    let policy = setting("policy").map(|policy| format!(", {policy}"));
    apps + &slots.unwrap_or_default() + &policy.unwrap_or_default()
}

fn each_point(results: &Estimates<'_>) -> String {
    let with_result = (0..results.points.len()).filter(|point| results.points[*point].1.runs > 0);
    let name = |point: usize| whole_name(results.keys, results.points[point].0);
    let clause = |point| format!("{}: {}", name(point), figures(results, point));
    let clauses: Vec<_> = with_result.map(clause).collect();
    let named = clauses.len().min(MOST_NAMED);
    sentence(&clauses[..named], clauses.len() - named, "are in the table")
}

/// `clauses`, and that there are `more` of them.
fn sentence(clauses: &[String], more: usize, are_in_the_table: &str) -> String {
    let text = clauses.join("; ");
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let more = if more > 0 { format!("; {more} more {are_in_the_table}") } else { String::new() };
    format!("{first}{}{more}.", letters.as_str())
}

/// Goodput, loss and p99 latency of `point`, and how long senders were blocked if they were.
fn figures(results: &Estimates<'_>, point: usize) -> String {
    let mean = |key| results.points[point].1.figure(key).mean;
    let goodput = human::known(human::bit_rate, mean("bits_per_second"));
    let loss = human::known(human::percent, mean("loss_ratio"));
    let p99 = human::known(human::time, mean("latency_p99_ns"));
    let blocked = mean("blocked_ns").filter(|blocked| *blocked > 0.0);
    let blocked = blocked.map(|blocked| format!(", senders blocked {} in all", human::time(blocked)));
    format!("{goodput}, loss {loss}, p99 latency {p99}{}", blocked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run;

    /// The verdict on runs with these policies, depths, goodputs in Mbit/s and times blocked in milliseconds.
    fn on(runs: &[(&str, u32, f64, u128)]) -> String {
        let keys = ["depth", "policy"].map(str::to_owned);
        let reports = runs.iter().map(|(policy, _, goodput, blocked)| {
            let mut report = run(policy, 1000, if *policy == "wait" { 0 } else { 25 });
            report.rate.bits_per_second = Some(goodput * 1e6);
            report.blocked.total_ns = blocked * 1_000_000;
            Estimated::of_report(&report)
        });
        let estimated: Vec<_> = reports.collect();
        let values: Vec<_> = runs.iter().map(|run| [run.1.to_string(), run.0.to_owned()]).collect();
        let points = values.iter().map(|values| &values[..]).zip(&estimated).collect();
        verdict(&Estimates { keys: &keys, points, first: None })
    }

    #[test]
    fn each_line_has_its_knee() {
        let runs = [
            ("wait", 1, 861.0, 579),
            ("drop-newest", 1, 436.0, 0),
            ("wait", 8, 861.0, 345),
            ("drop-newest", 8, 852.0, 0),
            ("wait", 64, 861.0, 153),
            ("drop-newest", 64, 856.0, 0),
        ];
        assert_eq!(
            on(&runs),
            "With wait, depth 1 is enough for 99 % of the best goodput: 861 Mbit/s, loss 0 %, p99 latency 15.7 ms, senders \
             blocked 579 ms in all; with drop-newest, depth 8: 852 Mbit/s, loss 2.50 %, p99 latency 15.7 ms."
        );
    }

    #[test]
    fn a_line_that_still_rises_has_no_knee() {
        assert_eq!(
            on(&[("drop-newest", 1, 436.0, 0), ("drop-newest", 64, 841.0, 0), ("drop-newest", 128, 856.0, 0)]),
            "Goodput still rises at depth 128, the largest value: 856 Mbit/s, loss 2.50 %, p99 latency 15.7 ms."
        );
        let mixed = on(&[("drop-newest", 1, 436.0, 0), ("drop-newest", 8, 856.0, 0), ("wait", 1, 9.0, 1)]);
        assert!(mixed.starts_with("With drop-newest, goodput still rises at depth 8, the largest value: "), "{mixed}");
        assert!(mixed.contains("; with wait, only depth 1 has a result: 9 Mbit/s"), "{mixed}");
    }

    #[test]
    fn without_numbers_every_point_is_stated() {
        let text = on(&[("wait", 8, 861.0, 1), ("drop-newest", 8, 806.0, 0)]);
        assert!(
            text.starts_with("Depth 8, policy wait: 861 Mbit/s") && text.contains("; depth 8, policy drop-newest: ")
        );
        let many: Vec<_> = (0..6).map(|_| ("wait", 8, 861.0, 0)).collect();
        assert!(on(&many).ends_with("; 2 more are in the table."));
    }

    #[test]
    fn a_single_point_says_what_ran_and_where_its_packets_were() {
        let mut report = run("wait", 10, 0);
        let config = |apps: &[&str], depth: Value| {
            let mut config = run("wait", 10, 0).config;
            (config.netstack["apps"], config.netstack["depth"]) = (apps.into(), depth);
            config
        };
        let split = SplitReport { packets: 10, latency_ns: 1000, source_ns: 999, room_ns: 1, ..SplitReport::default() };
        report.config = config(&["bulk:name=big", "poisson:name=small,size=64B"], 16.into());
        let estimated = Estimated::of_report(&report);
        let first = Some((report.config, Some(split)));
        let results = Estimates { keys: &[], points: vec![(&[], &estimated)], first };
        assert_eq!(
            verdict(&results),
            "bulk and poisson over 16 slots, wait: 95.7 Mbit/s, loss 0 %, p99 latency 15.7 ms; 99.9 % of the mean latency \
             was spent at the source."
        );
        assert_eq!(
            what_ran(&config(&["bulk", "cbr:load=1", "bulk:x"], "1".into())),
            "2 bulk and cbr over 1 slot, wait"
        );
        assert_eq!(what_ran(&run("wait", 1, 0).config), "No app, wait");
    }
}
