//! One point in detail: over the time of one run, and by quantile.

use shared::report::{BlameReport, Distribution, RunReport, SplitReport, Summary, human};
use shared::units::Nanos;

use super::lines::Lines;
use super::places::{glossary, shown};
use super::results::{Results, ResultsError};
use super::series::{Fineness, fineness, over_time};
use super::verdict::knee_of;
use crate::report::chart::{Axis, Chart, Kind, LATENCY, Line, Mark, SOJOURN, Unit};

/// Points of a cumulative distribution.
const MOST_POINTS: usize = 64;
/// The quantiles of a report, by name.
const QUANTILES: [&str; 5] = ["p50", "p90", "p99", "p99.9", "max"];

/// A point in detail.
#[derive(Debug)]
pub(super) struct Detail {
    /// Its number.
    pub(super) point: usize,
    /// Why this one is shown.
    pub(super) why: String,
    pub(super) charts: Vec<Chart>,
    /// Who held the slots while apps waited for room, if any did.
    pub(super) blame: Option<BlameReport>,
    /// What the figures are of, and what they do not show.
    pub(super) notes: Vec<String>,
}

/// The point `asked` for in detail, or that at the knee; `None` if it has no report.
///
/// # Errors
/// If there is no such point, or its report cannot be read.
pub(super) fn detail(results: &Results, asked: Option<usize>) -> Result<Option<Detail>, ResultsError> {
    let count = results.points.len();
    if let Some(number) = asked.filter(|number| *number >= count) {
        return Err(ResultsError::NoPoint { number, count });
    }
    let chosen = asked.map(|point| (point, "This is the marked row of the table below: --point named it.".to_owned()));
    let Some((point, why)) = chosen.or_else(|| default_point(results)) else { return Ok(None) };
    let Some(report) = results.report(point)? else { return Ok(None) };
    let mut notes =
        vec![format!("The run with seed {}, which took {}.", report.seed, human::time(report.elapsed_ns as f64))];
    let fineness = fineness(&report);
    let finer = if fineness == Fineness::Fine { None } else { results.again_with_finer_series(point, &report) };
    notes.extend(note_on_series(&report, fineness, finer.as_ref()));
    let mut charts = Vec::new();
    if finer.is_some() || fineness != Fineness::TooCoarse {
        let (figures, note) = over_time(finer.as_ref().unwrap_or(&report));
        charts.extend(figures);
        notes.extend(note);
    }
    charts.extend(report.latency_split.as_ref().filter(|split| split.latency_ns > 0).map(split));
    charts.extend((report.sojourn_ns.count > 0).then(|| quantiles(&report)));
    charts.extend((report.distributions.latency_ns.count() > 0).then(|| distribution(&report)));
    let blame = report.blame.clone().filter(|blame| blame.rows.iter().any(|row| row.blocked_ns > 0));
    Ok(Some(Detail { point, why, charts, blame, notes }))
}

/// What is to be said of the series of `report`, which was simulated again as `finer`, or could not be.
fn note_on_series(report: &RunReport, fineness: Fineness, finer: Option<&RunReport>) -> Option<String> {
    let intervals = format!(
        "{} of {}",
        human::counted(report.series.len() as u64, "interval"),
        human::time(report.series_interval_ns as f64)
    );
    match (finer, fineness) {
        (Some(finer), _) => Some(format!(
            "Its series was too coarse for a figure over time ({intervals}), so it was simulated again with --interval {}; \
             all other figures of both are equal.",
            Nanos(finer.series_interval_ns),
        )),
        (None, Fineness::TooCoarse) => Some(format!(
            "Figures over time are left out, because its series has only {intervals}; a longer run or a shorter --interval \
             has them."
        )),
        (None, Fineness::Coarse) => {
            Some(format!("Its series is coarse ({intervals}); a longer run or a shorter --interval shows more."))
        }
        (None, Fineness::Fine) => None,
    }
}

/// The point at the knee, and the rule by which it is found.
fn default_point(results: &Results) -> Option<(usize, String)> {
    let lines = Lines::of(&results.keys, &results.values());
    let has_result = |point: &usize| results.points[*point].estimated.runs > 0;
    if let Some((axis, _)) = lines.axis {
        let key = &results.keys[axis];
        let estimates = results.estimates();
        let knee = |line| {
            let (point, _) = knee_of(&estimates, line)?;
            Some((line, point, line.points.iter().find(|at| at.1 == point)?.0))
        };
        let knees = lines.shown.iter().filter_map(knee).filter(|(_, point, _)| has_result(point));
        if let Some((line, point, _)) = knees.max_by(|one, other| one.2.total_cmp(&other.2)) {
            let rule = if lines.shown.len() > 1 {
                format!("of all lines, {} needs the largest {key} for 99 % of its best goodput", line.name)
            } else {
                format!("its {key} is the smallest with 99 % of the best goodput")
            };
            return Some((point, format!("This is the marked row of the table below: {rule}.")));
        }
    }
    let first = (0..results.points.len()).find(has_result)?;
    let more = if results.points.len() > 1 { "This is the marked row of the table below: the first one." } else { "" };
    Some((first, more.to_owned()))
}

