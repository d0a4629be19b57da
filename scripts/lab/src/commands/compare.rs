//! `lab compare`: runs the same traffic through several policies, with new processes for each.

use clap::Args;
use driver::settings::DriverSettings;
use netstack::device::Policy;
use netstack::settings::{
    DEFAULT_TXQUEUE, LayerSettings, LengthSettings, LineSettings, SendSettings, SessionSettings, StackSettings,
};
use serde::Serialize;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::{Common, Output, Waiting};
use shared::process::signals::Signals;
use shared::report::RunReport;

use super::common::{Failure, judged, runtime, shortcomings};
use crate::launch::{Binaries, Pinning};
use crate::progress::Progress;
use crate::replay::COMPARE_SCHEMA;
use crate::report::story::story;
use crate::report::table::compared;
use crate::runner::real::{StackOutput, run};
use crate::settings::RunSettings;
use crate::threshold::Thresholds;

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The policies, in the order of the table.
    #[arg(
        long,
        value_name = "POLICY,...",
        value_delimiter = ',',
        default_values = ["wait", "drop-newest", "drop-oldest", "deadline=5ms"]
    )]
    policies: Vec<Policy>,

    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    waiting: Waiting,
    #[command(flatten)]
    pinning: Pinning,
    #[command(flatten)]
    sending: SendSettings,
    #[command(flatten)]
    length: LengthSettings,
    #[command(flatten)]
    layers: LayerSettings,
    #[command(flatten)]
    session: SessionSettings,
    #[command(flatten)]
    driver: DriverSettings,
    #[command(flatten)]
    lines: LineSettings,
    #[command(flatten)]
    thresholds: Thresholds,
    #[command(flatten)]
    output: Output,
}

impl CompareArgs {
    /// The settings of both processes under `policy`.
    fn settings(&self, policy: Policy) -> RunSettings {
        // A policy without a transmit queue must not record a size for one.
        let txqueue = if policy.has_queue() { self.layers.txqueue } else { DEFAULT_TXQUEUE };
        let stack = StackSettings {
            policy,
            sending: self.sending.clone(),
            length: self.length.clone(),
            layers: LayerSettings { txqueue, ..self.layers.clone() },
        };
        let mut settings = RunSettings::new(&self.common, stack, &self.driver);
        settings.set_waiting(&self.waiting);
        settings.netstack.session = self.session.clone();
        settings.set_quiet();
        settings
    }
}

/// The file that `--json` writes.
#[derive(Debug, Serialize)]
struct Comparison {
    /// [`COMPARE_SCHEMA`].
    schema: &'static str,
    /// The runs in the order of `--policies`.
    runs: Vec<RunReport>,
}

/// Runs the policies one after the other; returns the exit status.
///
/// # Errors
/// If there was no run, or if the runs cannot be compared.
pub(crate) fn main(args: &CompareArgs) -> Result<Status, Failure> {
    let json = args.output.json.as_ref();
    args.thresholds.check_apps(&args.sending.apps)?;
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?.on(args.pinning.pin.cpus());
    let (runs, status) = runtime()?.block_on(all(args, &binaries))?;
    let comparison = Comparison { schema: COMPARE_SCHEMA, runs };
    let written = sink.map_or(Ok(()), |sink| sink.write(&comparison));
    let runs = &comparison.runs;
    if !runs.is_empty() && !args.lines.quiet {
        say(json, compared(runs));
        say(json, format_args!("\n{}", story(runs).join("\n")));
    }
    let status = status.after("lab", written.map_err(Failure::from), Failure::status);
    Ok(status.after("lab", one_arrivals(runs), Failure::status))
}

/// Returns the runs up to the first that failed, and the worst status.
async fn all(args: &CompareArgs, binaries: &Binaries) -> Result<(Vec<RunReport>, Status), Failure> {
    let mut signals = Signals::new()?;
    let progress = Progress::new();
    let (mut runs, mut worst) = (Vec::new(), Status::Fine);
    for (policy, number) in args.policies.iter().zip(1..) {
        progress.now(&format!("{policy} ({number} of {}) ...", args.policies.len()));
        let run = match run(binaries, &args.settings(*policy), StackOutput::Discard, &mut signals).await {
            Ok(run) => run,
            Err(error) if runs.is_empty() => return Err(error.into()),
            // The runs before this one are valid: report them.
            Err(error) => {
                complain(format_args!("lab: {policy}: {error}"));
                worst = worst.or_worse(error.status());
                break;
            }
        };
        run.exits.complain();
        let status = run.status();
        let report = run.into_report();
        let reported = report.is_some();
        if let Some(report) = report {
            for violation in &report.ledger.violations {
                complain(format_args!("lab: {policy}: the ledger does not balance: {violation}"));
            }
            let whose = format!("{policy}: ");
            if args.lines.quiet {
                shortcomings(&report, &whose);
            }
            worst = worst.or_worse(judged(&args.thresholds, &report, &whose));
            runs.push(*report);
        }
        worst = worst.or_worse(status);
        // A policy under which no packet is delivered is a result. Any other failure would repeat with the next
        // policy, and an interrupt ends the whole comparison.
        let result = matches!(status, Status::Fine | Status::Unbalanced | Status::Failed) && reported;
        if !result {
            break;
        }
    }
    Ok((runs, worst))
}

/// Checks that all runs had the same arrivals; otherwise they cannot be compared.
fn one_arrivals(runs: &[RunReport]) -> Result<(), Failure> {
    let same = |pair: &[RunReport]| pair[0].arrivals_digest == pair[1].arrivals_digest;
    if runs.windows(2).all(same) {
        return Ok(());
    }
    Err(Failure::Arrivals(runs.iter().map(|run| run.arrivals_digest.as_str()).collect::<Vec<_>>().join(", ")))
}
