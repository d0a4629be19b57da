//! What the results say, in a sentence.

use shared::report::human;

use super::lines::{Combination, Lines, knee, whole_name};
use crate::points::estimate::Estimated;
use crate::points::output::with_width;

/// The most lines, or points without an axis, that the sentence names.
const MOST_NAMED: usize = 4;

/// What is known of a set of points.
#[derive(Debug)]
pub(crate) struct Estimates<'a> {
    /// What varies.
    pub(crate) keys: &'a [String],
    /// Of each point the values of `keys`, and what its runs say.
    pub(crate) points: Vec<(&'a [String], &'a Estimated)>,
}

/// The verdict in a sentence: where each line has its knee, and what there is then.
pub(crate) fn verdict(results: &Estimates<'_>) -> String {
    let values: Vec<_> = results.points.iter().map(|(values, _)| *values).collect();
    let lines = Lines::of(results.keys, &values);
    let has_result = |point: usize| results.points[point].1.runs > 0;
    let shown: Vec<_> = lines.shown.iter().filter(|line| line.points.iter().any(|(_, at)| has_result(*at))).collect();
    if shown.is_empty() {
        return "No run has a result yet.".to_owned();
    }
    let Some((axis, _)) = lines.axis else { return each_point(results) };
    let key = &results.keys[axis];
    let more = (shown.len() + lines.left_out.len()).saturating_sub(MOST_NAMED);
    let (mut knees, mut rising) = (Vec::new(), Vec::new());
    for line in shown.into_iter().take(MOST_NAMED) {
        let with = if line.name.is_empty() { String::new() } else { format!(" with {}", line.name) };
        let found = knee_of(results, line);
        let Some(point) = found.or(line.points.last().map(|(_, point)| *point)) else { continue };
        let clause = format!("at {key} {}{with} ({})", values[point][axis], figures(results, point));
        if found.is_some() { knees.push(clause) } else { rising.push(clause) }
    }
    let mut text = match (knees.is_empty(), rising.is_empty()) {
        (false, true) => format!("Twice the {key} gains less than 1 % goodput {}", joined(&knees)),
        (false, false) => {
            let (knees, rising) = (joined(&knees), joined(&rising));
            format!("Twice the {key} gains less than 1 % goodput {knees}, but it still rises {rising}")
        }
        (true, _) => format!("Goodput still rises {}", joined(&rising)),
    };
    if more > 0 {
        text +=
            &format!("; {more} more {} in the table", if more == 1 { "combination is" } else { "combinations are" });
    }
    text + "."
}

/// The point at the knee of `line`.
pub(super) fn knee_of(results: &Estimates<'_>, line: &Combination) -> Option<usize> {
    let goodput = |point: usize| results.points[point].1.figure("bits_per_second").mean;
    let points: Vec<_> = line.points.iter().map(|(value, point)| (*value, goodput(*point))).collect();
    knee(&points).map(|at| line.points[at].1)
}

fn each_point(results: &Estimates<'_>) -> String {
    let with_result = (0..results.points.len()).filter(|point| results.points[*point].1.runs > 0);
    let name = |point: usize| whole_name(results.keys, results.points[point].0);
    let clause = |point| format!("{}: {}", name(point), figures(results, point));
    let clauses: Vec<_> = with_result.map(clause).collect();
    let more = clauses.len().saturating_sub(MOST_NAMED);
    let named = clauses[..clauses.len() - more].join("; ");
    // The first letter of a sentence.
    let mut text: String = named[..1].to_uppercase() + &named[1..];
    if more > 0 {
        text += &format!("; {more} more are in the table");
    }
    text + "."
}

/// Goodput, loss and p99 latency of `point`.
fn figures(results: &Estimates<'_>, point: usize) -> String {
    let estimated = results.points[point].1;
    let goodput = human::known(human::bit_rate, estimated.figure("bits_per_second").mean);
    let p99 = human::known(human::time, estimated.figure("latency_p99_ns").mean);
    format!("{goodput}, loss {}, p99 latency {p99}", with_width(estimated.figure("loss_ratio"), human::percent))
}

fn joined(clauses: &[String]) -> String {
    match clauses {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
