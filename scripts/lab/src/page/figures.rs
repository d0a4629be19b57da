//! The figures of a set of points, over what varies.

use shared::report::human;

use super::lines::{Combination, Lines, name};
use super::results::{PointResult, Results};
use crate::points::estimate::Estimate;
use crate::points::output::with_width;
use crate::report::chart::{Axis, Chart, Kind, Line, Mark, Unit};

/// A figure that is shown over what varies.
struct Figure {
    id: &'static str,
    title: &'static str,
    /// What the vertical axis measures.
    label: &'static str,
    /// Its name in CSV.
    key: &'static str,
    unit: Unit,
    text: fn(f64) -> String,
    /// What theory predicts of it.
    theory: fn(&PointResult) -> Option<f64>,
}

fn no_theory(_: &PointResult) -> Option<f64> {
    None
}

/// What matters first.
const FIRST: [Figure; 2] = [
    Figure {
        id: "loss",
        title: "Loss",
        label: "share of the accepted packets that were dropped",
        key: "loss_ratio",
        unit: Unit::Share,
        text: human::percent,
        theory: |point| {
            let theory = point.theory.as_ref()?;
            (theory.measured.loss_is == "dropped / accepted").then_some(theory.loss_ratio)
        },
    },
    Figure {
        id: "latency-p99",
        title: "p99 latency, from the intended time",
        label: "time that 99 % of the delivered packets took at most",
        key: "latency_p99_ns",
        unit: Unit::Time,
        text: human::time,
        theory: no_theory,
    },
];

const FURTHER: [Figure; 4] = [
    Figure {
        id: "goodput",
        title: "Goodput",
        label: "payload delivered per second",
        key: "bits_per_second",
        unit: Unit::BitRate,
        text: human::bit_rate,
        theory: |point| {
            // Theory counts packets: with the bits that a packet had in the runs.
            let of = |key| point.estimated.figure(key).mean.filter(|mean| *mean > 0.0);
            Some(point.theory.as_ref()?.packets_per_second * of("bits_per_second")? / of("packets_per_second")?)
        },
    },
    Figure {
        id: "sojourn-p99",
        title: "p99 sojourn",
        label: "time that 99 % of the delivered packets took at most",
        key: "sojourn_p99_ns",
        unit: Unit::Time,
        text: human::time,
        theory: no_theory,
    },
    Figure {
        id: "blocked",
        title: "Senders blocked",
        label: "time that apps waited, summed over apps",
        key: "blocked_ns",
        unit: Unit::Time,
        text: human::time,
        theory: no_theory,
    },
    Figure {
        id: "sojourn-mean",
        title: "Mean sojourn",
        label: "mean of the delivered packets",
        key: "sojourn_mean_ns",
        unit: Unit::Time,
        text: human::time,
        theory: |point| {
            let theory = point.theory.as_ref()?;
            (theory.measured.sojourn_is == "from acceptance").then_some(theory.sojourn_mean_ns)
        },
    },
];

/// Loss and latency. None of a single point: it has nothing to be compared with, and the verdict states its values.
pub(super) fn first(results: &Results) -> Vec<Chart> {
    if results.points.len() < 2 {
        return Vec::new();
    }
    let lines = Lines::of(&results.keys, &results.values());
    FIRST.iter().map(|figure| chart(results, &lines, figure)).collect()
}

/// What explains them; none of a single point. The mean sojourn is shown where theory predicts it.
pub(super) fn further(results: &Results) -> Vec<Chart> {
    if results.points.len() < 2 {
        return Vec::new();
    }
    let lines = Lines::of(&results.keys, &results.values());
    let shown = |figure: &&Figure| {
        figure.id != "sojourn-mean" || results.points.iter().any(|point| (figure.theory)(point).is_some())
    };
    FURTHER.iter().filter(shown).map(|figure| chart(results, &lines, figure)).collect()
}

fn chart(results: &Results, lines: &Lines, figure: &Figure) -> Chart {
    let measured = lines.shown.iter().enumerate().map(|(colour, line)| measured(results, lines, figure, colour, line));
    let mut all: Vec<Line> = measured.collect();
    let mut named = false;
    for (colour, line) in lines.shown.iter().enumerate() {
        let marks = predicted(results, figure, line);
        if !marks.is_empty() {
            let name = if named { String::new() } else { "queueing theory".to_owned() };
            let kind = if lines.axis.is_some() { Kind::Theory } else { continue };
            all.push(Line { name, kind, colour, marks });
            named = true;
        }
    }
    let (x, over) = match lines.axis {
        Some((axis, unit)) => {
            let values = lines.shown.iter().flat_map(|line| line.points.iter().map(|(value, _)| *value));
            (Axis::of_values(&results.keys[axis], unit, values), format!(" by {}", results.keys[axis]))
        }
        None => {
            let values = results.values();
            let names = (0..values.len()).map(|point| name(&results.keys, &values, point, None)).collect();
            (Axis::of_names(results.keys.join(", "), names), String::new())
        }
    };
    let others: Vec<_> = lines.shown.iter().map(|line| &*line.name).filter(|name| !name.is_empty()).collect();
    let of = if others.is_empty() { String::new() } else { format!(", for {}", others.join("; ")) };
    Chart {
        id: figure.id,
        title: format!("{}{over}", figure.title),
        description: format!("{}{over}: {}{of}.", figure.title, figure.label),
        note: String::new(),
        x,
        y: Axis::holding(figure.label, figure.unit, &all),
        lines: all,
        shades: Vec::new(),
        shade_name: "",
    }
}

fn measured(results: &Results, lines: &Lines, figure: &Figure, colour: usize, line: &Combination) -> Line {
    let mark = |(x, point): &(f64, usize)| {
        let estimate = results.points[*point].estimated.figure(figure.key);
        let Estimate { mean, bounds } = estimate;
        let title = format!("{}: {}", results.name(*point), with_width(estimate, figure.text));
        Some(Mark { x: *x, y: mean?, bounds: bounds.filter(|(low, high)| low < high), title })
    };
    let kind = if lines.axis.is_some() { Kind::Measured } else { Kind::Marks };
    Line { name: line.name.clone(), kind, colour, marks: line.points.iter().filter_map(mark).collect() }
}

fn predicted(results: &Results, figure: &Figure, line: &Combination) -> Vec<Mark> {
    let mark = |(x, point): &(f64, usize)| {
        let point = &results.points[*point];
        let y = (figure.theory)(point)?;
        let title = format!("{}: {}", point.theory.as_ref()?.model, (figure.text)(y));
        Some(Mark { x: *x, y, bounds: None, title })
    };
    line.points.iter().filter_map(mark).collect()
}