fn quantiles(report: &RunReport) -> Chart {
    let line = |colour: usize, name: &str, times: &Summary| {
        let values = [times.p50, times.p90, times.p99, times.p999, times.max];
        let marks = (0..).zip(QUANTILES).zip(values).filter_map(|((at, quantile), value)| {
            let nanos = value? as f64;
            let title = format!("{name}, {quantile}: {}", human::time(nanos));
            Some(Mark { x: f64::from(at), y: nanos, bounds: None, title })
        });
        Line { name: name.to_owned(), kind: Kind::Measured, colour, marks: marks.collect() }
    };
    let lines = vec![
        line(LATENCY, "latency, from the intended time", &report.latency_ns),
        line(SOJOURN, "sojourn, from acceptance", &report.sojourn_ns),
    ];
    Chart {
        id: "quantiles",
        title: "Latency and sojourn by quantile".to_owned(),
        description: "Times of the delivered packets by quantile: p99 is the time that 99 % of them took at most."
            .to_owned(),
        note: String::new(),
        x: Axis::of_names("quantile", QUANTILES.map(str::to_owned).into()),
        y: Axis::holding("time of the delivered packets", Unit::Time, &lines),
        lines,
        shades: Vec::new(),
        shade_name: "",
    }
}

/// Where the packets spent their latency, on average.
fn split(split: &SplitReport) -> Chart {
    let places = shown(split);
    let mean = |span: u128| span as f64 / split.packets.max(1) as f64;
    // The first place is the uppermost one.
    let marks = places.iter().rev().zip(0u32..).map(|((_, span), at)| Mark {
        x: mean(*span),
        y: at.into(),
        bounds: None,
        title: format!("{}, {}", human::time(mean(*span)), human::percent(*span as f64 / split.latency_ns as f64)),
    });
    let lines = vec![Line { name: String::new(), kind: Kind::Bars, colour: 0, marks: marks.collect() }];
    let longest = lines.iter().flat_map(|line| &line.marks).map(|mark| mark.x).fold(0.0, f64::max);
    let names: Vec<String> = places.iter().rev().map(|(place, _)| (*place).to_owned()).collect();
    Chart {
        id: "latency-split",
        title: format!("Where a packet spent its mean latency of {}", human::time(mean(split.latency_ns))),
        description:
            "The mean time of a delivered packet in each place, from its intended time to its completion. The \
                      means add up to that of the latency; quantiles would not add up."
                .to_owned(),
        note: glossary(split),
        x: Axis::of_bars("mean time of a delivered packet", Unit::Time, longest),
        y: Axis::of_names("place, in the order in which a packet passes them", names),
        lines,
        shades: Vec::new(),
        shade_name: "",
    }
}

/// The cumulative distributions of latency and sojourn.
fn distribution(report: &RunReport) -> Chart {
    let line = |colour: usize, name: &str, times: &Distribution| {
        let points = times.cumulative(MOST_POINTS);
        let begin =
            points.first().map(|(time, _)| Mark { x: *time as f64, y: 0.0, bounds: None, title: String::new() });
        let marks = points.iter().map(|&(time, share)| Mark {
            x: time as f64,
            y: share,
            bounds: None,
            title: format!("{name}: {} within {}", human::percent(share), human::time(time as f64)),
        });
        let marks = begin.into_iter().chain(marks);
        Line { name: name.to_owned(), kind: Kind::Trace, colour, marks: marks.collect() }
    };
    let all = &report.distributions;
    let lines = vec![
        line(LATENCY, "latency, from the intended time", &all.latency_ns),
        line(SOJOURN, "sojourn, from acceptance", &all.sojourn_ns),
    ];
    let times: Vec<f64> = lines.iter().flat_map(|line| &line.marks).map(|mark| mark.x).collect();
    Chart {
        id: "distribution",
        title: "Distribution of latency and sojourn".to_owned(),
        description: "The share of the delivered packets that took at most a time.".to_owned(),
        note: String::new(),
        x: Axis::of_times("time until completed", times),
        y: Axis::of_shares("share of the delivered packets that took at most this time"),
        lines,
        shades: Vec::new(),
        shade_name: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run;

    #[test]
    fn each_place_has_a_bar_and_the_first_is_the_uppermost() {
        let spent =
            SplitReport { packets: 2, latency_ns: 100, source_ns: 60, hardware_ns: 40, ..SplitReport::default() };
        let chart = split(&spent);
        assert_eq!(chart.y.names, ["hardware", "ring", "source"]);
        let bars: Vec<_> = chart.lines[0].marks.iter().map(|mark| (mark.x, mark.y, &*mark.title)).collect();
        assert_eq!(bars, [(20.0, 0.0, "20 ns, 40 %"), (0.0, 1.0, "0 ns, 0 %"), (30.0, 2.0, "30 ns, 60 %")]);
    }

    #[test]
    fn a_distribution_begins_at_zero() {
        let mut report = run("wait", 10, 0);
        report.distributions.latency_ns = serde_json::from_value(serde_json::json!([[7, 3], [15, 1]])).unwrap();
        let marks = &distribution(&report).lines[0].marks;
        assert_eq!(
            marks.iter().map(|mark| (mark.x, mark.y)).collect::<Vec<_>>(),
            [(7.0, 0.0), (7.0, 0.75), (15.0, 1.0)]
        );
    }
}
