//! Figures over the time of one run.

use serde_json::Value;
use shared::report::{RunReport, Sample, human};
use shared::stalls::{Stall, Stalls};
use shared::units::Nanos;

use crate::report::chart::{Axis, Chart, Kind, Line, Mark, Unit};

/// How many intervals a figure over time shows well.
const WELL: u64 = 250;
/// More intervals than this are not worth the space on the page, also if stalls are shorter than one of them.
const MANY: u64 = 500;
/// A series with fewer intervals shows little.
const FEW: usize = 20;
/// A series with fewer intervals shows nothing.
const LEAST: usize = 10;
/// More stalls than this are lines without room between them.
const MOST_STALLS: usize = 200;
const MILLISECOND: u64 = 1_000_000;

/// What the series of a run is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fineness {
    Fine,
    /// It shows little, or less than what the stalls do.
    Coarse,
    /// It shows nothing.
    TooCoarse,
}

/// What the series of `report` is good for.
pub(super) fn fineness(report: &RunReport) -> Fineness {
    let count = drawn(report).len();
    let coarse = count < FEW || quarter_of_stalls(report).is_some_and(|quarter| report.series_interval_ns > quarter);
    match (count < LEAST, coarse) {
        (true, _) => Fineness::TooCoarse,
        (_, true) => Fineness::Coarse,
        _ => Fineness::Fine,
    }
}

/// The interval in which a run like `report` is shown well: in whole milliseconds, because that is the shortest one which
/// the flag takes. It is at most a quarter of the time from stall to stall, and no longer than a stall where that is not
/// too short: at the ends of longer intervals the slots that are held would be those of some stalls and not of others.
pub(super) fn fine_interval(report: &RunReport) -> Nanos {
    let well = report.elapsed_ns.div_ceil(WELL);
    let length =
        stall(report).map(|stall| stall.length().0).filter(|length| report.elapsed_ns / length.max(&1) <= MANY);
    let least = [Some(well), quarter_of_stalls(report), length].into_iter().flatten().min().unwrap_or(well);
    Nanos((least / MILLISECOND).max(1) * MILLISECOND)
}

/// A quarter of the time from stall to stall, in nanoseconds, or the shortest interval if that is longer; `None` if there
/// are none, or more than are marked.
fn quarter_of_stalls(report: &RunReport) -> Option<u64> {
    let every = stall(report)?.every().0.max(1);
    (report.elapsed_ns / every <= MOST_STALLS as u64).then_some((every / 4).max(MILLISECOND))
}

fn stall(report: &RunReport) -> Option<Stall> {
    report.config.driver.get("stall")?.as_str()?.parse().ok()
}

/// The series, without a last interval that is much shorter than the others: what is in it would look like a sudden end.
fn drawn(report: &RunReport) -> &[Sample] {
    match report.series.as_slice() {
        [all @ .., before, last]
            if (last.time_ns - before.time_ns.min(last.time_ns)) * 2 < report.series_interval_ns =>
        {
            &report.series[..=all.len()]
        }
        all => all,
    }
}

/// The figures over time of `report`, and what is to be said of them.
pub(super) fn over_time(report: &RunReport) -> (Vec<Chart>, Option<String>) {
    let stalls = stalls(report);
    let unmarked = "Stalls are not marked: they are too many, or the report does not state when they come.";
    let note = stalls.is_none().then(|| unmarked.to_owned());
    let stalls = stalls.unwrap_or_default();
    let mut charts = Vec::new();
    if !report.series.is_empty() {
        charts.push(occupancy(report, &stalls));
        charts.extend((report.blocked.total_ns > 0).then(|| blocked(report, &stalls)));
    }
    (charts, note)
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
    let end = before.saturating_add(drawn(report).last().map_or(0, |sample| sample.time_ns));
    let spans = Stalls::new(Some(stall), seed, Nanos::ZERO).spans(Nanos(before), Nanos(end));
    let spans: Vec<_> = spans.take(MOST_STALLS + 1).collect();
    let since = |at: Nanos| at.0.min(end).saturating_sub(before) as f64;
    (spans.len() <= MOST_STALLS).then(|| spans.into_iter().map(|(from, to)| (since(from), since(to))).collect())
}

/// A count in the settings of a report, which may be spelled as text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn end(report: &RunReport) -> f64 {
    drawn(report).last().map_or(1.0, |sample| sample.time_ns as f64)
}

