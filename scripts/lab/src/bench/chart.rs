//! A benchmark as a figure: a bar for each contestant, a panel for each size.
//!
//! Lengths are packets a second from zero on, so that a bar of twice the length is twice as fast. Text
//! is placed by hand, because the writer of SVG does not know how wide a font is.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use shared::report::human;

use super::{BenchReport, Row};

const WIDTH: i32 = 860;
/// Where bars begin: right of the longest name.
const LEFT: i32 = 180;
/// Where the longest mark ends: left of its figures.
const RIGHT: i32 = 650;
const TITLE: i32 = 44;
const PANEL_TITLE: i32 = 34;
const ROW: i32 = 26;
const BAR: i32 = 16;
const BOTTOM: i32 = 34;

const OURS: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const OTHERS: RGBColor = RGBColor(0xa8, 0xb0, 0xb8);
const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);

/// A figure that cannot be drawn or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChartError {
    /// Not drawn.
    #[error("--svg {}: the figure cannot be drawn ({problem})", path.display())]
    Draw {
        /// Where it was to be.
        path: PathBuf,
        /// What the library said.
        problem: String,
    },
    /// Not written.
    #[error("--svg {}: cannot be written ({source}); name a file in a folder that exists and is writable", path.display())]
    Write {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A drawing of a report.
#[derive(Debug)]
pub(crate) struct Chart<'a> {
    report: &'a BenchReport,
    sizes: Vec<u64>,
    /// Packets a second of the longest bar of each size.
    most: Vec<f64>,
}

/// Where things are drawn.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What came of drawing.
pub(crate) type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

impl<'a> Chart<'a> {
    pub(crate) fn of(report: &'a BenchReport) -> Self {
        let mut sizes: Vec<u64> = report.rows.iter().map(|row| row.size_bytes).collect();
        sizes.dedup();
        let most = |size: &u64| {
            let rows = report.rows.iter().filter(|row| row.size_bytes == *size);
            rows.map(|row| row.spread().1).fold(f64::MIN_POSITIVE, f64::max)
        };
        let most = sizes.iter().map(most).collect();
        Self { report, sizes, most }
    }

    /// Writes it to `path`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn write(&self, path: &Path) -> Result<(), ChartError> {
        write_svg(path, self.svg())
    }

    fn svg(&self) -> Result<String, String> {
        let mut svg = String::new();
        let rows = i32::try_from(self.report.rows.len()).unwrap_or(i32::MAX / ROW / 2);
        let panels = i32::try_from(self.sizes.len()).unwrap_or(1);
        let height = TITLE + panels * PANEL_TITLE + rows * ROW + BOTTOM;
        let area = SVGBackend::with_string(&mut svg, (WIDTH.unsigned_abs(), height.unsigned_abs())).into_drawing_area();
        self.draw(&area, height).and_then(|()| area.present()).map_err(|error| error.to_string())?;
        drop(area);
        Ok(svg)
    }

    fn draw<'s>(&self, area: &Area<'s>, height: i32) -> Drawn<'s> {
        area.fill(&WHITE)?;
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

/// Writes what was drawn to `path`, or says why it was not.
///
/// # Errors
/// If there is nothing, or it cannot be written.
pub(crate) fn write_svg(path: &Path, drawn: Result<String, String>) -> Result<(), ChartError> {
    let svg = drawn.map_err(|problem| ChartError::Draw { path: path.to_owned(), problem })?;
    fs::write(path, svg).map_err(|source| ChartError::Write { path: path.to_owned(), source })
}

fn bar<'s>(area: &Area<'s>, row: &Row, most: f64, top: i32) -> Drawn<'s> {
    let middle = top + ROW / 2;
    let at = |rate: f64| LEFT + (rate / most * f64::from(RIGHT - LEFT)).round() as i32;
    let colour = if row.name.starts_with("pushback") { OURS } else { OTHERS };
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

/// Writes `text` with its middle, at `side`, at a point.
pub(crate) fn text<'s>(area: &Area<'s>, text: &str, at: (i32, i32), size: i32, side: HPos) -> Drawn<'s> {
    let style = ("sans-serif", size).into_text_style(area).color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figure_has_every_bar_to_scale() {
        let report = BenchReport::made_up();
        insta::assert_snapshot!(Chart::of(&report).svg().unwrap());
    }

    #[test]
    fn a_figure_that_cannot_be_written_says_which_flag_to_change() {
        let report = BenchReport::made_up();
        let said = Chart::of(&report).write(Path::new("/missing/bench.svg")).unwrap_err().to_string();
        assert!(said.contains("--svg /missing/bench.svg") && said.contains("folder"), "{said}");
    }
}
