//! `lab simulate`: a run in virtual time, and how well its means are known.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::rc::Rc;

use clap::Args;
use driver::settings::{CaptureSettings, DriverSettings, Settings as DriverArgs};
use netstack::session::Watch;
use netstack::settings::{LineSettings, StackSettings};
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RUNS, TRAFFIC, examples};
use shared::process::json::{JsonError, JsonLines, JsonTarget, say};
use shared::process::settings::{Common, Output, StreamOutput};
use shared::process::signals::Signals;
use shared::report::{Ending, Origin, RunReport, StreamEvent, Verdict};
use shared::units::Percent;

use super::common::{Failure, judged, shortcomings};
use crate::flags::Given;
use crate::flags::far::far_host;
use crate::progress::{Progress, silence};
use crate::replay::replay;
use crate::runner::real::status_of_books;
use crate::runner::{DEFAULT_PRECISION, Repeat, clock, replicate_while, simulate_watched};
use crate::settings::{RunSettings, SimulationSettings};
use crate::theory::applies::fit;
use crate::theory::theory_of;
use crate::threshold::Thresholds;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "What a ring of 8 slots loses at 0.9 of the link",
        "lab simulate --app poisson:load=0.9 --policy drop-newest --depth 8 --packets 20000",
    ),
    (
        "The same, as a stack that takes 4 us for each packet, and known to 2 %",
        "lab simulate --app poisson:load=0.9 --depth 8 --stack-cost 4us --packets 5000 --precision 2%",
    ),
    (
        "Does queueing theory agree?",
        "lab simulate --app cbr:load=1.5 --policy drop-newest --depth 8 --packets 5000 --assert-theory",
    ),
]))]
pub(crate) struct SimulateArgs {
    /// Simulate the run of this report, real or simulated.
    ///
    /// `-` reads the report from standard input. Flags on the command line win over the report.
    #[arg(long, help_heading = RUNS, value_name = "FILE|-")]
    from: Option<PathBuf>,

    /// The flags of a second host, at the other end of a wire.
    ///
    /// Both are simulated. The far host has flags of its own, as in '--link 100Mbit --app echo:port=7'; without them it has
    /// the addresses 10.0.0.2 and fd00::2, and a sink on port 9. Where the wire is full, frames wait in the hardware.
    #[arg(long, help_heading = TRAFFIC, value_name = "FLAGS", allow_hyphen_values = true)]
    far: Option<String>,

    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    stack: StackSettings,
    #[command(flatten)]
    driver: DriverSettings,
    #[command(flatten)]
    capture: CaptureSettings,
    #[command(flatten)]
    lines: LineSettings,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    output: Output,
    #[command(flatten)]
    stream: StreamOutput,

    #[command(flatten)]
    simulation: SimulationSettings,

    /// Repeat until each mean is known this precisely, such as 1%.
    ///
    /// Runs have consecutive seeds. They end when the interval of each mean is as narrow as this share of it.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_PRECISION", value_name = "PERCENT")]
    precision: Option<Percent>,

    /// Runs in all, with consecutive seeds.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_REPETITIONS", value_name = "N", value_parser = clap::value_parser!(u64).range(2..=1_000_000))]
    repetitions: Option<u64>,

    /// The confidence of each interval.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_LEVEL", value_name = "PERCENT", default_value = "95%")]
    level: Percent,

    /// The most runs with --precision.
    ///
    /// If an interval is still too wide then, the report has a warning.
    #[arg(long, help_heading = RUNS, env = "PUSHBACK_MAX_REPLICATIONS", value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(2..))]
    max_replications: u64,

    /// Fail if queueing theory disagrees.
    ///
    /// Repeats as --precision does, to 1% if neither that nor --repetitions is given. Each figure is judged at a higher
    /// level than --level, so that all of them hold together at --level.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_ASSERT_THEORY")]
    assert_theory: bool,
}

impl SimulateArgs {
    /// Refuses flags about repeated runs if there is one run.
    fn check_meaning(&self, given: &Given) -> Result<(), Failure> {
        let repeat = self.repeat();
        if given.has("level") && repeat.is_none() {
            let remedy = "one run has no intervals; add --repetitions, --precision or --assert-theory, or leave it out";
            return Err(Failure::Flag { flag: "level", remedy });
        }
        if given.has("max_replications") && repeat.is_none_or(|repeat| repeat.precision.is_none()) {
            let remedy = "is the end of --precision; add --precision, or leave it out";
            return Err(Failure::Flag { flag: "max-replications", remedy });
        }
        Ok(())
    }

