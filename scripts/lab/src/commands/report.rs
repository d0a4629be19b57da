//! `lab report`: shows results as a table, as CSV, as a document and as figures.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use netstack::settings::LineSettings;
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, examples};
use shared::process::json::say;

use super::common::Failure;
use crate::page::{Results, figure_files, markdown, page, verdict};
use crate::report::file::OutFile;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "A line for each report",
        "lab simulate --packets 1000 --json run.json && lab report run.json",
    ),
    (
        "The results of a sweep as a page with figures",
        "lab sweep --vary depth=1..8*2 --out sweep && lab report --format html --out sweep.html sweep",
    ),
    (
        "Its figures as files",
        "lab report --format svg --out figures sweep",
    ),
]))]
pub(crate) struct ReportArgs {
    /// A folder of lab sweep --out, or reports; - reads one from standard input.
    #[arg(required = true, value_name = "DIR|FILE|-")]
    paths: Vec<PathBuf>,

    #[command(flatten)]
    lines: LineSettings,

    /// The format of the output.
    #[arg(long, help_heading = OUTPUT, value_enum, default_value_t)]
    format: Format,

    /// Where it is written, instead of standard output.
    ///
    /// For --format svg a folder, which is made if it is missing.
    #[arg(long, help_heading = OUTPUT, value_name = "FILE|DIR")]
    out: Option<PathBuf>,

    /// The number of the point whose run is shown in detail. [default: at the knee]
    ///
    /// For --format html and svg. The knee is the smallest value whose goodput is at least 99 % of the best goodput of its
    /// line; of several lines, the one whose knee is the largest is shown.
    #[arg(long, help_heading = OUTPUT, value_name = "N")]
    point: Option<usize>,
}

/// The format of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// What the results say in a sentence, and a table, for people; it is also Markdown.
    #[default]
    Table,
    /// Every figure, exact, for programs.
    Csv,
    /// A document with a title, what the results say in a sentence, and the table.
    Markdown,
    /// A page with what the results say, figures and the table: one file that needs no network.
    Html,
    /// A file for each figure of the page.
    Svg,
}

/// Shows all results.
///
/// # Errors
/// If they cannot be read, or the output cannot be written.
pub(crate) fn main(args: &ReportArgs) -> Result<Status, Failure> {
    if args.point.is_some() && !matches!(args.format, Format::Html | Format::Svg) {
        return Err(Failure::Flag {
            flag: "point",
            remedy: "has a meaning with --format html and svg alone; leave it out",
        });
    }
    match (args.format, &args.out) {
        (Format::Svg, None) => {
            Err(Failure::Flag { flag: "format svg", remedy: "add --out and a folder for the figures" })
        }
        (Format::Svg, Some(folder)) => figures(args, folder),
        (_, out) => {
            let to_stdout = |path: &&PathBuf| path.as_path() != Path::new("-");
            let file = out.as_ref().filter(to_stdout).map(|path| OutFile::open("out", path)).transpose()?;
            let text = args.text(&Results::read(&args.paths)?)?;
            match file {
                Some(file) => file.write(&text)?,
                None if args.lines.quiet => {}
                None => say(None, text.trim_end()),
            }
            Ok(Status::Fine)
        }
    }
}

impl ReportArgs {
    fn text(&self, results: &Results) -> Result<String, Failure> {
        Ok(match self.format {
            Format::Table | Format::Svg => {
                let verdict = verdict(&results.estimates());
                format!("{verdict}\n\n{}\n\n{}\n", results.settings_line(), results.table())
            }
            Format::Csv => results.csv(),
            Format::Markdown => markdown(results),
            Format::Html => page(results, self.point)?,
        })
    }
}

fn figures(args: &ReportArgs, folder: &Path) -> Result<Status, Failure> {
    let unusable = |source| Failure::OutFolder { folder: folder.to_owned(), source };
    fs::create_dir_all(folder).map_err(unusable)?;
    // The names of the figures follow from the results; whether there can be files is known before.
    OutFile::open("out", &folder.join("loss.svg"))?;
    let files = figure_files(&Results::read(&args.paths)?, args.point)?;
    for (name, svg) in files {
        OutFile::open("out", &folder.join(name))?.write(&svg)?;
    }
    Ok(Status::Fine)
}
