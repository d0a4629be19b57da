//! `lab run`: one run of both processes.

use lab::simulate::theory_of;
use serde::Serialize;
use shared::exit::{Status, say};
use shared::report::{DriverFile, JsonSink, JsonTarget};
use shared::signals::Signals;

use super::{Failure, refuse_socket, runtime};
use crate::cli::RunArgs;
use crate::flags::Given;
use crate::launch::{Binaries, Voice, launch};
use crate::merge::{Merged, merge};
use crate::replay::replay;
use crate::verdict::Ended;

/// Runs, reports, and says what to exit with.
///
/// # Errors
/// If there was no run.
pub(crate) fn main(args: &RunArgs, given: &Given) -> Result<Status, Failure> {
    refuse_socket(given)?;
    let json = args.flags.common.json.as_ref();
    let sides = match &args.from {
        Some(file) => replay(file, given).map_err(Failure::From)?,
        None => args.flags.sides(),
    };
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?;
    let voice = if json == Some(&JsonTarget::Stdout) { Voice::Aside } else { Voice::Aloud };
    let remains = runtime()?.block_on(async { launch(&binaries, &sides, voice, &mut Signals::new()?).await })?;
    let ends = remains.ends;
    ends.complain();
    match merge(remains.report, remains.file) {
        Merged::Run { mut report, changed } => {
            report.theory = theory_of(&report);
            let written = write(sink, &report);
            if changed {
                say(json, format_args!("\nWith what the driver's own file says:\n{report}"));
            } else if let Some(theory) = &report.theory {
                say(json, theory.to_string().trim_end());
            }
            written?;
            Ok(ends.status(report.ledger.balanced))
        }
        // A stack that gave up by itself has said why, and the driver saw nothing of interest.
        Merged::DriverOnly(_) if matches!(ends.stack, Ended::Said(_)) => Ok(ends.status(true)),
        Merged::DriverOnly(file) => {
            let written = write(sink, &file);
            say(json, driver_only(&file));
            written?;
            Ok(ends.status(true))
        }
        Merged::Nothing => Ok(ends.status(true)),
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
