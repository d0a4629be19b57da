//! `lab run`: one run of both processes.

use std::path::{Path, PathBuf};

use clap::Args;
use driver::settings::{CaptureSettings, DriverSettings};
use netstack::settings::{LineSettings, SessionSettings, StackSettings};
use serde::Serialize;
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RUNS, TRAFFIC, examples};
use shared::process::json::{JsonLines, JsonSink, JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::{Common, Output, StreamOutput, Waiting};
use shared::process::signals::Signals;
use shared::report::{ConfigReport, DriverFile, Origin, RunReport, StreamEvent, Warning, WarningCode};

use super::common::{Failure, judged, runtime, shortcomings};
use crate::flags::far::far_host;
use crate::flags::{Given, simulated};
use crate::launch::{Binaries, ChildExit, Pinning};
use crate::profile::Profiler;
use crate::replay::replay;
use crate::runner::real::{Exits, Merged, StackOutput, run_profiled};
use crate::settings::{RunSettings, SimulationSettings};
use crate::theory::theory_of;
use crate::threshold::Thresholds;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "A link that is always busy, behind a ring of 64 slots",
        "lab run --app bulk --link 1Gbit --depth 64 --duration 1s",
    ),
    (
        "Packets that find no room for 2 ms are dropped, and the run fails if more than 1 % are",
        "lab run --app cbr:load=0.5 --policy deadline=2ms --packets 2000 --fail-if 'loss > 1%'",
    ),
    (
        "Keep the report, and repeat the run from it",
        "lab run --packets 2000 --json run.json && lab run --from run.json",
    ),
]))]
pub(crate) struct RunArgs {
    /// Repeat the run of this report.
    ///
    /// `-` reads the report from standard input. Flags on the command line win over the report. Environment variables do
    /// not: the report has every setting.
    #[arg(long, help_heading = RUNS, value_name = "FILE|-")]
    from: Option<PathBuf>,

    /// Also report where the CPU time of a packet goes.
    ///
    /// For app, each layer, copy, ring and driver. perf samples both processes for that, which costs a few per cent of
    /// their speed.
    #[arg(long, help_heading = OUTPUT)]
    profile: bool,

    /// The flags of a second host, at the other end of a wire.
    ///
    /// Two more processes are its stack and driver. It has flags of its own, as in '--link 100Mbit --app echo:port=7'; without
    /// them it has the addresses 10.0.0.2 and fd00::2, and a sink on port 9. Where the wire is full, frames wait in the
    /// hardware.
    #[arg(long, help_heading = TRAFFIC, value_name = "FLAGS", allow_hyphen_values = true)]
    far: Option<String>,

    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    pinning: Pinning,
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
    thresholds: Thresholds,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    stream: StreamOutput,
}

impl RunArgs {
    /// The settings of both processes. A flag that both have is set in both.
    fn settings(&self) -> RunSettings {
        let mut settings = RunSettings::new(&self.common, self.stack.clone(), &self.driver);
        settings.set_waiting(&self.waiting);
        settings.netstack.session = self.session.clone();
        settings.netstack.lines = self.lines.clone();
        settings.driver.capture = self.capture.clone();
        settings
    }
}

