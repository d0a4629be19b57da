//! `lab check`: new runs beside those of a baseline.

use std::path::PathBuf;

use clap::Args;
use netstack::settings::LineSettings;
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RUNS, examples};
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::Output;
use shared::units::Percent;

use super::common::Failure;
use crate::check::points::{points, runs_at};
use crate::check::text::{sentence, text};
use crate::check::{CheckReport, Verdict, check};
use crate::threshold::strict_failure;

/// What a verdict is, in `--help`.
const STATUSES: &str = "\
New runs beside those of a baseline: which figures are worse, better or the same within noise?

A point is a combination of settings; its runs differ in their seeds. In virtual time each figure is compared exactly,
seed by seed. In real time it is judged from 5 runs on each side on, by Welch's interval for the difference of the
means, at a level for each figure at which all intervals hold together at --level.

Exit status:
  0    no figure is worse: each is better, the same within noise, or cannot be told
  1    a figure is worse, or exists in the baseline only
  1    a point of the baseline, or a seed of one in virtual time, is missing in NEW
  1    with --strict: a figure cannot be told, or a run in NEW has a warning
  2    usage: a file is not a report, or a folder has none
Points that only NEW has are listed, and change no status.";

#[derive(Debug, Args)]
#[command(long_about = STATUSES, after_help = examples([
    (
        "Keep a baseline",
        "lab sweep --vary depth=4,8 --packets 500 --out before",
    ),
    (
        "Compare new runs with it",
        "lab sweep --vary depth=4,8 --packets 500 --out after && lab check --baseline before after",
    ),
    (
        "Fail if there is a warning, and write the verdicts as JSON",
        "lab check --baseline before --strict --json check.json after",
    ),
]))]
pub(crate) struct CheckArgs {
    /// The runs to compare with: a report, or a folder of reports.
    ///
    /// Reports are those of lab run, simulate or compare. Of a folder, *.json and runs/*.json in it are read.
    #[arg(long, help_heading = RUNS, value_name = "FILE|DIR")]
    baseline: PathBuf,

    /// The new runs, likewise.
    #[arg(value_name = "NEW")]
    new: PathBuf,

    /// The confidence of all intervals together.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_LEVEL", value_name = "PERCENT", default_value = "95%")]
    level: Percent,

    /// Fail if a figure cannot be told, or a run in NEW has a warning.
    ///
    /// Each is printed, and the exit status is 1.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_STRICT")]
    strict: bool,

    #[command(flatten)]
    lines: LineSettings,
    #[command(flatten)]
    output: Output,
}

/// Compares both sides and reports; returns the exit status.
///
/// # Errors
/// If a file is not a report, or the result cannot be written.
pub(crate) fn main(args: &CheckArgs) -> Result<Status, Failure> {
    let json = args.output.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    let baseline = runs_at(&args.baseline).map_err(Failure::Baseline)?;
    let new = runs_at(&args.new)?;
    let checked = check(&points(&baseline.reports, &new.reports), args.level.0)?;
    let more_failed = new.failed > baseline.failed;
    if new.failed > 0 {
        let (new, baseline) = (new.failed, baseline.failed);
        complain(format_args!("lab: {new} runs of NEW failed and have no figures; of the baseline {baseline}"));
    }
    let written = sink.map_or(Ok(()), |sink| sink.write(&checked));
    let strict = if args.strict { too_little_for_strict(&checked, &new.reports) } else { Vec::new() };
    strict.iter().for_each(|failure| complain(format_args!("lab: {failure}")));
    let worse = checked.verdict == Verdict::Worse;
    if !args.lines.quiet {
        say(json, text(&checked));
    } else if worse {
        complain(format_args!("lab: {}", sentence(&checked)));
    }
    let status = if worse || more_failed || !strict.is_empty() { Status::Failed } else { Status::Fine };
    Ok(status.after("lab", written.map_err(Failure::from), Failure::status))
}

/// What makes a check fail with --strict that otherwise has no effect, one line each.
fn too_little_for_strict(checked: &CheckReport, new: &[shared::report::RunReport]) -> Vec<String> {
    let warnings = new.iter().flat_map(|run| &run.warnings).map(strict_failure);
    let nothing = checked
        .points
        .iter()
        .zip(1..)
        .filter(|(point, _)| point.verdict == Verdict::CannotBeTold && point.figures.is_empty());
    let nothing = nothing.map(|(_, number)| format!("--strict: point {number}: it cannot be told"));
    let undecided = checked.points.iter().zip(1..).flat_map(|(point, number)| {
        let figures = point.figures.iter().filter(|figure| figure.verdict == Verdict::CannotBeTold);
        figures.map(move |figure| format!("--strict: point {number}: {} cannot be told", figure.title))
    });
    warnings.chain(nothing).chain(undecided).collect()
}
