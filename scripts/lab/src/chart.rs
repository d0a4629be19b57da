//! What the figures have in common: their measures, their colours, and how they become a file.
//!
//! Text is placed by hand, because the writer of SVG does not know how wide a font is.

use std::io;
use std::path::{Path, PathBuf};

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use shared::limits::remedy;
use shared::whole::WholeFile;

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
    /// Not drawn.
    #[error("--svg {}: the figure cannot be drawn ({problem})", path.display())]
    Draw {
        /// Where it was to be.
        path: PathBuf,
        /// What the library said.
        problem: String,
    },
    /// Found before anything is measured.
    #[error("--svg {}: cannot be written ({source}); name a file in a folder that exists and is writable", path.display())]
    Open {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Found after that.
    #[error(
        "--svg {}: the figure could not be written completely ({source}), and what was there is as it was; {} \
         and run again",
        path.display(), remedy(source, "name another file")
    )]
    Write {
        /// Where it was to be.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// Where things are drawn.
pub(crate) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What came of drawing.
pub(crate) type Drawn<'a> = Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>>;

/// What `draw` draws, on white.
pub(crate) fn svg(height: i32, draw: impl for<'s> FnOnce(&Area<'s>) -> Drawn<'s>) -> Result<String, String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, (WIDTH, height.unsigned_abs())).into_drawing_area();
    let drawn = area.fill(&WHITE).and_then(|()| draw(&area)).and_then(|()| area.present());
    drawn.map_err(|error| error.to_string())?;
    drop(area);
    Ok(svg)
}

/// What `--svg` names.
#[derive(Debug)]
pub(crate) struct SvgFile {
    path: PathBuf,
    file: WholeFile,
}

impl SvgFile {
    /// Makes sure that a figure can be written to `path`, before anything is measured.
    ///
    /// # Errors
    /// If it cannot.
    pub(crate) fn open(path: &Path) -> Result<Self, ChartError> {
        let file = WholeFile::open(path).map_err(|source| ChartError::Open { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes what was drawn, or says why it was not.
    ///
    /// # Errors
    /// If there is nothing, or it cannot be written.
    pub(crate) fn write(self, drawn: Result<String, String>) -> Result<(), ChartError> {
        let Self { path, file } = self;
        match drawn {
            Ok(svg) => {
                file.write(|out| out.write_all(svg.as_bytes())).map_err(|source| ChartError::Write { path, source })
            }
            Err(problem) => Err(ChartError::Draw { path, problem }),
        }
    }
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
    fn a_figure_that_cannot_be_written_says_which_flag_to_change() {
        let said = SvgFile::open(Path::new("/missing/bench.svg")).unwrap_err().to_string();
        assert!(said.contains("--svg /missing/bench.svg") && said.contains("folder"), "{said}");
        let full = SvgFile::open(Path::new("/dev/full")).unwrap().write(Ok("<svg/>".to_owned()));
        assert!(full.unwrap_err().to_string().contains("--svg /dev/full: the figure could not be written completely"));
    }
}
