//! Figures with axes: lines over a number or over names, with bands for intervals.
//!
//! A [`Chart`] is a value that says what is shown; [`draw`] renders it as SVG, and [`scale`] has the scales and ticks.

mod draw;
pub(crate) mod scale;

use std::fmt::Write;

use scale::Scale;
use shared::report::human;

pub(crate) use draw::{STYLE, embedded, file};

/// How many lines a chart tells apart, by colour and by the shape of their marks.
pub(crate) const MOST_LINES: usize = 8;

/// The colours of latency and sojourn where both are shown; the lines of other figures have none of them.
pub(crate) const LATENCY: usize = MOST_LINES;
pub(crate) const SOJOURN: usize = MOST_LINES + 1;

/// A figure.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    /// Its name: of the file, and of the element in a page.
    pub(crate) id: &'static str,
    /// Its heading.
    pub(crate) title: String,
    /// What it shows, in a sentence, for readers who do not see it.
    pub(crate) description: String,
    /// What is to be known before it is read, below it on a page; may be empty.
    pub(crate) note: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
    /// Spans of x with a background.
    pub(crate) shades: Vec<(f64, f64)>,
    /// What the spans are.
    pub(crate) shade_name: &'static str,
}

/// An axis.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Axis {
    /// What it measures.
    pub(crate) label: String,
    pub(crate) unit: Unit,
    pub(crate) scale: Scale,
    /// Values that have ticks, as far as there is room for them; if there are none, round ones have.
    pub(crate) ticks: Vec<f64>,
    /// The names of whole numbers from 0 on, for an axis without numbers.
    pub(crate) names: Vec<String>,
}

/// The unit of an axis, in which its values are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Number,
    /// Nanoseconds.
    Time,
    Bytes,
    /// Bits per second.
    BitRate,
    /// Packets per second.
    PacketRate,
    /// A share between 0 and 1, written in percent.
    Share,
}

/// What a line shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Measured values, with marks.
    Measured,
    /// Measured values that have no order: marks alone.
    Marks,
    /// Many measured values: a line without marks.
    Trace,
    /// Many measured values, each in force since the one before: steps without marks.
    Steps,
    /// A prediction: dashed, and not part of what the scale of y must hold.
    Theory,
    /// A value to compare with: dotted.
    Limit,
    /// Bars from the left, one for each name of the vertical axis; the title of a mark is also written behind its bar.
    Bars,
}

/// A line of a chart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Line {
    /// Its name in the legend; empty if it needs none.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Its colour and shape: below [`MOST_LINES`], [`LATENCY`] or [`SOJOURN`].
    pub(crate) colour: usize,
    pub(crate) marks: Vec<Mark>,
}

/// A value of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mark {
    pub(crate) x: f64,
    pub(crate) y: f64,
    /// The ends of its interval.
    pub(crate) bounds: Option<(f64, f64)>,
    /// What a pointer above it shows.
    pub(crate) title: String,
}

impl Unit {
    /// `value` with three digits and the unit.
    pub(crate) fn text(self, value: f64) -> String {
        match self {
            Self::Number => human::mean(value),
            Self::Time => human::time(value),
            Self::Bytes => format!("{} B", human::mean(value)),
            Self::BitRate => human::bit_rate(value),
            Self::PacketRate => human::packet_rate(value),
            Self::Share => human::percent(value),
        }
    }

    /// `value` on a tick: without zeros behind the point.
    fn tick(self, value: f64) -> String {
        let text = self.text(value);
        let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
        let number = if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.') } else { number };
        if unit.is_empty() { number.to_owned() } else { format!("{number} {unit}") }
    }
}

impl Axis {
    /// A horizontal axis over `values`, which have ticks.
    pub(crate) fn of_values(label: impl Into<String>, unit: Unit, values: impl IntoIterator<Item = f64>) -> Self {
        let mut ticks: Vec<f64> = values.into_iter().collect();
        ticks.sort_by(f64::total_cmp);
        ticks.dedup();
        Self { label: label.into(), unit, scale: Scale::between(&ticks), ticks, names: Vec::new() }
    }

