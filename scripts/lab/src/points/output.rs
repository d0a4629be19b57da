//! The results of a set of points as CSV and as a table for people.

use shared::report::human;

use super::difference::Difference;
use super::estimate::{Estimate, Estimated, OF_APPS, code};
use super::table::Points;
use crate::flags::common::common_flags;
use crate::report::figures::NUMBERS;
use crate::report::table::{csv_line, markdown};

/// What a row says of a point beside its figures.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The number of the point.
    pub(crate) point: usize,
    pub(crate) estimated: Estimated,
    /// Codes of what is wrong with it: `RUN_FAILED`, `NOT_RUN`, `THRESHOLD`, `INTERVAL_TOO_WIDE`.
    pub(crate) verdicts: Vec<&'static str>,
}

/// The rows of all points, of which those in `wide` have intervals that are wider than was asked for.
pub(crate) fn rows(set: &Points, estimates: Vec<Estimated>, wide: &[usize]) -> Vec<Row> {
    let row = |(point, estimated): (usize, Estimated)| {
        let missing = estimated.runs + estimated.failed < set.runs_of(point).len();
        let codes = [
            ("RUN_FAILED", estimated.failed > 0),
            ("NOT_RUN", missing),
            ("THRESHOLD", estimated.beyond_thresholds > 0),
            ("INTERVAL_TOO_WIDE", wide.contains(&point)),
        ];
        let verdicts = codes.into_iter().filter(|(_, holds)| *holds).map(|(code, _)| code).collect();
        Row { point, estimated, verdicts }
    };
    estimates.into_iter().enumerate().map(row).collect()
}

/// A row per point: what varies, every estimate with its bounds, verdicts and warnings. All times are in nanoseconds.
pub(crate) fn points_csv(set: &Points, rows: &[Row]) -> String {
    let estimates = NUMBERS.iter().flat_map(|figure| with_bounds(figure.key));
    let header = ["point".to_owned()].into_iter().chain(set.keys.iter().cloned());
    let header = header.chain(["runs", "failed"].map(str::to_owned)).chain(estimates);
    let header = csv_line(header.chain(["verdicts", "warnings"].map(str::to_owned)));
    let lines = rows.iter().map(|row| {
        let cells = [row.point.to_string()].into_iter().chain(set.points[row.point].values.iter().cloned());
        let counts = [row.estimated.runs, row.estimated.failed].map(|count| count.to_string());
        let estimates = row.estimated.figures.iter().flat_map(exact);
        let verdicts = row.verdicts.join(";");
        let warnings = row.estimated.warnings.iter().map(|warning| code(*warning)).collect::<Vec<_>>().join(";");
        csv_line(cells.chain(counts).chain(estimates).chain([verdicts, warnings]))
    });
    [header].into_iter().chain(lines).collect()
}

/// A row per point and app.
pub(crate) fn apps_csv(set: &Points, rows: &[Row]) -> String {
    let header = ["point".to_owned()].into_iter().chain(set.keys.iter().cloned()).chain(["app".to_owned()]);
    let header = csv_line(header.chain(OF_APPS.iter().flat_map(|figure| with_bounds(figure.key))));
    let lines = rows.iter().flat_map(|row| {
        let point = [row.point.to_string()].into_iter().chain(set.points[row.point].values.iter().cloned());
        let point: Vec<_> = point.collect();
        row.estimated.apps.iter().map(move |app| {
            let cells = point.iter().cloned().chain([app.name.clone()]);
            csv_line(cells.chain(app.figures.iter().flat_map(exact)))
        })
    });
    [header].into_iter().chain(lines).collect()
}

fn with_bounds(key: &str) -> [String; 3] {
    [key.to_owned(), format!("{key}_lower"), format!("{key}_upper")]
}

/// Every digit of the mean and of both bounds; empty where they are unknown.
fn exact(estimate: &Estimate) -> [String; 3] {
    let text = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
    [text(estimate.mean), text(estimate.bounds.map(|(low, _)| low)), text(estimate.bounds.map(|(_, high)| high))]
}

/// A column of the table for people: its title, the key of the figure, and how it is printed.
pub(crate) type Column = (&'static str, &'static str, fn(f64) -> String);

