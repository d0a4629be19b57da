//! `lab count`: counts instructions per packet, and compares them with ceilings.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use netstack::settings::LineSettings;
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RARE, TRAFFIC, examples};
use shared::process::json::{JsonTarget, say};
use shared::process::output::complain;
use shared::process::signals::Signals;
use shared::report::Origin;
use shared::report::human::counted;
use shared::units::Bytes;

use super::common::{Failure, frame_size, runtime};
use crate::count::{Ceilings, Count, CountReport, count, table};
use crate::launch::{Binaries, Pin};
use crate::progress::{Progress, silence};
use crate::settings::RunSettings;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "Instructions per packet of 64 B",
        "lab count --sizes 64B",
    ),
    (
        "Keep them as ceilings",
        "lab count --sizes 64B --ceilings ceilings.json --accept",
    ),
    (
        "Fail if a later version takes more",
        "lab count --sizes 64B --ceilings ceilings.json",
    ),
]))]
pub(crate) struct CountArgs {
    /// Ethernet frames without check sequence, 64B to 1514B.
    #[arg(long, help_heading = TRAFFIC, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "1500B"], value_parser = frame_size)]
    sizes: Vec<Bytes>,

    /// Fail if a count is above its ceiling in this file.
    #[arg(long, help_heading = OUTPUT, value_name = "FILE")]
    ceilings: Option<PathBuf>,

    /// Write the counts to --ceilings, as the new ceilings.
    #[arg(long, help_heading = OUTPUT, requires = "ceilings")]
    accept: bool,

    /// Whether both processes share one CPU.
    ///
    /// auto lets them share one, so that counts repeat; none leaves both to the scheduler.
    #[arg(long, help_heading = RARE, value_name = "MODE", value_enum, default_value_t = Pin::Auto)]
    pin: Pin,

    #[command(flatten)]
    lines: LineSettings,

    /// Write the counts as JSON to this file, or to standard output (-).
    #[arg(long, help_heading = OUTPUT, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    json: Option<JsonTarget>,
}

/// Counts and compares; returns the exit status.
///
/// # Errors
/// If something could not be counted, or the ceilings cannot be used.
pub(crate) fn main(args: &CountArgs) -> Result<Status, Failure> {
    silence(args.lines.quiet);
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
    if let Some((path, file)) = accepted.zip(file) {
        Ceilings::accept(&counts).write(file, path)?;
    }
    let of_another = held_against.as_ref().and_then(Ceilings::of_another);
    let comparable = held_against.as_ref().filter(|_| of_another.is_none());
    let exceeded = comparable.map(|ceilings| ceilings.exceeded(&counts));
    if !args.lines.quiet {
        say(json, format!("{}\n\n{}", answer(&counts, exceeded.as_ref().map(Vec::len)), table(&counts)));
    }
    if let Some(other) = of_another {
        complain(format_args!("lab: nothing is compared: the ceilings were counted on another processor, {other}"));
    }
    let exceeded = exceeded.unwrap_or_default();
    for line in &exceeded {
        complain(format_args!("lab: {line}"));
    }
    Ok(if exceeded.is_empty() { Status::Fine } else { Status::Failed })
}

/// The counts in a sentence, and, if they were compared, how many are above their ceilings.
fn answer(counts: &[Count], exceeded: Option<usize>) -> String {
    let of = |count: &Count| format!("{:.0} ({}, {} B)", count.stack, count.traffic.name(), count.size_bytes);
    let by_stack = |one: &&Count, other: &&Count| one.stack.total_cmp(&other.stack);
    let range = match (counts.iter().min_by(by_stack), counts.iter().max_by(by_stack)) {
        (Some(least), Some(most)) if least.stack < most.stack => format!("from {} to {}", of(least), of(most)),
        (least, _) => least.map(of).unwrap_or_default(),
    };
    let compared = match exceeded {
        None => String::new(),
        Some(0) => "No count is above its ceiling. ".to_owned(),
        Some(exceeded) => format!("{exceeded} of {} are above their ceilings. ", counted(counts.len() as u64, "count")),
    };
    format!("{compared}The stack takes {range} instructions per packet.")
}
