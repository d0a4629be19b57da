//! One point in detail: over the time of one run, and by quantile.

use serde_json::Value;
use shared::report::{BlameReport, Distribution, RunReport, Sample, SplitReport, Summary, human};
use shared::stalls::{Stall, Stalls};
use shared::units::Nanos;

use super::lines::Lines;
use super::results::{Results, ResultsError};
use super::verdict::knee_of;
use crate::report::chart::{Axis, Chart, Kind, LATENCY, Line, Mark, SOJOURN, Unit};

/// A series with fewer intervals shows little.
const FEW: usize = 20;
/// More stalls than this are lines without room between them.
const MOST_STALLS: usize = 200;
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
    let chosen = asked.map(|point| (point, "Chosen by --point.".to_owned()));
    let Some((point, why)) = chosen.or_else(|| default_point(results)) else { return Ok(None) };
    let Some(report) = results.report(point)? else { return Ok(None) };
    let finer = if report.series.len() < FEW { results.again_with_finer_series(point, &report) } else { None };
    let mut notes =
        vec![format!("The run with seed {}, which took {}.", report.seed, human::time(report.elapsed_ns as f64))];
    if let Some(finer) = &finer {
        notes.push(format!(
            "Its series was too coarse for a figure over time ({} of {}), so it was simulated again with --interval {}; \
             all other figures of both are equal.",
            human::counted(report.series.len() as u64, "interval"),
            human::time(report.series_interval_ns as f64),
            Nanos(finer.series_interval_ns),
        ));
    } else if report.series.len() < FEW {
        notes.push(format!(
            "Its series has only {} of {}; a run with a shorter --interval, as in --interval 10ms, shows more.",
            human::counted(report.series.len() as u64, "interval"),
            human::time(report.series_interval_ns as f64)
        ));
    }
    let shown = finer.as_ref().unwrap_or(&report);
    let stalls = stalls(shown);
    if stalls.is_none() {
        notes.push("Stalls are not marked: they are too many, or the report does not state when they come.".to_owned());
    }
    let stalls = stalls.unwrap_or_default();
    let mut charts = Vec::new();
    if !shown.series.is_empty() {
        charts.push(occupancy(shown, &stalls));
        charts.extend((shown.blocked.total_ns > 0).then(|| blocked(shown, &stalls)));
    }
    charts.extend(report.latency_split.as_ref().filter(|split| split.latency_ns > 0).map(split));
    charts.extend((report.sojourn_ns.count > 0).then(|| quantiles(&report)));
    charts.extend((report.distributions.latency_ns.count() > 0).then(|| distribution(&report)));
    let blame = report.blame.clone().filter(|blame| blame.rows.iter().any(|row| row.blocked_ns > 0));
    Ok(Some(Detail { point, why, charts, blame, notes }))
}

/// The point at the knee, and the rule by which it is found.
fn default_point(results: &Results) -> Option<(usize, String)> {
    let lines = Lines::of(&results.keys, &results.values());
    let has_result = |point: &usize| results.points[*point].estimated.runs > 0;
    if let Some((axis, _)) = lines.axis {
        let key = &results.keys[axis];
        let value = |point: usize| {
            lines.shown.iter().flat_map(|line| &line.points).find(|at| at.1 == point).map_or(0.0, |at| at.0)
        };
        let knees = lines.shown.iter().filter_map(|line| knee_of(&results.estimates(), line)).filter(has_result);
        if let Some(point) = knees.max_by(|one, other| value(*one).total_cmp(&value(*other))) {
            let several = if lines.shown.len() > 1 { "; of the lines, the one that needs the largest" } else { "" };
            let why = format!(
                "The knee: the smallest {key} at which twice as much gains less than 1 % goodput{several}. --point N shows another one."
            );
            return Some((point, why));
        }
        let last = lines.shown.first()?.points.iter().rev().map(|(_, point)| *point).find(has_result)?;
        return Some((last, format!("The largest {key}, because no knee was found. --point N shows another one.")));
    }
    let first = (0..results.points.len()).find(has_result)?;
    let more = if results.points.len() > 1 { "The first one. --point N shows another one." } else { "" };
    Some((first, more.to_owned()))
}