/// The figures that people ask for first.
pub(crate) const COLUMNS: [Column; 6] = [
    ("loss", "loss_ratio", human::percent),
    ("goodput", "bits_per_second", human::bit_rate),
    ("sojourn p99", "sojourn_p99_ns", human::time),
    ("latency p50", "latency_p50_ns", human::time),
    ("latency p99", "latency_p99_ns", human::time),
    ("blocked", "blocked_ns", human::time),
];

/// A line per point: what varies, then the figures that people ask for first, each with half the width of its interval.
pub(crate) fn table(set: &Points, rows: &[Row]) -> String {
    let noted = rows.iter().any(|row| !note(row).is_empty());
    let mut header: Vec<String> = set.keys.clone();
    header.extend(COLUMNS.iter().map(|(title, ..)| (*title).to_owned()));
    header.extend(noted.then(|| "notes".to_owned()));
    let lines = rows.iter().map(|row| {
        let mut line = set.points[row.point].values.clone();
        line.extend(COLUMNS.iter().map(|(_, key, text)| with_width(row.estimated.figure(key), *text)));
        line.extend(noted.then(|| note(row)));
        line
    });
    markdown(set.keys.len(), header, lines)
}

/// The table with its title and legend, in Markdown. It depends on the runs alone, not on when and where they were made.
pub(crate) fn document(title: Option<&str>, verdict: &str, set: &Points, rows: &[Row]) -> String {
    let (title, size, clock) = (title.unwrap_or("Sweep"), size(set), set.clock);
    let (settings, table, legend) = (settings_of(set), table(set, rows), legend(set));
    format!("# {title}\n\n{size} in {clock} time.\n\n{verdict}\n\n{settings}\n\n{table}\n\n{legend}\n")
}

/// The settings that all points share, in a line.
pub(crate) fn settings_of(set: &Points) -> String {
    let flags = common_flags(set.points.iter().map(|point| point.settings.in_report()));
    settings_line(&flags.unwrap_or_default(), set.points.len())
}

/// The settings that this many points share, given as `flags`, in a line.
pub(crate) fn settings_line(flags: &[String], points: usize) -> String {
    match flags {
        [] => format!("Settings: {}.", rest_of_settings(flags, points)),
        flags => format!("Settings: `{}`; {}.", flags.join(" "), rest_of_settings(flags, points)),
    }
}

/// What is to be said of the settings of this many points that are not among `flags`.
pub(crate) fn rest_of_settings(flags: &[String], points: usize) -> &'static str {
    match (flags.is_empty(), points > 1) {
        (true, false) => "all are the defaults",
        (true, true) => "all are the defaults or differ between the points",
        (false, false) => "the others are the defaults",
        (false, true) => "the others are the defaults or differ between the points",
    }
}

/// `20 points, 60 runs`.
pub(crate) fn size(set: &Points) -> String {
    let counted = |count: usize, what| human::counted(count as u64, what);
    format!("{}, {}", counted(set.points.len(), "point"), counted(set.runs().len(), "run"))
}

/// What the columns mean.
pub(crate) fn legend(set: &Points) -> String {
    let several = set.runs().len() > set.points.len();
    let widths =
        if several { " A figure after +- is half the width of its interval; < is an upper bound." } else { "" };
    format!(
        "Latency is from the intended time of a packet to its completion, sojourn from its acceptance; both are those of the \
         delivered packets. Blocked is the time that apps waited, summed over apps.{widths}"
    )
}

/// What is wrong with a point, as codes.
pub(crate) fn note(row: &Row) -> String {
    let warnings = row.estimated.warnings.iter().map(|warning| code(*warning));
    row.verdicts.iter().map(|verdict| (*verdict).to_owned()).chain(warnings).collect::<Vec<_>>().join(" ")
}

/// The mean, and half the width of its interval where it has one.
pub(crate) fn with_width(estimate: Estimate, text: fn(f64) -> String) -> String {
    let Some(mean) = estimate.mean else { return "-".to_owned() };
    match estimate.bounds {
        // Nothing of the kind was seen, so the interval has one side.
        Some((_, high)) if mean == 0.0 && high > 0.0 => format!("{} (< {})", text(mean), text(high)),
        // A bound may be cut where the figure has its own: then the other side is half the width.
        Some((low, high)) if high > low => format!("{} +- {}", text(mean), text((high - mean).max(mean - low))),
        _ => text(mean),
    }
}