    /// How often to repeat, if a flag requests it.
    fn repeat(&self) -> Option<Repeat> {
        let runs = self.repetitions;
        let precision = match self.precision {
            Some(precision) => Some(precision.0),
            None => (self.assert_theory && runs.is_none()).then_some(DEFAULT_PRECISION),
        };
        let asked = precision.is_some() || runs.is_some();
        asked.then_some(Repeat { level: self.level.0, precision, runs, at_most: self.max_replications })
    }
}

/// Simulates and reports; returns the exit status.
///
/// # Errors
/// If there was nothing to simulate.
pub(crate) fn main(args: &SimulateArgs, given: &Given) -> Result<Status, Failure> {
    silence(args.lines.quiet);
    let json = args.output.json.as_ref();
    let settings = settings(args, given)?;
    if settings.driver.capture.pcap.is_some() && args.repeat().is_some() {
        let remedy = "a capture is of one run; leave out --precision, --repetitions and --assert-theory";
        return Err(Failure::Flag { flag: "pcap", remedy });
    }
    if args.stream.json_stream && args.repeat().is_some() {
        let remedy = "its lines are of one run; leave out --precision, --repetitions and --assert-theory";
        return Err(Failure::Flag { flag: "json-stream", remedy });
    }
    args.check_meaning(given)?;
    if args.assert_theory {
        fit(&settings)?;
    }
    args.thresholds.check_apps(settings.apps())?;
    let lines = JsonLines::open(args.stream.json_stream, json)?;
    let sink = json.map(JsonTarget::open).transpose()?;
    let (stop, progress) = (Signals::new()?.stop(), Progress::new());
    let (origin, failed) = (Origin::now(), Rc::default());
    if let Some(lines) = lines {
        lines.write(&StreamEvent::start(settings.in_report(), settings.seed(), "virtual", origin.clone()))?;
    }
    let mut report = match args.repeat() {
        Some(repeat) => {
            progress.now("simulating ...");
            let run = |done, at_most| progress.now(&format!("simulated {done} of at most {at_most} runs ..."));
            replicate_while(&settings, repeat, Some(&stop), run)?.report
        }
        None => {
            progress.now("simulating ...");
            let watch = lines.map(|lines| watcher(lines, &failed));
            let mut report = simulate_watched(&settings, clock(&settings).until(&stop), watch)?;
            report.theory = theory_of(&report);
            report
        }
    };
    drop(progress);
    report.origin = origin;
    let written = sink.map_or(Ok(()), |sink| sink.write(&report));
    let ended = lines.map_or(Ok(()), |lines| match Rc::into_inner(failed).and_then(OnceCell::into_inner) {
        Some(error) => Err(error),
        None => lines.write(&StreamEvent::End(Box::new(report.clone()))),
    });
    let written = written.and(ended);
    if args.lines.quiet {
        shortcomings(&report, "");
    } else {
        say(JsonLines::beside(lines, json).as_ref(), &report);
    }
    let status = status(&report, args.assert_theory).or_worse(judged(&args.thresholds, &report, ""));
    Ok(status.after("lab", written.map_err(Failure::from), Failure::status))
}

/// Writes a line for each interval, until one cannot be written: then `failed` has the reason.
fn watcher(lines: JsonLines, failed: &Rc<OnceCell<JsonError>>) -> Watch {
    let failed = Rc::clone(failed);
    Box::new(move |sample| {
        if failed.get().is_none()
            && let Err(error) = lines.write(&StreamEvent::Interval(*sample))
        {
            failed.get_or_init(|| error);
        }
    })
}

fn status(report: &RunReport, assert_theory: bool) -> Status {
    let verdict = report.theory.as_ref().and_then(|theory| theory.verdict);
    if status_of_books(report) != Status::Fine {
        status_of_books(report)
    } else if report.ending == Ending::Interrupted {
        Status::Interrupted
    } else if report.is_fruitless() || (assert_theory && verdict == Some(Verdict::No)) {
        Status::Failed
    } else {
        Status::Fine
    }
}

fn settings(args: &SimulateArgs, given: &Given) -> Result<RunSettings, Failure> {
    let settings = match &args.from {
        Some(file) => replay(file, given).map_err(Failure::From)?,
        None => {
            // Settings that only real time has keep their defaults, so that a report can be repeated in real time.
            let settings = RunSettings::new(&args.common, args.stack.clone(), &args.driver);
            RunSettings { simulation: args.simulation, ..settings }
        }
    };
    // A report does not contain the paths of files.
    let driver = DriverArgs { capture: args.capture.clone(), ..settings.driver };
    let far = args.far.as_ref().map(|flags| far_host(flags).map(Box::new)).transpose()?.or(settings.far);
    if far.is_some() && driver.capture.pcap.is_some() {
        let remedy = "a capture is of a single host; leave out --far";
        return Err(Failure::Flag { flag: "pcap", remedy });
    }
    Ok(RunSettings { driver, far, ..settings })
}