/// The spans of the stalls in a run, if there are any; `None` if they are too many, or if it is not known when the driver's
/// session began.
fn stalls(report: &RunReport) -> Option<Vec<(f64, f64)>> {
    let driver = &report.config.driver;
    let Some(set) = driver.get("stall").and_then(Value::as_str) else { return Some(Vec::new()) };
    let stall: Stall = set.parse().ok()?;
    // In virtual time both begin at zero, also in reports that do not state it.
    let before = report.stalls_since_ns.or((report.clock == "virtual").then_some(0))?;
    let seed = if stall.is_random() { number(driver.get("seed")?)? } else { 0 };
    let end = before.saturating_add(report.series.last().map_or(0, |sample| sample.time_ns));
    let spans = Stalls::new(Some(stall), seed, Nanos::ZERO).spans(Nanos(before), Nanos(end));
    let spans: Vec<_> = spans.take(MOST_STALLS + 1).collect();
    let since = |at: Nanos| at.0.min(end).saturating_sub(before) as f64;
    (spans.len() <= MOST_STALLS).then(|| spans.into_iter().map(|(from, to)| (since(from), since(to))).collect())
}

/// A count in the settings of a report, which may be spelled as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn over_time(report: &RunReport) -> Axis {
    Axis::of_time("time since the start of the run", report.series.last().map_or(1.0, |sample| sample.time_ns as f64))
}

fn occupancy(report: &RunReport, stalls: &[(f64, f64)]) -> Chart {
    let mark = |sample: &Sample| Mark {
        x: sample.time_ns as f64,
        y: f64::from(sample.occupancy),
        bounds: None,
        title: format!("{}: {} slots", human::time(sample.time_ns as f64), sample.occupancy),
    };
    let depth = f64::from(report.ring.depth);
    let end = report.series.last().map_or(1.0, |sample| sample.time_ns as f64);
    let limit = [0.0, end].map(|x| Mark { x, y: depth, bounds: None, title: String::new() });
    let lines = vec![
        Line {
            name: "slots held".to_owned(),
            kind: Kind::Trace,
            colour: 0,
            marks: report.series.iter().map(mark).collect(),
        },
        Line { name: format!("depth {depth}"), kind: Kind::Limit, colour: 0, marks: limit.into() },
    ];
    Chart {
        id: "occupancy",
        title: "Slots held over time".to_owned(),
        description: format!(
            "Slots of the ring that were held at the end of each interval; {} on average, at most {}, of {depth}.",
            human::mean(report.ring.occupancy_mean),
            report.ring.occupancy_max
        ),
        note: String::new(),
        x: over_time(report),
        y: Axis::linear("slots held at the end of each interval", Unit::Number, &lines),
        lines,
        shades: stalls.to_vec(),
        shade_name: "the hardware stalls",
    }
}

fn blocked(report: &RunReport, stalls: &[(f64, f64)]) -> Chart {
    let mut began = 0;
    let mut marks: Vec<Mark> = Vec::new();
    for sample in &report.series {
        let length = sample.time_ns.saturating_sub(began).max(1);
        let waiting = sample.blocked_ns as f64 / length as f64;
        let title =
            format!("until {}: {} senders waited on average", human::time(sample.time_ns as f64), human::mean(waiting));
        if marks.is_empty() {
            marks.push(Mark { x: 0.0, y: waiting, bounds: None, title: String::new() });
        }
        marks.push(Mark { x: sample.time_ns as f64, y: waiting, bounds: None, title });
        began = sample.time_ns;
    }
    let name = if stalls.is_empty() { "" } else { "senders that wait" };
    let lines = vec![Line { name: name.to_owned(), kind: Kind::Steps, colour: 1, marks }];
    Chart {
        id: "blocked-over-time",
        title: "Senders that wait over time".to_owned(),
        description: format!(
            "How many senders waited, on average over each interval; {} in all.",
            human::time(report.blocked.total_ns as f64)
        ),
        note: String::new(),
        x: over_time(report),
        y: Axis::linear("senders that wait, mean of each interval", Unit::Number, &lines),
        lines,
        shades: stalls.to_vec(),
        shade_name: "the hardware stalls",
    }
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
        description: "Times of the packets by quantile: p99 is the time that 99 % of them took at most.".to_owned(),
        note: String::new(),
        x: Axis::of_names("quantile", QUANTILES.map(str::to_owned).into()),
        y: Axis::holding("time until completed", Unit::Time, &lines),
        lines,
        shades: Vec::new(),
        shade_name: "",
    }
}

