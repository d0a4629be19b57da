//! Renders a chart as SVG.
//!
//! Text is placed by an estimate of its width, which is rather too large: what is rendered later has a font of its own.

use std::fmt::Write;

use super::scale::without_overlap;
use super::{Chart, Kind, Line, MOST_LINES, Mark};
use crate::report::markup::Markup;

/// The style of all charts, for light and dark.
pub(crate) const STYLE: &str = include_str!("chart.css");

const WIDTH: f64 = 660.0;
const PLOT_HEIGHT: f64 = 250.0;
/// Between the plot and the right edge: room for half a label.
const RIGHT: f64 = 24.0;
/// The base line of the heading.
const HEADING: f64 = 20.0;
const LEGEND_ROW: f64 = 20.0;
/// The sample of a line in the legend.
const SAMPLE: f64 = 30.0;
/// Between the entries of the legend.
const APART: f64 = 18.0;
/// An estimate of the width of a character, in a font of 12 pixels.
const CHARACTER: f64 = 7.0;
/// Lines whose marks are no further apart than this are drawn as one above the other.
const NEAR: f64 = 2.5;
/// The least width of a span with a background.
const LEAST_SHADE: f64 = 1.6;
/// The radius of the marks of the first line; those of later ones are smaller, so that marks at the same place show.
const RADIUS: f64 = 6.0;

/// The chart as a file of its own.
pub(crate) fn file(chart: &Chart) -> String {
    let mut svg = Markup::default();
    render(chart, true, &mut svg);
    svg.finish()
}

/// The chart as part of a page that has [`STYLE`].
pub(crate) fn embedded(chart: &Chart, page: &mut Markup) {
    render(chart, false, page);
}

fn render(chart: &Chart, with_style: bool, svg: &mut Markup) {
    let plot = Plot::of(chart);
    let (view, height) = (format!("0 0 {} {}", px(WIDTH), px(plot.height)), px(plot.height));
    let (title, desc) = (format!("{}-title", chart.id), format!("{}-desc", chart.id));
    let labels = format!("{title} {desc}");
    let width = px(WIDTH);
    let mut attributes: Vec<(&str, &dyn std::fmt::Display)> = vec![
        ("class", &"chart"),
        ("id", &chart.id),
        ("viewBox", &view),
        ("role", &"img"),
        ("aria-labelledby", &labels),
    ];
    if with_style {
        attributes.extend([
            ("xmlns", &"http://www.w3.org/2000/svg" as _),
            ("width", &width as _),
            ("height", &height as _),
        ]);
    }
    svg.open("svg", &attributes);
    svg.leaf("title", &[("id", &title)], &chart.title);
    svg.leaf("desc", &[("id", &desc)], [&*chart.description, &*chart.note].join(" ").trim_end());
    if with_style {
        svg.open("style", &[]);
        svg.raw(STYLE);
        svg.close();
    }
    svg.leaf("text", &[("class", &"heading"), ("x", &"0"), ("y", &px(HEADING))], &chart.title);
    plot.legend(svg);
    plot.axes(svg);
    plot.data(svg);
    svg.close();
    svg.line();
}

/// A chart with its places in pixels.
struct Plot<'a> {
    chart: &'a Chart,
    left: f64,
    top: f64,
    height: f64,
    y_ticks: Vec<(f64, String)>,
    legend: Vec<Entry<'a>>,
    /// For each line, whether it is dashed so that the line below it is seen.
    dashed: Vec<bool>,
}

/// An entry of the legend.
struct Entry<'a> {
    /// The line and its number; `None` for the spans with a background.
    line: Option<(usize, &'a Line)>,
    name: &'a str,
    x: f64,
    y: f64,
}