fn occupancy(report: &RunReport, stalls: &[(f64, f64)]) -> Chart {
    let mark = |sample: &Sample| Mark {
        x: sample.time_ns as f64,
        y: f64::from(sample.occupancy),
        bounds: None,
        title: format!("{}: {} slots", human::time(sample.time_ns as f64), sample.occupancy),
    };
    let depth = f64::from(report.ring.depth);
    let limit = [0.0, end(report)].map(|x| Mark { x, y: depth, bounds: None, title: String::new() });
    let lines = vec![
        Line {
            name: "slots held".to_owned(),
            kind: Kind::Trace,
            colour: 0,
            marks: drawn(report).iter().map(mark).collect(),
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
        note: format!(
            "Each value is that at the end of an interval of {}; what happens between two ends is not seen. Where stalls \
             come in step with the intervals, the ring may look fuller or emptier than it is.",
            human::time(report.series_interval_ns as f64)
        ),
        x: Axis::of_time("time since the start of the run", end(report)),
        y: Axis::linear("slots held at the end of each interval", Unit::Number, &lines),
        lines,
        shades: stalls.to_vec(),
        shade_name: "the hardware stalls",
    }
}

fn blocked(report: &RunReport, stalls: &[(f64, f64)]) -> Chart {
    let mut began = 0;
    let mut marks: Vec<Mark> = Vec::new();
    for sample in drawn(report) {
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
        x: Axis::of_time("time since the start of the run", end(report)),
        y: Axis::linear("senders that wait, mean of each interval", Unit::Number, &lines),
        lines,
        shades: stalls.to_vec(),
        shade_name: "the hardware stalls",
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
    fn time_blocked_is_shown_as_senders_that_wait() {
        let mut report = with_stall("every=10ms,for=7ms");
        report.series = vec![
            Sample { time_ns: 10, blocked_ns: 20, ..Sample::default() },
            Sample { time_ns: 14, blocked_ns: 2, ..Sample::default() },
        ];
        report.series_interval_ns = 5;
        let marks = &blocked(&report, &[]).lines[0].marks;
        assert_eq!(
            marks.iter().map(|mark| (mark.x, mark.y)).collect::<Vec<_>>(),
            [(0.0, 2.0), (10.0, 2.0), (14.0, 0.5)]
        );
    }

    #[test]
    fn a_short_last_interval_is_not_drawn() {
        let mut report = run("wait", 10, 0);
        report.series_interval_ns = 10;
        let sample = |time_ns| Sample { time_ns, occupancy: 3, ..Sample::default() };
        report.series = vec![sample(10), sample(20), sample(24)];
        assert_eq!(occupancy(&report, &[]).lines[0].marks.len(), 2);
        report.series[2].time_ns = 25;
        assert_eq!(occupancy(&report, &[]).lines[0].marks.len(), 3);
        report.series.truncate(1);
        assert_eq!(occupancy(&report, &[]).lines[0].marks.len(), 1, "it may be the only one");
    }

    #[test]
    fn stalls_ask_for_short_intervals() {
        let of = |stall: &str, interval: u64| {
            let mut report = with_stall(stall);
            (report.elapsed_ns, report.series_interval_ns) = (2_000_000_000, interval * MILLISECOND);
            report.series = (1..=2000 / interval)
                .map(|at| Sample { time_ns: at * interval * MILLISECOND, ..Sample::default() })
                .collect();
            (fine_interval(&report).0 / MILLISECOND, fineness(&report))
        };
        assert_eq!(of("every=300ms,for=10ms", 500), (8, Fineness::TooCoarse));
        assert_eq!(of("every=300ms,for=10ms", 150), (8, Fineness::Coarse));
        assert_eq!(of("every=300ms,for=10ms", 80), (8, Fineness::Coarse), "more than a quarter");
        assert_eq!(of("every=300ms,for=10ms", 75), (8, Fineness::Fine));
        assert_eq!(of("every=300ms,for=5ms", 75), (5, Fineness::Fine));
        assert_eq!(of("every=12ms,for=1ms", 3), (3, Fineness::Fine), "stalls too short for the page");
        assert_eq!(of("every=2ms,for=1ms", 3), (8, Fineness::Fine), "too many to be marked");
    }
}