/// For each figure a line per point: its mean, and what it differs by from the first point. `differences` has those of
/// the other points in the order of [`COLUMNS`]. Figures that are the same under all points are listed below.
pub(crate) fn compared(names: &[String], estimates: &[Estimated], differences: &[Vec<Difference>]) -> String {
    let (mut lines, mut same) = (Vec::new(), Vec::new());
    for (column, (title, key, text)) in COLUMNS.iter().enumerate() {
        let means: Vec<_> = estimates.iter().map(|estimated| with_width(estimated.figure(key), *text)).collect();
        let of_column = differences.iter().map(|of_point| of_point[column]);
        if means.iter().all(|mean| *mean == means[0]) && of_column.clone().all(|one| one.estimate.mean == Some(0.0)) {
            same.push(format!("{title} {}", means[0]));
            continue;
        }
        let apart = ["reference".to_owned()].into_iter().chain(of_column.map(|one| apart(one, *text)));
        for (at, (mean, apart)) in means.into_iter().zip(apart).enumerate() {
            let title = if at == 0 { *title } else { "" };
            lines.push(vec![title.to_owned(), names[at].clone(), mean, apart]);
        }
    }
    let reference = names.first().map_or("", String::as_str);
    let header = ["", "setting", "mean", &format!("difference from {reference}")].map(str::to_owned).to_vec();
    let table = (!lines.is_empty()).then(|| markdown(2, header, lines));
    let same = (!same.is_empty()).then(|| format!("The same under all: {}.", same.join("; ")));
    table.into_iter().chain(same).collect::<Vec<_>>().join("\n\n")
}