    /// A horizontal axis over the time from 0 to `end`.
    pub(crate) fn of_time(label: impl Into<String>, end: f64) -> Self {
        let scale = Scale::Linear { low: 0.0, high: end };
        Self { label: label.into(), unit: Unit::Time, scale, ticks: Vec::new(), names: Vec::new() }
    }

    /// A horizontal axis with `names` in the places 0, 1, 2 and so on.
    pub(crate) fn of_names(label: impl Into<String>, names: Vec<String>) -> Self {
        let ticks = (0..names.len()).map(|at| at as f64).collect();
        Self { label: label.into(), unit: Unit::Number, scale: Scale::places(names.len()), ticks, names }
    }

    /// A horizontal axis from zero on, with room for a text behind the bar of the `longest`.
    pub(crate) fn of_bars(label: impl Into<String>, unit: Unit, longest: f64) -> Self {
        let high = if longest > 0.0 { longest * 1.3 } else { 1.0 };
        Self {
            label: label.into(),
            unit,
            scale: Scale::Linear { low: 0.0, high },
            ticks: Vec::new(),
            names: Vec::new(),
        }
    }

    /// A horizontal axis of times with equal factors in equal lengths.
    pub(crate) fn of_times(label: impl Into<String>, times: impl IntoIterator<Item = f64>) -> Self {
        let mut times: Vec<f64> = times.into_iter().collect();
        times.sort_by(f64::total_cmp);
        let scale = Scale::between(&times).rounded();
        Self { label: label.into(), unit: Unit::Time, scale, ticks: Vec::new(), names: Vec::new() }
    }

    /// A vertical axis of shares from 0 to 1.
    pub(crate) fn of_shares(label: impl Into<String>) -> Self {
        let scale = Scale::Linear { low: 0.0, high: 1.0 };
        Self { label: label.into(), unit: Unit::Share, scale, ticks: Vec::new(), names: Vec::new() }
    }

    /// A vertical axis that holds what `lines` have measured and their limits. What they predict may lie outside.
    pub(crate) fn holding(label: impl Into<String>, unit: Unit, lines: &[Line]) -> Self {
        let shown = lines.iter().filter(|line| line.kind != Kind::Theory).flat_map(|line| &line.marks);
        let values: Vec<(f64, f64)> =
            shown.map(|mark| (mark.y, mark.bounds.map_or(mark.y, |(_, high)| high.max(mark.y)))).collect();
        Self { label: label.into(), unit, scale: Scale::above(&values), ticks: Vec::new(), names: Vec::new() }
    }

    /// A vertical axis that holds what `lines` have measured and their limits, from zero on, in equal steps.
    pub(crate) fn linear(label: impl Into<String>, unit: Unit, lines: &[Line]) -> Self {
        let highest = lines.iter().flat_map(|line| &line.marks).map(|mark| mark.y).fold(0.0, f64::max);
        let scale = Scale::above(&[(highest, highest)]);
        Self { label: label.into(), unit, scale, ticks: Vec::new(), names: Vec::new() }
    }

    /// The label of the tick at `value`.
    fn tick(&self, value: f64) -> String {
        let name = self.names.get(value as usize).filter(|_| value >= 0.0);
        name.cloned().unwrap_or_else(|| self.unit.tick(value))
    }

    /// The label, and how the scale is to be read.
    fn heading(&self) -> String {
        let mut text = self.label.clone();
        match self.scale {
            Scale::Linear { .. } => {}
            Scale::Logarithmic { zero: false, .. } => text += ", logarithmic",
            Scale::Logarithmic { zero: true, low, .. } => {
                // A `String` takes every write.
                let _ = write!(text, ", logarithmic above {}, linear below", self.unit.tick(low));
            }
        }
        text
    }
}
