//! What the SVG figures share: sizes in pixels, colours, and how a figure is written to a file.
//!
//! Text is placed at fixed coordinates, because the SVG backend does not know how wide a font is.

use std::path::PathBuf;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::report::file::{OutError, OutFile};

const WIDTH: u32 = 860;
pub(crate) const TITLE: i32 = 44;
pub(crate) const PANEL_TITLE: i32 = 34;
pub(crate) const ROW: i32 = 26;
pub(crate) const BAR: i32 = 16;
pub(crate) const BOTTOM: i32 = 34;

pub(crate) const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
pub(crate) const GREY: RGBColor = RGBColor(0xa8, 0xb0, 0xb8);
pub(crate) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);

/// A figure that cannot be drawn or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChartError {
    /// The plotting library failed.
    #[error("--svg {}: the figure cannot be drawn ({problem})", path.display())]
    Draw {
        /// The path of the figure.
        path: PathBuf,
        /// The error of the library.
        problem: String,
    },
    /// Its file cannot be written.
    #[error(transparent)]
    File(#[from] OutError),
}

/// The area to draw in.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// The result of drawing.
pub(crate) type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// Returns what `draw` draws on a white background, `height` pixels high.
pub(crate) fn svg(height: i32, draw: impl for<'s> FnOnce(&Area<'s>) -> Drawn<'s>) -> Result<String, String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH, height.unsigned_abs())).into_drawing_area();
    let drawn = area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present());
    drawn.map_err(|error| error.to_string())?;
    drop(area);
    Ok(svg)
}

/// Writes the figure to the file that `--svg` names, or returns why it could not be drawn.
///
/// # Errors
/// If it was not drawn, or cannot be written.
pub(crate) fn write(file: OutFile, drawn: Result<String, String>) -> Result<(), ChartError> {
    match drawn {
        Ok(svg) => Ok(file.write(&svg)?),
        Err(problem) => Err(ChartError::Draw { path: file.path().to_owned(), problem }),
    }
}

/// Writes `text` at the point `at`, vertically centred; `side` is the end of the text that lies at the point.
pub(crate) fn text<'s>(area: &Area<'s>, text: &str, at: (i32, i32), size: i32, side: HPos) -> Drawn<'s> {
    let style = ("sans-serif", size).into_text_style(area).color(&INK).pos(Pos::new(side, VPos::Center));
    area.draw(&Text::new(text.to_owned(), at, style))
}
