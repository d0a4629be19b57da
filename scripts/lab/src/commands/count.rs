//! `lab count`: instructions per packet, held against a ceiling.

use shared::exit::{Status, complain, say};
use shared::report::JsonTarget;
use shared::signals::Signals;

use super::{Failure, runtime};
use crate::cli::{CountArgs, Flags};
use crate::instructions::{Ceilings, count, table};
use crate::launch::Binaries;
use crate::progress::Progress;

/// Counts, compares, and says what to exit with.
///
/// # Errors
/// If something could not be counted, or the ceilings cannot be used.
pub(crate) fn main(args: &CountArgs, defaults: &Flags) -> Result<Status, Failure> {
    let json = args.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?;
    // What is to be accepted need not be there yet; what is to be held against must.
    let held_against = args.ceilings.as_deref().filter(|_| !args.accept).map(Ceilings::read).transpose()?;
    let progress = Progress::new();
    progress.now("counting instructions ...");
    let counts =
        runtime()?.block_on(async { count(&binaries, &defaults.sides(), &args.sizes, &mut Signals::new()?).await })?;
    drop(progress);
    sink.map_or(Ok(()), |sink| sink.write(&counts))?;
    say(json, table(&counts));
    if let Some(path) = args.ceilings.as_deref().filter(|_| args.accept) {
        Ceilings::accept(&counts).write(path)?;
    }
    if let Some(other) = held_against.as_ref().and_then(Ceilings::of_another) {
        complain(format_args!("lab: nothing is compared: the ceilings are those of {other}, which this is not"));
        return Ok(Status::Fine);
    }
    let exceeded = held_against.map_or(Vec::new(), |ceilings| ceilings.exceeded(&counts));
    for line in &exceeded {
        complain(format_args!("lab: {line}"));
    }
    Ok(if exceeded.is_empty() { Status::Fine } else { Status::Failed })
}
