//! What `lab bench` and `lab dispatch` have in common: repetitions in turn, and a report as text, JSON and a figure.

use std::path::Path;

use serde::Serialize;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::signals::Signals;
use shared::report::Origin;
use shared::ring::Depth;
use shared::units::Bytes;

use super::common::{Failure, runtime};
use crate::bench::BenchError;
use crate::launch::Binaries;
use crate::progress::{Progress, silence};
use crate::report::file::OutFile;
use crate::report::svg;
use crate::runner::full_rate::MeasureError;
use crate::settings::RunSettings;

/// Where the results of a measurement go.
pub(super) struct Results<'a> {
    /// The file of `--json`.
    pub(super) json: Option<&'a JsonTarget>,
    /// The file of `--svg`.
    pub(super) svg: Option<&'a Path>,
    /// Whether `--quiet` is set.
    pub(super) quiet: bool,
}

/// What a measurement needs.
pub(super) struct Setup {
    /// When and by which command the measurement was begun.
    pub(super) origin: Origin,
    pub(super) binaries: Binaries,
    /// The default settings, with the depth that was set.
    pub(super) settings: RunSettings,
    pub(super) signals: Signals,
    /// What is missing in the report, and why.
    pub(super) left_out: Vec<String>,
}

/// Calls `measure`, prints the `text` of its report, and writes its JSON and its `figure`. Both files are opened before
/// the measurement, so that a path that cannot be written fails at once.
///
/// # Errors
/// If there is no report.
pub(super) fn measure_and_report<R: Serialize>(
    results: &Results<'_>,
    depth: Depth,
    measure: impl AsyncFnOnce(&mut Setup) -> Result<R, Failure>,
    text: impl FnOnce(&R) -> String,
    figure: impl FnOnce(&R) -> Result<String, String>,
) -> Result<Status, Failure> {
    silence(results.quiet);
    let sink = results.json.map(JsonTarget::open).transpose()?;
    let file = results.svg.map(|path| OutFile::open("svg", path)).transpose()?;
    let mut settings = RunSettings::defaults();
    settings.set_depth(depth);
    let binaries = Binaries::find()?;
    let signals = Signals::new()?;
    let mut setup = Setup { origin: Origin::now(), binaries, settings, signals, left_out: Vec::new() };
    let report = runtime()?.block_on(measure(&mut setup))?;
    let written = sink.map_or(Ok(()), |sink| sink.write(&report));
    if results.quiet {
        // The text has these lines too.
        setup.left_out.iter().for_each(|why| complain(format_args!("lab: warning: {why}")));
    } else {
        say(results.json, text(&report));
    }
    let drawn = file.map_or(Ok(()), |file| svg::write(file, figure(&report)));
    let status = if setup.signals.have_come() { Status::Interrupted } else { Status::Fine };
    let status = status.after("lab", written.map_err(Failure::from), Failure::status);
    Ok(status.after("lab", drawn.map_err(Failure::from), Failure::status))
}

/// What each subject delivered at one size of frame, by subject and repetition.
pub(super) type AtSize<T> = (Bytes, Vec<Vec<T>>);

/// Measures all `subjects` in turn, `repetitions` times, at each of `sizes`. An interrupt ends it after the repetitions
/// that all subjects have completed, and adds a line about it to `left_out`.
///
/// # Errors
/// If a measurement failed, or an interrupt left not even one complete repetition.
pub(super) async fn in_turn<S, T>(
    (sizes, repetitions): (&[Bytes], u32),
    subjects: &[S],
    name: impl Fn(&S) -> &'static str,
    left_out: &mut Vec<String>,
    mut measure: impl AsyncFnMut(&S, Bytes) -> Result<T, BenchError>,
) -> Result<Vec<AtSize<T>>, Failure> {
    let progress = Progress::new();
    let mut all = Vec::new();
    for size in sizes {
        let mut runs: Vec<Vec<T>> = subjects.iter().map(|_| Vec::new()).collect();
        'repetitions: for repetition in 1..=repetitions {
            for (subject, runs) in subjects.iter().zip(&mut runs) {
                progress.now(&format!("{size} {} ({repetition} of {repetitions}) ...", name(subject)));
                match measure(subject, *size).await {
                    Err(BenchError::Run(MeasureError::Interrupted)) => break 'repetitions,
                    run => runs.push(run?),
                }
            }
        }
        // An interrupt may have come in the middle of a repetition.
        let complete = runs.iter().map(Vec::len).min().unwrap_or_default();
        runs.iter_mut().for_each(|runs| runs.truncate(complete));
        if complete > 0 {
            all.push((*size, runs));
        }
        if complete < repetitions as usize {
            left_out.push(format!(
                "interrupted: {size} was measured {complete} of {repetitions} times, and nothing was measured after it"
            ));
            break;
        }
    }
    if all.is_empty() { Err(BenchError::from(MeasureError::Interrupted).into()) } else { Ok(all) }
}