impl<'a> Plot<'a> {
    fn of(chart: &'a Chart) -> Self {
        let values = if chart.y.ticks.is_empty() { chart.y.scale.ticks(6) } else { chart.y.ticks.clone() };
        let y_ticks: Vec<_> = values.into_iter().map(|value| (value, chart.y.tick(value))).collect();
        let widest = y_ticks.iter().map(|(_, label)| width(label)).fold(0.0, f64::max);
        let legend = legend(chart);
        let rows = legend.last().map_or(HEADING, |entry| entry.y);
        // Below the legend is the label of the vertical axis.
        let top = rows + LEGEND_ROW + 18.0;
        let height = top + PLOT_HEIGHT + 44.0;
        let mut plot = Self { chart, left: widest + 10.0, top, height, y_ticks, legend, dashed: Vec::new() };
        plot.dashed = (0..chart.lines.len()).map(|line| plot.covers_another(line)).collect();
        plot.y_ticks = plot.with_room(&plot.y_ticks);
        plot
    }

    /// Whether the line with this number would hide one that is drawn before it.
    fn covers_another(&self, line: usize) -> bool {
        let (before, line) = (&self.chart.lines[..line], &self.chart.lines[line]);
        let curve = |kind| matches!(kind, Kind::Measured | Kind::Trace | Kind::Steps);
        let near = |(one, other): (&Mark, &Mark)| {
            (self.x(one.x) - self.x(other.x)).abs() <= NEAR && (self.y(one.y) - self.y(other.y)).abs() <= NEAR
        };
        let same = |other: &&Line| {
            other.kind == line.kind
                && other.marks.len() == line.marks.len()
                && other.marks.iter().zip(&line.marks).all(near)
        };
        curve(line.kind) && !line.marks.is_empty() && before.iter().any(|other| same(&other))
    }

    /// Those of the vertical ticks whose labels do not overlap.
    fn with_room(&self, ticks: &[(f64, String)]) -> Vec<(f64, String)> {
        let sizes: Vec<_> = ticks.iter().map(|(value, _)| (-self.y(*value), 12.0)).collect();
        let written = without_overlap(&sizes, 3.0);
        ticks.iter().zip(written).filter(|(_, written)| *written).map(|(tick, _)| tick.clone()).collect()
    }

    fn right(&self) -> f64 {
        WIDTH - RIGHT
    }

    fn bottom(&self) -> f64 {
        self.top + PLOT_HEIGHT
    }

    fn x(&self, value: f64) -> f64 {
        // Marks at the ends keep off the frame.
        let inset = if self.chart.x.names.is_empty() && !self.chart.x.ticks.is_empty() { 12.0 } else { 0.0 };
        self.left + inset + self.chart.x.scale.at(value) * (self.right() - self.left - 2.0 * inset)
    }

    fn y(&self, value: f64) -> f64 {
        self.bottom() - self.chart.y.scale.at(value) * PLOT_HEIGHT
    }

    fn legend(&self, svg: &mut Markup) {
        for entry in &self.legend {
            let middle = entry.y - 4.0;
            let sample = format!("M{} {}h{}", px(entry.x), px(middle), px(SAMPLE - 6.0));
            match entry.line {
                Some((number, line)) => {
                    svg.open("g", &[("class", &colour(line))]);
                    if line.kind != Kind::Marks {
                        svg.empty("path", &[("class", &self.class(number)), ("d", &sample)]);
                    }
                    if matches!(line.kind, Kind::Measured | Kind::Marks) {
                        shape(svg, line.colour, (entry.x + (SAMPLE - 6.0) / 2.0, middle));
                    }
                    svg.close();
                }
                None => rectangle(svg, "shade", (entry.x, middle - 6.0), (SAMPLE - 6.0, 12.0)),
            }
            svg.leaf("text", &[("x", &px(entry.x + SAMPLE)), ("y", &px(entry.y))], entry.name);
        }
    }

