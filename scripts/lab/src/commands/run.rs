//! `lab run`: one run of both processes.

use std::path::{Path, PathBuf};

use clap::Args;
use driver::settings::{CaptureSettings, DriverSettings};
use lab::simulate::{Only, theory_of};
use netstack::settings::{LineSettings, SessionSettings, StackSettings};
use serde::Serialize;
use shared::process::exit::Status;
use shared::process::json::{JsonSink, JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::{Common, Output, Waiting};
use shared::process::signals::Signals;
use shared::report::{DriverFile, RunReport, Warning, WarningCode};

use super::{Failure, runtime};
use crate::cli::Sides;
use crate::flags::Given;
use crate::launch::{Binaries, LaunchError, Remains, Voice, launch_profiled};
use crate::merge::{Merged, merge};
use crate::profile::Profiler;
use crate::replay::replay;
use crate::verdict::{Ended, Ends};

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Repeat the run that this report is of; - reads it from standard input.
    ///
    /// Flags on the command line win over the report. Environment variables do not: the report has
    /// every setting.
    #[arg(long, value_name = "FILE|-")]
    from: Option<PathBuf>,

    /// Also report where the CPU time of a packet goes: app, each layer, copy, ring, driver.
    ///
    /// perf samples both processes for that; it costs a few per cent of their speed.
    #[arg(long)]
    profile: bool,

    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    stack: StackSettings,
    #[command(flatten)]
    session: SessionSettings,
    #[command(flatten)]
    lines: LineSettings,
    #[command(flatten)]
    driver: DriverSettings,
    #[command(flatten)]
    capture: CaptureSettings,
    #[command(flatten)]
    output: Output,
}

impl RunArgs {
    /// Gives each process what it takes. What both take, both get.
    fn sides(&self) -> Sides {
        let mut sides = Sides::new(&self.common, self.stack.clone(), &self.driver);
        sides.stack.waiting = self.waiting.clone();
        sides.driver.waiting = self.waiting.clone();
        sides.stack.session = self.session.clone();
        sides.stack.lines = self.lines.clone();
        sides.driver.capture = self.capture.clone();
        sides
    }
}

/// Runs, reports, and says what to exit with.
///
/// # Errors
/// If there was no run.
pub(crate) fn main(args: &RunArgs, given: &Given) -> Result<Status, Failure> {
    let json = args.output.json.as_ref();
    let (sides, dropped) = match &args.from {
        Some(file) => repeated(args, file, given)?,
        None => (args.sides(), None),
    };
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?;
    let voice = if json == Some(&JsonTarget::Stdout) { Voice::Aside } else { Voice::Aloud };
    let mut signals = Signals::new()?;
    let mut profiler = args.profile.then(|| Profiler::prepare(&binaries)).transpose()?;
    let remains = runtime()?.block_on(run(&binaries, &sides, voice, &mut signals, profiler.as_mut()))?;
    let ends = remains.ends;
    ends.complain();
    match merge(remains.report, remains.file) {
        Merged::Run { mut report, changed } => {
            report.theory = theory_of(&report);
            report.warnings.extend(dropped);
            if let Some(profiler) = profiler {
                add_budget(&mut report, profiler);
            }
            let written = write(sink, &report);
            if changed {
                say(json, format_args!("\nWith what the driver's own file says:\n{report}"));
            } else {
                let theory = report.theory.iter().map(ToString::to_string);
                let budget = report.budget.iter().map(ToString::to_string);
                theory.chain(budget).for_each(|more| say(json, more.trim_end()));
            }
            Ok(ends.status(report.ledger.balanced).after("lab", written, Failure::status))
        }
        // A stack that gave up by itself has said why, and the driver saw nothing of interest.
        Merged::DriverOnly(_) if matches!(ends.stack, Ended::Said(_)) => Ok(without_report(ends)),
        Merged::DriverOnly(file) => {
            let written = write(sink, &file);
            say(json, driver_only(&file));
            Ok(ends.status(true).after("lab", written, Failure::status))
        }
        Merged::Nothing => Ok(without_report(ends)),
    }
}

/// The status of a run that left no report. A process that a signal ended before it received signals has said nothing.
fn without_report(ends: Ends) -> Status {
    let status = ends.status(true);
    if status == Status::Interrupted {
        complain("lab: interrupted before the run began");
    }
    status
}

/// What each process is started with to repeat the run in `file`, and a warning if that was a simulation with
/// settings that mean nothing in real time.
fn repeated(args: &RunArgs, file: &Path, given: &Given) -> Result<(Sides, Option<Warning>), Failure> {
    let (mut sides, only) = replay(file, given).map_err(Failure::From)?;
    // Where to write is no part of a report.
    sides.driver.capture = args.capture.clone();
    let dropped = only.map(|only| changed(&only)).filter(|dropped| !dropped.is_empty()).map(|dropped| {
        let text = format!(
            "{} simulated with {}, which mean nothing in real time and are left out: expect other figures",
            file.display(),
            dropped.join(", ")
        );
        Warning::new(WarningCode::SettingsLeftOut, text)
    });
    dropped.iter().for_each(|warning| complain(format_args!("lab: warning: {warning}")));
    Ok((sides, dropped))
}

/// The settings in `only` that are not the defaults, as flags.
fn changed(only: &Only) -> Vec<String> {
    let fields = |only: &Only| match serde_json::to_value(only) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let defaults = fields(&Only::default());
    let changed = fields(only).into_iter().filter(|(name, value)| defaults.get(name) != Some(value));
    changed
        .map(|(name, value)| {
            format!("--{} {}", name.replace('_', "-"), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
        })
        .collect()
}

async fn run(
    binaries: &Binaries,
    sides: &Sides,
    voice: Voice,
    signals: &mut Signals,
    mut profiler: Option<&mut Profiler>,
) -> Result<Remains, LaunchError> {
    let remains = launch_profiled(binaries, sides, voice, signals, profiler.as_deref_mut()).await;
    if let Some(profiler) = profiler {
        profiler.finish().await;
    }
    remains
}

/// A run that could not be sampled is a run all the same.
fn add_budget(report: &mut RunReport, profiler: Profiler) {
    match profiler.budget(report) {
        Ok(budget) => report.budget = Some(budget),
        Err(why) => {
            let warning = Warning::new(WarningCode::NotProfiled, format!("there is no budget: {why}"));
            complain(format_args!("lab: warning: {warning}"));
            report.warnings.push(warning);
        }
    }
}

fn write(sink: Option<JsonSink>, report: &impl Serialize) -> Result<(), Failure> {
    Ok(sink.map_or(Ok(()), |sink| sink.write(report))?)
}

/// What is known if the stack did not live to report.
fn driver_only(file: &DriverFile) -> String {
    let mut text = "The stack did not report; this is what the driver saw:".to_owned();
    for session in &file.sessions {
        let bad = session.bad_length + session.bad_header + session.bad_checksum;
        text += &format!(
            "\nSession {}: received {}, sent {}, bad {bad}, discarded {}, ended: {}",
            session.generation, session.received, session.sent, session.discarded, session.ended
        );
    }
    text
}