/// Runs both processes and reports; returns the exit status.
///
/// # Errors
/// If there was no run.
pub(crate) fn main(args: &RunArgs, given: &Given) -> Result<Status, Failure> {
    let json = args.output.json.as_ref();
    let (settings, dropped) = match &args.from {
        Some(file) => repeated(args, file, given)?,
        None => (args.settings(), None),
    };
    let far = args.far.as_ref().map(|flags| far_host(flags).map(Box::new)).transpose()?.or(settings.far);
    let settings = RunSettings { far, ..settings };
    if args.from.is_none() && settings.far.as_ref().is_some_and(|far| far.simulation != SimulationSettings::default()) {
        let remedy = "--stack-cost and --warmup are for simulations; leave them out, or use lab simulate";
        return Err(Failure::Flag { flag: "far", remedy });
    }
    args.thresholds.check_apps(settings.apps())?;
    // A run that is repeated may have been quiet; whether this one is, is for its own flags to say.
    let (quiet, stack_is_quiet) = (args.lines.quiet, settings.netstack.lines.quiet);
    let lines = JsonLines::open(args.stream.json_stream, json)?;
    let sink = json.map(JsonTarget::open).transpose()?;
    let beside = JsonLines::beside(lines, json);
    let json = beside.as_ref();
    let binaries = Binaries::find()?.on(args.pinning.pin.cpus());
    let output = match json {
        _ if lines.is_some() => StackOutput::Stream,
        Some(JsonTarget::Stdout) => StackOutput::StandardError,
        _ => StackOutput::Inherit,
    };
    let mut signals = Signals::new()?;
    let mut profiler = args.profile.then(|| Profiler::prepare(&binaries)).transpose()?;
    let origin = Origin::now();
    if let Some(lines) = lines {
        let config = ConfigReport { simulate: None, ..settings.in_report() };
        lines.write(&StreamEvent::start(config, settings.seed(), "real", origin.clone()))?;
    }
    let run = run_profiled(&binaries, &settings, output, &mut signals, profiler.as_mut());
    let run = runtime()?.block_on(run)?;
    run.exits.complain();
    let (exits, status) = (run.exits, run.status());
    match run.merged {
        Merged::Run { mut report, changed } => {
            (report.origin, report.theory) = (origin, theory_of(&report));
            report.warnings.extend(dropped);
            if let Some(profiler) = profiler {
                add_budget(&mut report, profiler, quiet);
            }
            let written = write(sink, &report);
            let ended = lines.map_or(Ok(()), |lines| lines.write(&StreamEvent::End(report.clone())));
            let written = written.and(ended.map_err(Failure::from));
            let status = status.or_worse(judged(&args.thresholds, &report, ""));
            if quiet {
                shortcomings(&report, "");
            } else if changed {
                say(json, format_args!("\nWith the figures of the driver's own file:\n{report}"));
            } else if stack_is_quiet {
                say(json, &report);
            } else {
                let theory = report.theory.iter().map(ToString::to_string);
                let budget = report.budget.iter().map(ToString::to_string);
                let far = report.far.iter().map(|far| format!("\nThe far host\n{far}"));
                theory.chain(budget).chain(far).for_each(|more| say(json, more.trim_end()));
            }
            Ok(status.after("lab", written, Failure::status))
        }
        // A stack that ended with a status has printed the reason; the driver's report adds nothing.
        Merged::DriverOnly(_) if matches!(exits.stack, ChildExit::Status(_)) => Ok(without_report(exits)),
        Merged::DriverOnly(file) => {
            let written = write(sink, &file);
            say(json, driver_only(&file));
            Ok(status.after("lab", written, Failure::status))
        }
        Merged::Nothing => Ok(without_report(exits)),
    }
}

/// The status of a run that left no report. A process that a signal ended before it had handlers has printed nothing.
fn without_report(exits: Exits) -> Status {
    let status = exits.status();
    if status == Status::Interrupted {
        complain("lab: interrupted before the run began");
    }
    status
}

/// The settings for repeating the run in `file`, and a warning if it was a simulation with settings that do not exist
/// in real time.
fn repeated(args: &RunArgs, file: &Path, given: &Given) -> Result<(RunSettings, Option<Warning>), Failure> {
    let mut settings = replay(file, given).map_err(Failure::From)?;
    // A report does not hold the paths of files.
    settings.driver.capture = args.capture.clone();
    let dropped =
        serde_json::to_value(settings.simulation).map(|simulation| simulated(&simulation)).unwrap_or_default();
    let dropped = (!dropped.is_empty()).then(|| {
        let text = format!(
            "{} simulated with {}, which mean nothing in real time and are left out: expect other figures",
            file.display(),
            dropped.join(", ")
        );
        Warning::new(WarningCode::SettingsLeftOut, text)
    });
    dropped.iter().filter(|_| !args.lines.quiet).for_each(|warning| complain(format_args!("lab: warning: {warning}")));
    Ok((settings, dropped))
}

/// Adds the CPU budget to `report`, or a warning if the run could not be sampled: it is valid without a budget.
fn add_budget(report: &mut RunReport, profiler: Profiler, quiet: bool) {
    match profiler.budget(report) {
        Ok(budget) => report.budget = Some(budget),
        Err(why) => {
            let warning = Warning::new(WarningCode::NotProfiled, format!("there is no budget: {why}"));
            // Otherwise it is printed with all others.
            if !quiet {
                complain(format_args!("lab: warning: {warning}"));
            }
            report.warnings.push(warning);
        }
    }
}

fn write(sink: Option<JsonSink>, report: &impl Serialize) -> Result<(), Failure> {
    Ok(sink.map_or(Ok(()), |sink| sink.write(report))?)
}

/// The text about a run for which only the driver wrote a report.
fn driver_only(file: &DriverFile) -> String {
    let mut text = "The stack did not report; the driver reported:".to_owned();
    for session in &file.sessions {
        let bad = session.bad_length + session.bad_header + session.bad_checksum;
        text += &format!(
            "\nSession {}: received {}, sent {}, bad {bad}, discarded {}, ended: {}",
            session.generation, session.received, session.sent, session.discarded, session.ended
        );
    }
    text
}
