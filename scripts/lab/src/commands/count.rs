//! `lab count`: counts instructions per packet, and compares them with ceilings.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::signals::Signals;
use shared::report::Origin;
use shared::units::Bytes;

use super::common::{Failure, frame_size, runtime};
use crate::count::{Ceilings, CountReport, count, table};
use crate::launch::{Binaries, Pin};
use crate::progress::Progress;
use crate::settings::RunSettings;

#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// Ethernet frames without check sequence, 64B to 1514B.
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "1500B"], value_parser = frame_size)]
    sizes: Vec<Bytes>,

    /// Fail if a count is above the ceiling in this file.
    #[arg(long, value_name = "FILE")]
    ceilings: Option<PathBuf>,

    /// Write these counts to the file of --ceilings as the new ceilings.
    #[arg(long, requires = "ceilings")]
    accept: bool,

    /// Let both processes share one CPU (auto), so that counts repeat, or leave both to the scheduler (none).
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Pin::Auto)]
    pin: Pin,

    /// Write the counts as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    json: Option<JsonTarget>,
}

/// Counts and compares; returns the exit status.
///
/// # Errors
/// If something could not be counted, or the ceilings cannot be used.
pub(crate) fn main(args: &CountArgs) -> Result<Status, Failure> {
    let json = args.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    let (binaries, origin) = (Binaries::find()?, Origin::now());
    // With --accept the file is written and need not exist; without it, the file is read and must exist.
    let accepted = args.ceilings.as_deref().filter(|_| args.accept);
    let file = accepted.map(Ceilings::open).transpose()?;
    let held_against = args.ceilings.as_deref().filter(|_| !args.accept).map(Ceilings::read).transpose()?;
    let progress = Progress::new();
    progress.now("counting instructions ...");
    let counts = runtime()?.block_on(async {
        count(&binaries, &RunSettings::defaults(), &args.sizes, args.pin, &mut Signals::new()?).await
    })?;
    drop(progress);
    sink.map_or(Ok(()), |sink| sink.write(&CountReport::new(origin, &counts)))?;
    say(json, table(&counts));
    if let Some((path, file)) = accepted.zip(file) {
        Ceilings::accept(&counts).write(file, path)?;
    }
    if let Some(other) = held_against.as_ref().and_then(Ceilings::of_another) {
        complain(format_args!("lab: nothing is compared: the ceilings were counted on another processor, {other}"));
        return Ok(Status::Fine);
    }
    let exceeded = held_against.map_or(Vec::new(), |ceilings| ceilings.exceeded(&counts));
    for line in &exceeded {
        complain(format_args!("lab: {line}"));
    }
    Ok(if exceeded.is_empty() { Status::Fine } else { Status::Failed })
}
