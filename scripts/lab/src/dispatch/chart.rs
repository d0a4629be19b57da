//! Draws the ways to call the layers: one bar in time and one in instructions for each, with the share of the layers.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;

use super::report::{DispatchReport, Way};
use crate::report::svg::{Area, BAR, BLUE, BOTTOM, Drawn, GREY, PANEL_TITLE, ROW, TITLE, svg, text};

/// Where bars begin, in pixels: right of the longest name.
const LEFT: i32 = 90;
/// Where the longest bar ends, in pixels: left of its figures.
const RIGHT: i32 = 610;

/// Returns the figure as SVG, or why it cannot be drawn.
pub(crate) fn figure(report: &DispatchReport) -> Result<String, String> {
    Chart::of(report).svg()
}

/// A report to be drawn.
#[derive(Debug)]
struct Chart<'a> {
    report: &'a DispatchReport,
    panels: Vec<Panel<'a>>,
}

/// One measure of all ways.
#[derive(Debug)]
struct Panel<'a> {
    title: &'static str,
    unit: &'static str,
    /// One bar for each way.
    bars: Vec<Bar<'a>>,
}

#[derive(Debug)]
struct Bar<'a> {
    way: &'a Way,
    whole: f64,
    layers: f64,
}

impl<'a> Chart<'a> {
    fn of(report: &'a DispatchReport) -> Self {
        let bars = |of: &dyn Fn(&Way) -> Option<(f64, f64)>| {
            let bar = |way| of(way).map(|(whole, layers)| Bar { way, whole, layers });
            report.ways.iter().filter_map(bar).collect()
        };
        let time = Panel {
            title: "Time that the stack is busy for a packet",
            unit: " ns",
            bars: bars(&|way| Some((way.stack_ns(), report.layers_ns(way).value))),
        };
        let instructions = report.without_layers.instructions_per_packet.map(|_| Panel {
            title: "Instructions of the stack for a packet",
            unit: "",
            bars: bars(&|way| way.instructions_per_packet.zip(report.layers_instructions(way))),
        });
        Self { report, panels: [Some(time), instructions].into_iter().flatten().collect() }
    }

    fn svg(&self) -> Result<String, String> {
        let rows: usize = self.panels.iter().map(|panel| panel.bars.len()).sum();
        let sum = |count, each| i32::try_from(count).unwrap_or(i32::MAX / each / 4) * each;
        let height = TITLE + sum(self.panels.len(), PANEL_TITLE) + sum(rows, ROW) + BOTTOM;
        svg(height, |area| self.draw(area, height))
    }

    fn draw<'s>(&self, area: &Area<'s>, height: i32) -> Drawn<'s> {
        let size = self.report.without_layers.sizes.first();
        let size = size.map_or(String::new(), |at| format!(", Ethernet frames of {} B", at.size_bytes));
        text(area, &format!("What the ways to call the layers cost{size}"), (16, 24), 18, HPos::Left)?;
        let mut top = TITLE;
        for panel in &self.panels {
            text(area, panel.title, (16, top + PANEL_TITLE / 2), 15, HPos::Left)?;
            top += PANEL_TITLE;
            for bar in &panel.bars {
                panel.bar(area, bar, top)?;
                top += ROW;
            }
        }
        let legend = format!(
            "Blue: the layers; grey: what a run takes without them. Medians of {} interleaved runs of {} s each.",
            self.report.without_layers.sizes.first().map_or(0, |at| at.repetitions.len()),
            self.report.seconds,
        );
        text(area, &legend, (16, height - BOTTOM / 2), 12, HPos::Left)
    }
}

impl Panel<'_> {
    fn bar<'s>(&self, area: &Area<'s>, bar: &Bar<'_>, top: i32) -> Drawn<'s> {
        let &Bar { way, whole, layers } = bar;
        let middle = top + ROW / 2;
        let most = self.bars.iter().map(|bar| bar.whole).fold(f64::MIN_POSITIVE, f64::max);
        let at = |value: f64| LEFT + (value / most * f64::from(RIGHT - LEFT)).round() as i32;
        text(area, &way.name, (LEFT - 10, middle), 14, HPos::Right)?;
        // If noise makes the share of the layers negative, the bar is all grey.
        let rest = (whole - layers).min(whole);
        for (from, to, colour) in [(LEFT, at(rest), GREY), (at(rest), at(whole), BLUE)] {
            area.draw(&Rectangle::new([(from, middle - BAR / 2), (to, middle + BAR / 2)], colour.filled()))?;
        }
        let figures = format!("{whole:.0}{unit}, layers {layers:.0}{unit}", unit = self.unit);
        text(area, &figures, (at(whole) + 10, middle), 14, HPos::Left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_has_both_parts_of_every_bar_to_scale() {
        insta::assert_snapshot!(figure(&DispatchReport::made_up()).unwrap());
    }
}