    fn axes(&self, svg: &mut Markup) {
        for (from, to) in &self.chart.shades {
            let (from, to) = (self.x(*from).max(self.left), self.x(*to).min(self.right()));
            rectangle(svg, "shade", (from, self.top), ((to - from).max(LEAST_SHADE), PLOT_HEIGHT));
        }
        let heading = [("class", &"soft" as _), ("x", &"0" as _), ("y", &px(self.top - 17.0) as _)];
        svg.leaf("text", &heading, self.chart.y.heading());
        for (value, label) in &self.y_ticks {
            let y = self.y(*value);
            if self.chart.y.names.is_empty() {
                segment(svg, "rule", (self.left, y), (self.right(), y));
            }
            let place = (self.left - 6.0, y + 4.0);
            text(svg, "end", place, label);
        }
        segment(svg, "frame", (self.left, self.bottom()), (self.right(), self.bottom()));
        for (x, label) in self.x_ticks() {
            segment(svg, "frame", (x, self.bottom()), (x, self.bottom() + 4.0));
            text(svg, "middle", (x, self.bottom() + 18.0), &label);
        }
        let middle = f64::midpoint(self.left, self.right());
        let (x, y) = (px(middle), px(self.bottom() + 37.0));
        svg.leaf(
            "text",
            &[("class", &"soft"), ("x", &x), ("y", &y), ("text-anchor", &"middle")],
            self.chart.x.heading(),
        );
        svg.line();
    }

    /// The places and labels of the ticks that have room.
    fn x_ticks(&self) -> Vec<(f64, String)> {
        let axis = &self.chart.x;
        let values = if axis.ticks.is_empty() { axis.scale.ticks(8) } else { axis.ticks.clone() };
        let labels: Vec<_> = values.iter().map(|value| (self.x(*value), axis.tick(*value))).collect();
        let sizes: Vec<_> = labels.iter().map(|(x, label)| (*x, width(label))).collect();
        let written = without_overlap(&sizes, 8.0);
        labels.into_iter().zip(written).filter(|(_, written)| *written).map(|(label, _)| label).collect()
    }

    fn data(&self, svg: &mut Markup) {
        let clip = format!("{}-plot", self.chart.id);
        svg.open("clipPath", &[("id", &clip)]);
        // Marks at an edge are whole.
        rectangle(svg, "", (self.left - 7.0, self.top - 7.0), (self.right() - self.left + 14.0, PLOT_HEIGHT + 14.0));
        svg.close();
        svg.open("g", &[("clip-path", &format!("url(#{clip})"))]);
        for (number, line) in self.chart.lines.iter().enumerate() {
            svg.open("g", &[("class", &colour(line))]);
            if line.kind == Kind::Measured {
                self.bands(svg, &line.marks);
            }
            match line.kind {
                Kind::Marks => {}
                Kind::Bars => line.marks.iter().for_each(|mark| self.bar(svg, mark)),
                _ => svg.empty("path", &[("class", &self.class(number)), ("d", &self.path(line))]),
            }
            svg.close();
        }
        for line in &self.chart.lines {
            svg.open("g", &[("class", &colour(line))]);
            line.marks.iter().for_each(|mark| self.mark(svg, line, mark));
            svg.close();
            svg.line();
        }
        svg.close();
    }

    /// The class with the stroke of a line.
    fn class(&self, line: usize) -> String {
        let class = match self.chart.lines[line].kind {
            Kind::Measured | Kind::Marks | Kind::Bars => "line",
            Kind::Trace | Kind::Steps => "line thin",
            Kind::Theory => "theory",
            Kind::Limit => "limit",
        };
        if self.dashed[line] { format!("{class} above") } else { class.to_owned() }
    }

    fn path(&self, line: &Line) -> String {
        let mut path = String::new();
        for mark in &line.marks {
            let (x, y) = (px(self.x(mark.x)), px(self.y(mark.y)));
            // A `String` takes every write.
            let _ = match (path.is_empty(), line.kind) {
                (true, _) => write!(path, "M{x} {y}"),
                (false, Kind::Steps) => write!(path, "V{y}H{x}"),
                (false, _) => write!(path, "L{x} {y}"),
            };
        }
        path
    }

    /// A band for each row of neighbours that have intervals.
    fn bands(&self, svg: &mut Markup, marks: &[Mark]) {
        for row in marks.chunk_by(|one, next| one.bounds.is_some() && next.bounds.is_some()) {
            let bounds: Vec<_> = row.iter().filter_map(|mark| Some((self.x(mark.x), mark.bounds?))).collect();
            let highs = bounds.iter().map(|(x, (_, high))| (*x, self.y(*high)));
            let lows = bounds.iter().rev().map(|(x, (low, _))| (*x, self.y(*low)));
            let corners: Vec<_> = highs.chain(lows).map(|(x, y)| format!("{} {}", px(x), px(y))).collect();
            if bounds.len() > 1 {
                svg.empty("path", &[("class", &"band"), ("d", &format!("M{}Z", corners.join("L")))]);
            }
        }
    }