/// A difference with its sign, and half the width of its interval.
fn apart(difference: Difference, text: fn(f64) -> String) -> String {
    let Some(mean) = difference.estimate.mean else { return "-".to_owned() };
    let width = match difference.estimate.bounds {
        Some((_, high)) if high > mean => format!(" +- {}", text(high - mean)),
        _ => String::new(),
    };
    let sign = if mean > 0.0 { "+" } else { "" };
    match difference.shown {
        Some(false) => format!("no difference shown ({sign}{}{width})", text(mean)),
        _ => format!("{sign}{}{width}", text(mean)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use shared::report::WarningCode;

    use super::*;
    use crate::fixture::run;
    use crate::points::axis::Axis;
    use crate::points::difference::Pair;
    use crate::points::estimate::{Sample, estimated};
    use crate::runner::sequence::{ClockKind, Fault};
    use crate::settings::RunSettings;

    /// Two depths with three runs each, of which the last one failed.
    fn results() -> (Points, Vec<Row>) {
        let mut base = RunSettings::defaults();
        base.set_apps(&["poisson:load=0.5"]).unwrap();
        let axes = ["depth=8,16".parse::<Axis>().unwrap(), "policy=deadline=5ms".parse().unwrap()];
        let set = Points::combinations(&base, ClockKind::Virtual, &axes).unwrap().repeated(3).unwrap();
        let sample = |dropped| Some(Ok(Sample::of(&run("wait", 1000, dropped))));
        let fault = Fault { status: 1, reason: "crash".to_owned(), report: None };
        let samples = vec![sample(10), sample(0), sample(20), sample(0), sample(40), Some(Err(fault))];
        let mut rows: Vec<_> = (0..2)
            .map(|point| Row {
                point,
                estimated: estimated(&set, &samples, point, 0.95).unwrap(),
                verdicts: Vec::new(),
            })
            .collect();
        rows[0].estimated.warnings = BTreeSet::from([WarningCode::DriverLate, WarningCode::HardwareStarved]);
        rows[1].verdicts = vec!["RUN_FAILED"];
        (set, rows)
    }

    #[test]
    fn the_table_has_a_line_for_each_point() {
        let (set, rows) = results();
        insta::assert_snapshot!(table(&set, &rows), @"
        | depth | policy       |             loss |     goodput | sojourn p99 | latency p50 | latency p99 | blocked |                        notes |
        |-------|--------------|------------------|-------------|-------------|-------------|-------------|---------|------------------------------|
        | 8     | deadline=5ms | 2.33 % +- 3.79 % | 95.7 Mbit/s |     15.6 ms |     7.83 ms |     15.7 ms |    0 ns | HARDWARE_STARVED DRIVER_LATE |
        | 16    | deadline=5ms |  0 % (< 0.150 %) | 95.7 Mbit/s |     15.6 ms |     7.83 ms |     15.7 ms |    0 ns |                   RUN_FAILED |
        ");
    }

    #[test]
    fn a_comparison_has_the_difference_from_the_first_point_beside_each_mean() {
        let mut base = RunSettings::defaults();
        base.set_apps(&["poisson:load=0.5"]).unwrap();
        let axes = ["depth=8,16".parse::<Axis>().unwrap()];
        let set = Points::combinations(&base, ClockKind::Virtual, &axes).unwrap().repeated(3).unwrap();
        let sample = |(dropped, rate, blocked): (u64, f64, u64)| {
            let mut run = run("wait", 1000, dropped);
            run.rate.bits_per_second = Some(rate);
            run.blocked.total_ns = blocked.into();
            Some(Ok(Sample::of(&run)))
        };
        let runs = [(100, 9e6, 0), (90, 9e6, 7), (300, 8e6, 3), (291, 9e6, 7), (20, 9e6, 1), (12, 7e6, 8)];
        let samples = runs.map(sample).into_iter().collect();
        let estimates: Vec<_> = (0..2).map(|point| estimated(&set, &samples, point, 0.95).unwrap()).collect();
        let pair = Pair { set: &set, samples: &samples, level: 0.95, point: 1, reference: 0 };
        let differences = COLUMNS.iter().map(|(_, key, _)| pair.difference(key).unwrap()).collect();
        let names = [set.name(0), set.name(1)];
        insta::assert_snapshot!(compared(&names, &estimates, &[differences]), @"
        |         | setting  |                       mean |                          difference from depth=8 |
        |---------|----------|----------------------------|--------------------------------------------------|
        | loss    | depth=8  |           14.0 % +- 35.8 % |                                        reference |
        |         | depth=16 |           13.1 % +- 35.8 % |                              -0.900 % +- 0.248 % |
        | goodput | depth=8  | 8.67 Mbit/s +- 1.43 Mbit/s |                                        reference |
        |         | depth=16 | 8.33 Mbit/s +- 2.87 Mbit/s | no difference shown (-333 kbit/s +- 3.79 Mbit/s) |
        | blocked | depth=8  |         1.33 ns +- 3.79 ns |                                        reference |
        |         | depth=16 |         7.33 ns +- 1.43 ns |                                 +6 ns +- 4.30 ns |

        The same under all: sojourn p99 15.6 ms; latency p50 7.83 ms; latency p99 15.7 ms.
        ");
    }

    #[test]
    fn csv_has_every_estimate_with_its_bounds() {
        let (set, rows) = results();
        let text = points_csv(&set, &rows);
        let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
        let cell = |line: usize, key: &str| lines[line][lines[0].iter().position(|name| *name == key).unwrap()];
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [5 + 3 * NUMBERS.len() + 2; 3]);
        let of = |line, keys: [&str; 6]| keys.map(|key| cell(line, key)).join(" ");
        let keys = ["point", "depth", "policy", "runs", "failed", "verdicts"];
        assert_eq!(of(1, keys), "0 8 deadline=5ms 3 0 ");
        assert_eq!(of(2, keys), "1 16 deadline=5ms 2 1 RUN_FAILED");
        assert!(cell(1, "loss_ratio").starts_with("0.02333") && cell(1, "loss_ratio_upper").starts_with("0.0612"));
        assert_eq!(cell(1, "warnings"), "HARDWARE_STARVED;DRIVER_LATE");
        assert_eq!((cell(2, "loss_ratio"), cell(2, "loss_ratio_lower")), ("0", "0"));
        assert_eq!(apps_csv(&set, &rows).lines().count(), 1, "these runs have no apps");
    }
}
