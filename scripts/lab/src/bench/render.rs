//! Renders a benchmark: as tables for people, which are also Markdown, and as a figure.
//!
//! The figure has a panel for each frame size and a bar for each contestant. The length of a bar is its packets per
//! second, from zero on, so that twice the length is twice as fast.

use plotters::prelude::*;
use plotters::style::text_anchor::HPos;
use shared::report::human;

use super::rows::{BenchReport, Row};
use super::simulation;
use crate::count;
use crate::report::svg::{Area, BAR, BLUE, BOTTOM, Drawn, GREY, INK, PANEL_TITLE, ROW, TITLE, svg, text};
use crate::report::table::markdown;

/// Where bars begin, in pixels: right of the longest name.
const LEFT: i32 = 180;
/// Where the longest bar ends, in pixels: left of its figures.
const RIGHT: i32 = 650;

/// The table of contestants, the table of instructions, that of simulations, the processor, and a line for each thing
/// that is missing.
pub(crate) fn table(report: &BenchReport) -> String {
    let mut parts = vec![contestants(&report.rows)];
    if !report.instructions.is_empty() {
        parts.push(count::table(&report.instructions));
    }
    if !report.simulations.is_empty() {
        parts.push(simulation::table(&report.simulations));
    }
    parts.push(format!("Processor: {}, CPUs {}", report.host.cpu, report.host.cpus));
    parts.extend(report.left_out.iter().cloned());
    parts.join("\n\n")
}

fn contestants(rows: &[Row]) -> String {
    let header = [
        "frame",
        "contestant",
        "delivered",
        "ns/packet",
        "of frames",
        "spread",
        "of memif",
        "times bare ring",
        "times udp",
        "of bulk",
    ];
    let cells = |row: &Row| {
        let (least, most) = row.spread();
        let ratio = |value: Option<f64>, interval: Option<(f64, f64)>, digits| match (value, interval) {
            (Some(value), Some((low, high))) => format!("{value:.digits$} ({low:.digits$} to {high:.digits$})"),
            (Some(value), None) => format!("{value:.digits$}"),
            (None, _) => String::new(),
        };
        let (ratios, intervals) = (row.ratios, row.intervals);
        [
            format!("{} B", row.size_bytes),
            row.name.clone(),
            human::packet_rate(row.packets_per_second),
            format!("{:.1}", row.ns_per_packet),
            human::bit_rate(row.bits_per_second),
            format!("{} .. {}", human::packet_rate(least), human::packet_rate(most)),
            ratio(ratios.of_memif, intervals.of_memif, 2),
            ratio(ratios.times_bare_ring, intervals.times_bare_ring, 2),
            ratio(ratios.times_udp_loopback, intervals.times_udp_loopback, 1),
            ratio(ratios.of_bulk, intervals.of_bulk, 2),
        ]
    };
    markdown(2, header, rows.iter().map(cells))
}

/// Returns the figure as SVG, or why it cannot be drawn.
pub(crate) fn figure(report: &BenchReport) -> Result<String, String> {
    Chart::of(report).svg()
}

/// A report to be drawn.
#[derive(Debug)]
struct Chart<'a> {
    report: &'a BenchReport,
    sizes: Vec<u64>,
    /// Packets per second of the fastest run of each size: the length of the longest bar.
    most: Vec<f64>,
}

impl<'a> Chart<'a> {
    fn of(report: &'a BenchReport) -> Self {
        let mut sizes: Vec<u64> = report.rows.iter().map(|row| row.size_bytes).collect();
        sizes.dedup();
        let most = |size: &u64| {
            let rows = report.rows.iter().filter(|row| row.size_bytes == *size);
            rows.map(|row| row.spread().1).fold(f64::MIN_POSITIVE, f64::max)
        };
        let most = sizes.iter().map(most).collect();
        Self { report, sizes, most }
    }

    fn svg(&self) -> Result<String, String> {
        let rows = i32::try_from(self.report.rows.len()).unwrap_or(i32::MAX / ROW / 2);
        let panels = i32::try_from(self.sizes.len()).unwrap_or(1);
        let height = TITLE + panels * PANEL_TITLE + rows * ROW + BOTTOM;
        svg(height, |area| self.draw(area, height))
    }

    fn draw<'s>(&self, area: &Area<'s>, height: i32) -> Drawn<'s> {
        text(area, "Packets a second between two processes", (16, 24), 18, HPos::Left)?;
        let mut top = TITLE;
        for (size, most) in self.sizes.iter().zip(&self.most) {
            text(area, &format!("Ethernet frames of {size} B"), (16, top + PANEL_TITLE / 2), 15, HPos::Left)?;
            top += PANEL_TITLE;
            for row in self.report.rows.iter().filter(|row| row.size_bytes == *size) {
                bar(area, row, *most, top)?;
                top += ROW;
            }
        }
        let legend = format!(
            "Bars: medians of {} interleaved runs of {} s each; lines: slowest to fastest run. Rings of {} slots.",
            self.report.rows.first().map_or(0, |row| row.repetitions.len()),
            self.report.seconds,
            self.report.depth
        );
        text(area, &legend, (16, height - BOTTOM / 2), 12, HPos::Left)
    }
}

fn bar<'s>(area: &Area<'s>, row: &Row, most: f64, top: i32) -> Drawn<'s> {
    let middle = top + ROW / 2;
    let at = |rate: f64| LEFT + (rate / most * f64::from(RIGHT - LEFT)).round() as i32;
    let colour = if row.name.starts_with("pushback") { BLUE } else { GREY };
    text(area, &row.name, (LEFT - 10, middle), 14, HPos::Right)?;
    let corners = [(LEFT, middle - BAR / 2), (at(row.packets_per_second), middle + BAR / 2)];
    area.draw(&Rectangle::new(corners, colour.filled()))?;
    let (least, most) = row.spread();
    for line in [
        [(at(least), middle), (at(most), middle)],
        [(at(least), middle - 4), (at(least), middle + 4)],
        [(at(most), middle - 4), (at(most), middle + 4)],
    ] {
        area.draw(&PathElement::new(line.to_vec(), INK.stroke_width(1)))?;
    }
    let figures = format!("{} ({:.1} ns)", human::packet_rate(row.packets_per_second), row.ns_per_packet);
    text(area, &figures, (at(most) + 10, middle), 14, HPos::Left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_have_a_line_for_each_contestant_and_for_what_is_missing() {
        insta::assert_snapshot!(table(&BenchReport::made_up()));
    }

    #[test]
    fn the_figure_has_every_bar_to_scale() {
        let report = BenchReport::made_up();
        insta::assert_snapshot!(figure(&report).unwrap());
    }
}