    fn bar(&self, svg: &mut Markup, mark: &Mark) {
        let thickness = 0.6 * PLOT_HEIGHT / self.chart.y.names.len().max(1) as f64;
        let (from, to, middle) = (self.x(0.0), self.x(mark.x), self.y(mark.y));
        rectangle(svg, "fill", (from, middle - thickness / 2.0), (to - from, thickness));
        text(svg, "start", (to + 6.0, middle + 4.0), &mark.title);
    }

    fn mark(&self, svg: &mut Markup, line: &Line, mark: &Mark) {
        let at = (self.x(mark.x), self.y(mark.y));
        if matches!(line.kind, Kind::Measured | Kind::Marks) {
            svg.open("g", &[("class", &"mark")]);
            svg.leaf("title", &[], &mark.title);
            if let (Kind::Marks, Some((low, high))) = (line.kind, mark.bounds) {
                segment(svg, "bar", (at.0, self.y(low)), (at.0, self.y(high)));
            }
            shape(svg, line.colour, at);
        } else if mark.title.is_empty() {
            return;
        } else {
            svg.open("g", &[]);
            svg.leaf("title", &[], &mark.title);
        }
        svg.empty("circle", &[("class", &"hit"), ("cx", &px(at.0)), ("cy", &px(at.1)), ("r", &"8")]);
        svg.close();
    }
}

/// The entries of the legend in rows. A chart with one line, whose heading says what it is, has none.
fn legend(chart: &Chart) -> Vec<Entry<'_>> {
    let named = chart.lines.iter().enumerate().filter(|(_, line)| !line.name.is_empty());
    let named = named.map(|(number, line)| (Some((number, line)), &line.name[..]));
    let shades = (!chart.shades.is_empty()).then_some((None, chart.shade_name));
    let mut entries = Vec::new();
    let (mut x, mut y) = (0.0, HEADING + LEGEND_ROW + 2.0);
    for (line, name) in named.chain(shades) {
        let length = SAMPLE + width(name);
        if x > 0.0 && x + length > WIDTH {
            (x, y) = (0.0, y + LEGEND_ROW);
        }
        entries.push(Entry { line, name, x, y });
        x += length + APART;
    }
    entries
}

fn width(text: &str) -> f64 {
    text.chars().count() as f64 * CHARACTER
}

/// The class with the colour of `line`.
fn colour(line: &Line) -> String {
    match line.kind {
        Kind::Limit => "plain".to_owned(),
        _ => format!("c{}", line.colour),
    }
}