/// Where the packets spent their latency, on average.
fn split(split: &SplitReport) -> Chart {
    let places: Vec<_> = split.places().into_iter().filter(|(_, span)| *span > 0).collect();
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
        title: format!("Where a packet spent its latency of {}", human::time(mean(split.latency_ns))),
        description:
            "The mean time of a delivered packet in each place, from its intended time to its completion. The \
                      means add up to that of the latency; quantiles would not add up."
                .to_owned(),
        note: String::new(),
        x: Axis::of_bars("mean time of a packet", Unit::Time, longest),
        y: Axis::of_names("place, in the order in which a packet passes them", names),
        lines,
        shades: Vec::new(),
        shade_name: "",
    }
}

/// The cumulative distributions of latency and sojourn.
fn distribution(report: &RunReport) -> Chart {
    let line = |colour: usize, name: &str, times: &Distribution| {
        let marks = times.cumulative(MOST_POINTS).into_iter().map(|(time, share)| Mark {
            x: time as f64,
            y: share,
            bounds: None,
            title: format!("{name}: {} within {}", human::percent(share), human::time(time as f64)),
        });
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
        y: Axis::of_shares("share of the packets that took at most this time"),
        lines,
        shades: Vec::new(),
        shade_name: "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::run;

    fn with_stall(stall: &str) -> RunReport {
        let mut report = run("wait", 10, 0);
        report.clock = "virtual".to_owned();
        report.config.driver["stall"] = stall.into();
        report.series = vec![Sample { time_ns: 35_000_000, ..Sample::default() }];
        report
    }

    #[test]
    fn fixed_stalls_are_marked_where_they_come() {
        let ms = |spans: Option<Vec<(f64, f64)>>| {
            spans.map(|spans| spans.iter().map(|(from, to)| (from / 1e6, to / 1e6)).collect::<Vec<_>>())
        };
        assert_eq!(ms(stalls(&with_stall("every=10ms,for=7ms"))), Some(vec![(10.0, 17.0), (20.0, 27.0), (30.0, 35.0)]));
        assert_eq!(ms(stalls(&with_stall("every=20ms,for=1ms,phase=5ms"))), Some(vec![(15.0, 16.0)]));
        assert_eq!(stalls(&with_stall("every=10us,for=7us")), None, "too many");
        assert_eq!(stalls(&run("wait", 10, 0)), Some(Vec::new()));
        let mut real = with_stall("every=10ms,for=7ms");
        real.clock = "real".to_owned();
        assert_eq!(stalls(&real), None, "when its session began is not known");
        real.stalls_since_ns = Some(12_000_000);
        assert_eq!(ms(stalls(&real)), Some(vec![(0.0, 5.0), (8.0, 15.0), (18.0, 25.0), (28.0, 35.0)]));
    }

    #[test]
    fn random_stalls_are_marked_as_their_seed_gives_them() {
        let mut report = with_stall("every=10ms,for=3ms,distribution=exponential");
        assert_eq!(stalls(&report), None, "its seed is not known");
        report.config.driver["seed"] = 7.into();
        let marked = stalls(&report).unwrap();
        assert!(!marked.is_empty() && marked.iter().all(|(from, to)| from < to && *to <= 35e6), "{marked:?}");
        report.config.driver["seed"] = "7".into();
        assert_eq!(stalls(&report).unwrap(), marked, "as old reports spell it");
    }

    #[test]
    fn each_place_has_a_bar_and_the_first_is_the_uppermost() {
        let spent = SplitReport { packets: 2, latency_ns: 100, source_ns: 60, ring_ns: 40, ..SplitReport::default() };
        let chart = split(&spent);
        assert_eq!(chart.y.names, ["ring", "source"]);
        let bars: Vec<_> = chart.lines[0].marks.iter().map(|mark| (mark.x, mark.y, &*mark.title)).collect();
        assert_eq!(bars, [(20.0, 0.0, "20 ns, 40 %"), (30.0, 1.0, "30 ns, 60 %")]);
    }

    #[test]
    fn time_blocked_is_shown_as_senders_that_wait() {
        let mut report = with_stall("every=10ms,for=7ms");
        report.series = vec![
            Sample { time_ns: 10, blocked_ns: 20, ..Sample::default() },
            Sample { time_ns: 14, blocked_ns: 2, ..Sample::default() },
        ];
        let marks = &blocked(&report, &[]).lines[0].marks;
        assert_eq!(
            marks.iter().map(|mark| (mark.x, mark.y)).collect::<Vec<_>>(),
            [(0.0, 2.0), (10.0, 2.0), (14.0, 0.5)]
        );
    }
}
