//! A check as text: the verdict in a sentence, then a table.

use shared::report::human;

use super::judge::FEWEST;
use super::points::Clock;
use super::{CheckReport, FigureReport, PointReport, Verdict};
use crate::report::table::markdown;

/// With more points than this, only the figures that are not the same are shown.
const FEW: usize = 4;

/// The text of `check`.
pub(crate) fn text(check: &CheckReport) -> String {
    let mut parts = vec![sentence(check)];
    let points = check.points.iter().zip(1..);
    let described = points.clone().map(|(point, number)| describe(point, number));
    parts.push(described.collect::<Vec<_>>().join("\n"));
    let all = check.points.len() <= FEW;
    let rows: Vec<_> = points
        .flat_map(|(point, number)| point.figures.iter().map(move |figure| (number, point.clock, figure)))
        .filter(|(_, _, figure)| all || figure.verdict != Verdict::Same)
        .map(|(number, clock, figure)| row(number, clock, figure))
        .collect();
    if !rows.is_empty() {
        let header = ["point", "figure", "baseline", "new", "difference", "verdict"];
        parts.push(markdown(2, header, rows));
    }
    parts.join("\n\n")
}

/// The verdict in a sentence.
pub(crate) fn sentence(check: &CheckReport) -> String {
    let tally = check.figures;
    let missing = check.points.iter().filter(|point| point.missing).count();
    let opening = match (tally.worse, missing) {
        (0, 0) if tally.cannot_be_told > 0 && tally.same + tally.better == 0 => {
            format!("It cannot be told, because in real time {FEWEST} runs of each point are needed on both sides")
        }
        (0, 0) => "Nothing is worse".to_owned(),
        (0, _) => "NEW lacks what the baseline has".to_owned(),
        (_, 0) => "Worse than the baseline".to_owned(),
        (_, _) => "Worse than the baseline, and NEW lacks what the baseline has".to_owned(),
    };
    format!(
        "{opening}: {} worse, {} better, {} same, {} cannot be told; points: {}, lacking in NEW: {missing}.",
        tally.worse,
        tally.better,
        tally.same,
        tally.cannot_be_told,
        check.points.len()
    )
}

/// The lines about one point.
fn describe(point: &PointReport, number: usize) -> String {
    let settings = if point.settings.is_empty() { "the defaults".to_owned() } else { point.settings.join(" ") };
    let clock = match point.clock {
        Clock::Real => "real",
        Clock::Virtual => "virtual",
    };
    // What only NEW has was not compared with anything.
    let verdict = (point.baseline_runs > 0).then(|| words(point.verdict, point.clock));
    let found: Vec<_> = verdict.into_iter().chain(point.notes.iter().map(String::as_str)).collect();
    format!(
        "Point {number}: {settings} ({clock} time, {} and {} runs): {}",
        point.baseline_runs,
        point.new_runs,
        found.join("; ")
    )
}

fn row(number: usize, clock: Clock, figure: &FigureReport) -> Vec<String> {
    let shown = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |value| figure.kind.with(value).for_people());
    vec![
        number.to_string(),
        figure.title.to_owned(),
        shown(figure.baseline),
        shown(figure.new),
        difference(figure),
        words(figure.verdict, clock).to_owned(),
    ]
}

/// The verdict in words. In virtual time there is no noise.
fn words(verdict: Verdict, clock: Clock) -> &'static str {
    match (verdict, clock) {
        (Verdict::Worse, _) => "worse",
        (Verdict::CannotBeTold, _) => "cannot be told",
        (Verdict::Better, _) => "better",
        (Verdict::Same, Clock::Real) => "same within noise",
        (Verdict::Same, Clock::Virtual) => "the same",
    }
}

/// New minus baseline, as a share of the baseline where that is not 0, with half the width of its interval.
fn difference(figure: &FigureReport) -> String {
    let (Some(baseline), Some(new)) = (figure.baseline, figure.new) else { return "-".to_owned() };
    let by = figure.difference.unwrap_or(new - baseline);
    let show = |value: f64| {
        if baseline == 0.0 { figure.kind.with(value).for_people() } else { human::percent(value / baseline.abs()) }
    };
    let sign = if by > 0.0 { "+" } else { "" };
    let interval = figure.half_width.map(|half| format!(" +- {}", show(half))).unwrap_or_default();
    format!("{sign}{}{interval}", show(by))
}
