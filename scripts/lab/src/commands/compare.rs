//! `lab compare`: the same traffic through several policies, with fresh processes for each.

use netstack::stack::Policy;
use serde::Serialize;
use shared::exit::{Status, complain, say};
use shared::report::{JsonTarget, RunReport};
use shared::signals::Signals;

use super::{Failure, refuse, refuse_socket, runtime};
use crate::cli::{CompareArgs, Sides};
use crate::flags::Given;
use crate::launch::{Binaries, Voice, launch};
use crate::merge::{Merged, merge};
use crate::progress::Progress;
use crate::render::compared;
use crate::replay::COMPARE_SCHEMA;
use crate::story::story;
use crate::verdict::worst;

/// What `--json` writes.
#[derive(Debug, Serialize)]
struct Comparison {
    /// [`COMPARE_SCHEMA`].
    schema: &'static str,
    /// In the order of `--policies`.
    runs: Vec<RunReport>,
}

/// Runs one policy after the other, and says what to exit with.
///
/// # Errors
/// If there was no run, or if the runs cannot be compared.
pub(crate) fn main(args: &CompareArgs, given: &Given) -> Result<Status, Failure> {
    refuse_socket(given)?;
    refuse(given, "policy", "a comparison is of several; name them in --policies, as in --policies wait,drop-newest")?;
    refuse(given, "pcap", "a comparison has several runs; capture one with lab run")?;
    let json = args.flags.common.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?;
    let (runs, status) = runtime()?.block_on(all(&args.policies, &binaries, &args.flags.sides()))?;
    let comparison = Comparison { schema: COMPARE_SCHEMA, runs };
    let written = sink.map_or(Ok(()), |sink| sink.write(&comparison));
    let runs = &comparison.runs;
    if !runs.is_empty() {
        say(json, compared(runs));
        say(json, format_args!("\n{}", story(runs).join("\n")));
    }
    written?;
    one_arrivals(runs).map(|()| status)
}

/// The runs, up to the first that failed, and the worst status.
async fn all(policies: &[Policy], binaries: &Binaries, sides: &Sides) -> Result<(Vec<RunReport>, Status), Failure> {
    let mut signals = Signals::new()?;
    let progress = Progress::new();
    let (mut runs, mut statuses) = (Vec::new(), Vec::new());
    for (policy, number) in policies.iter().zip(1..) {
        progress.now(&format!("{policy} ({number} of {}) ...", policies.len()));
        let mut sides = sides.clone();
        sides.stack.stack.policy = *policy;
        sides.stack.stack.quiet = true;
        let remains = match launch(binaries, &sides, Voice::Mute, &mut signals).await {
            Ok(remains) => remains,
            Err(error) if runs.is_empty() => return Err(error.into()),
            // What ran before is worth as much as ever.
            Err(error) => {
                complain(format_args!("lab: {policy}: {error}"));
                statuses.push(error.status());
                break;
            }
        };
        let ends = remains.ends;
        ends.complain();
        let mut status = ends.status(true);
        if let Merged::Run { report, .. } = merge(remains.report, remains.file) {
            status = ends.status(report.ledger.balanced);
            for violation in &report.ledger.violations {
                complain(format_args!("lab: {policy}: the ledger does not balance: {violation}"));
            }
            runs.push(*report);
        }
        statuses.push(status);
        // What is wrong with one run is wrong with the next; and nobody wants to interrupt each.
        if !matches!(status, Status::Fine | Status::Unbalanced) {
            break;
        }
    }
    Ok((runs, worst(statuses)))
}

/// Different traffic cannot be compared.
fn one_arrivals(runs: &[RunReport]) -> Result<(), Failure> {
    let same = |pair: &[RunReport]| pair[0].arrivals_digest == pair[1].arrivals_digest;
    if runs.windows(2).all(same) {
        return Ok(());
    }
    Err(Failure::Arrivals(runs.iter().map(|run| run.arrivals_digest.as_str()).collect::<Vec<_>>().join(", ")))
}