/// A mark whose shape tells its line apart without its colour.
fn shape(svg: &mut Markup, line: usize, (x, y): (f64, f64)) {
    let line = line % MOST_LINES;
    let r = RADIUS - 0.4 * line as f64;
    let corners = |all: &[(f64, f64)]| {
        let all: Vec<_> = all.iter().map(|(dx, dy)| format!("{} {}", px(x + dx * r), px(y + dy * r))).collect();
        format!("M{}Z", all.join("L"))
    };
    let path = match line % 4 {
        0 => {
            format!("M{} {}a{r:.1} {r:.1} 0 1 0 {d:.1} 0a{r:.1} {r:.1} 0 1 0 -{d:.1} 0Z", px(x - r), px(y), d = 2.0 * r)
        }
        1 => corners(&[(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]),
        2 => corners(&[(0.0, -1.2), (1.1, 0.9), (-1.1, 0.9)]),
        _ => corners(&[(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]),
    };
    svg.empty("path", &[("class", &if line < 4 { "full" } else { "hollow" }), ("d", &path)]);
}

fn segment(svg: &mut Markup, class: &str, from: (f64, f64), to: (f64, f64)) {
    let (x1, y1, x2, y2) = (px(from.0), px(from.1), px(to.0), px(to.1));
    svg.empty("line", &[("class", &class), ("x1", &x1), ("y1", &y1), ("x2", &x2), ("y2", &y2)]);
}

fn rectangle(svg: &mut Markup, class: &str, at: (f64, f64), size: (f64, f64)) {
    let (x, y, width, height) = (px(at.0), px(at.1), px(size.0.max(0.0)), px(size.1));
    svg.empty("rect", &[("class", &class), ("x", &x), ("y", &y), ("width", &width), ("height", &height)]);
}

fn text(svg: &mut Markup, anchor: &str, (x, y): (f64, f64), label: &str) {
    svg.leaf("text", &[("x", &px(x)), ("y", &px(y)), ("text-anchor", &anchor)], label);
}

/// A coordinate with one digit behind the point. What lies far outside, where renderers lose precision, lies less far.
fn px(value: f64) -> String {
    let text = format!("{:.1}", value.clamp(-10_000.0, 10_000.0));
    text.strip_suffix(".0").map_or_else(|| text.clone(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::{Axis, Unit};
    use super::*;

    fn chart() -> Chart {
        let mark = |x, y, bounds| Mark { x, y, bounds, title: format!("depth {x}: <{y}>") };
        let lines = vec![
            Line {
                name: "wait".to_owned(),
                kind: Kind::Measured,
                colour: 0,
                marks: vec![
                    mark(1.0, 0.4, Some((0.3, 0.5))),
                    mark(32.0, 0.001, Some((0.0, 0.002))),
                    mark(64.0, 0.0, None),
                ],
            },
            Line {
                name: "theory".to_owned(),
                kind: Kind::Theory,
                colour: 0,
                marks: vec![mark(1.0, 0.45, None), mark(64.0, 1e-30, None)],
            },
        ];
        Chart {
            id: "loss",
            title: "Loss".to_owned(),
            description: "Loss by depth.".to_owned(),
            note: String::new(),
            x: Axis::of_values("depth", Unit::Number, [1.0, 32.0, 64.0]),
            y: Axis::holding("share lost", Unit::Share, &lines),
            lines,
            shades: vec![(2.0, 4.0)],
            shade_name: "stalls",
        }
    }

    #[test]
    fn a_small_chart() {
        let svg = file(&chart()).replace(STYLE, "(style)");
        insta::assert_snapshot!(svg);
    }

    #[test]
    fn every_coordinate_is_a_number_also_without_data() {
        let mut empty = chart();
        empty.lines.clear();
        empty.x = Axis::of_names("run", Vec::new());
        empty.y = Axis::holding("share", Unit::Share, &[]);
        for chart in [chart(), empty] {
            let svg = file(&chart);
            assert!(!svg.contains("NaN"), "{svg}");
        }
    }

    #[test]
    fn a_line_that_would_hide_another_is_dashed() {
        let mut chart = chart();
        chart.lines[1] = Line { kind: Kind::Measured, colour: 1, ..chart.lines[0].clone() };
        let dashed = |chart: &Chart| Plot::of(chart).dashed;
        assert_eq!(dashed(&chart), [false, true]);
        chart.lines[1].marks[0].y *= 0.99;
        assert_eq!(dashed(&chart), [false, true], "a hundredth is not seen");
        chart.lines[1].marks[0].y *= 0.5;
        assert_eq!(dashed(&chart), [false, false]);
        chart.lines[1].marks.clear();
        assert_eq!(dashed(&chart), [false, false]);
    }

    #[test]
    fn a_long_legend_has_rows() {
        let mut chart = chart();
        chart.lines[0].name = "policy=drop-newest, load=0.9, a long name".to_owned();
        chart.lines[1].name = "policy=drop-oldest, load=0.95, another long name".to_owned();
        let entries = legend(&chart);
        assert_eq!(
            entries.iter().map(|entry| (entry.x > 0.0, entry.y)).collect::<Vec<_>>(),
            [(false, 42.0), (false, 62.0), (true, 62.0)]
        );
    }
}
