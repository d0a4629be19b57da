//! `lab compare`: runs the same traffic through several policies, with new processes for each.

use clap::Args;
use driver::settings::DriverSettings;
use netstack::settings::{
    DEFAULT_TXQUEUE, LayerSettings, LengthSettings, LineSettings, SendSettings, SessionSettings, StackSettings,
};
use netstack::stack::Policy;
use serde::Serialize;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::settings::{Common, Output, Waiting};
use shared::process::signals::Signals;
use shared::report::RunReport;

use super::{Failure, runtime};
use crate::cli::Sides;
use crate::launch::{Binaries, Voice, launch};
use crate::merge::{Merged, merge};
use crate::progress::Progress;
use crate::render::compared;
use crate::replay::COMPARE_SCHEMA;
use crate::story::story;
use crate::verdict::worst;

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
    output: Output,
}

impl CompareArgs {
    /// The settings of both processes under `policy`.
    fn sides(&self, policy: Policy) -> Sides {
        // A policy without a transmit queue must not record a size for one.
        let txqueue = if policy.has_queue() { self.layers.txqueue } else { DEFAULT_TXQUEUE };
        let stack = StackSettings {
            policy,
            sending: self.sending.clone(),
            length: self.length.clone(),
            layers: LayerSettings { txqueue, ..self.layers.clone() },
        };
        let mut sides = Sides::new(&self.common, stack, &self.driver);
        sides.stack.waiting = self.waiting.clone();
        sides.driver.waiting = self.waiting.clone();
        sides.stack.session = self.session.clone();
        sides.stack.lines = LineSettings { quiet: true };
        sides
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
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?;
    let (runs, status) = runtime()?.block_on(all(args, &binaries))?;
    let comparison = Comparison { schema: COMPARE_SCHEMA, runs };
    let written = sink.map_or(Ok(()), |sink| sink.write(&comparison));
    let runs = &comparison.runs;
    if !runs.is_empty() {
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
    let (mut runs, mut statuses) = (Vec::new(), Vec::new());
    for (policy, number) in args.policies.iter().zip(1..) {
        progress.now(&format!("{policy} ({number} of {}) ...", args.policies.len()));
        let remains = match launch(binaries, &args.sides(*policy), Voice::Mute, &mut signals).await {
            Ok(remains) => remains,
            Err(error) if runs.is_empty() => return Err(error.into()),
            // The runs before this one are valid: report them.
            Err(error) => {
                complain(format_args!("lab: {policy}: {error}"));
                statuses.push(error.status());
                break;
            }
        };
        let ends = remains.ends;
        ends.complain();
        let (mut status, mut reported) = (ends.status(true), false);
        if let Merged::Run { report, .. } = merge(remains.report, remains.file) {
            status = ends.status(report.ledger.balanced);
            for violation in &report.ledger.violations {
                complain(format_args!("lab: {policy}: the ledger does not balance: {violation}"));
            }
            runs.push(*report);
            reported = true;
        }
        statuses.push(status);
        // A policy under which no packet is delivered is a result. Any other failure would repeat with the next
        // policy, and an interrupt ends the whole comparison.
        let result = matches!(status, Status::Fine | Status::Unbalanced | Status::Failed) && reported;
        if !result {
            break;
        }
    }
    Ok((runs, worst(statuses)))
}

/// Checks that all runs had the same arrivals; otherwise they cannot be compared.
fn one_arrivals(runs: &[RunReport]) -> Result<(), Failure> {
    let same = |pair: &[RunReport]| pair[0].arrivals_digest == pair[1].arrivals_digest;
    if runs.windows(2).all(same) {
        return Ok(());
    }
    Err(Failure::Arrivals(runs.iter().map(|run| run.arrivals_digest.as_str()).collect::<Vec<_>>().join(", ")))
}
