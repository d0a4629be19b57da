//! `lab bench`: measures all contestants in turn, several times.

use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, Subcommand};
use netstack::settings::some_time;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say};
use shared::process::signals::Signals;
use shared::report::HostReport;
use shared::ring::Depth;
use shared::units::{Bytes, Nanos};

use super::{Failure, runtime};
use crate::bench::Peer;
use crate::bench::{
    self, BENCH_SCHEMA, BenchError, BenchReport, Chart, Contestant, Row, Trial, compare, contestants, table,
};
use crate::chart::SvgFile;
use crate::cli::{Sides, frame_size};
use crate::instructions::{Count, CountError, count};
use crate::launch::{Binaries, Pair, find_tool};
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// How long each measurement takes.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = some_time)]
    pub(crate) time: Nanos,

    /// Repetitions of each measurement; the medians are reported. Below 6 they have no interval.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repetitions: u32,

    /// Ethernet frames without check sequence, 64B to 1514B.
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "1500B"], value_parser = frame_size)]
    pub(crate) sizes: Vec<Bytes>,

    /// Slots of every ring, 1 to 65536.
    #[arg(long, value_name = "N", default_value = "1024")]
    pub(crate) depth: Depth,

    /// Draw the rows as bars in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// Write the rows as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    pub(crate) json: Option<JsonTarget>,
}

#[derive(Debug, Args)]
pub(crate) struct PeerArgs {
    /// Which program.
    #[arg(value_enum)]
    pub(crate) peer: Peer,
    /// Bytes of the Ethernet frame without its check sequence.
    #[arg(long)]
    pub(crate) size: Bytes,
    /// Slots of the ring, if the program has one.
    #[arg(long)]
    pub(crate) depth: Depth,
    #[command(subcommand)]
    pub(crate) role: PeerRole,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeerRole {
    /// Prints the address for the source, and counts what arrives.
    Sink {
        /// A private folder for its socket.
        #[arg(long)]
        folder: PathBuf,
    },
    /// Sends as fast as it can.
    Source {
        /// The address that the sink printed.
        #[arg(long)]
        to: String,
        /// How long to send.
        #[arg(long)]
        time: Nanos,
    },
}

/// Measures all contestants; returns the exit status.
///
/// # Errors
/// If something could not be measured.
pub(crate) fn main(args: &BenchArgs) -> Result<Status, Failure> {
    let json = args.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    let svg = args.svg.as_deref().map(SvgFile::open).transpose()?;
    let binaries = Binaries::find()?;
    let mut sides = Sides::defaults();
    (sides.stack.common.depth, sides.driver.common.depth) = (args.depth, args.depth);
    let (report, status) = runtime()?.block_on(measure(args, &binaries, &sides))?;
    let written = sink.map_or(Ok(()), |sink| sink.write(&report));
    say(json, table(&report));
    let drawn = svg.map_or(Ok(()), |file| Chart::of(&report).write(file));
    let status = status.after("lab", written.map_err(Failure::from), Failure::status);
    Ok(status.after("lab", drawn.map_err(Failure::from), Failure::status))
}

/// Runs one process of a contestant.
///
/// # Errors
/// If this machine does not allow it.
pub(crate) fn peer(args: &PeerArgs) -> Result<Status, Failure> {
    bench::act(args)?;
    Ok(Status::Fine)
}

/// Measures everything, or after an interrupt as much as is complete.
async fn measure(args: &BenchArgs, binaries: &Binaries, sides: &Sides) -> Result<(BenchReport, Status), Failure> {
    let (mut signals, cpus) = (Signals::new()?, Pair::here());
    let (who, left_out) = contestants(find_tool("dpdk-testpmd"), args.depth, cpus.is_some());
    let mut left_out: Vec<_> = left_out.iter().map(ToString::to_string).collect();
    let mut rows = Vec::new();
    for size in &args.sizes {
        let trial = Trial { binaries, sides, depth: args.depth, size: *size, time: args.time, cpus };
        let (measured, repetitions) = of_one_size(&who, &trial, args.repetitions, &mut signals).await?;
        rows.extend(measured);
        if repetitions < args.repetitions {
            left_out.push(interrupted(*size, repetitions, args.repetitions));
            break;
        }
    }
    if rows.is_empty() {
        return Err(BenchError::Interrupted.into());
    }
    let instructions = instructions(&args.sizes, binaries, sides, &mut signals, &mut left_out).await?;
    let status = if signals.have_come() { Status::Interrupted } else { Status::Fine };
    let report = BenchReport {
        schema: BENCH_SCHEMA.to_owned(),
        host: HostReport::read(),
        seconds: args.time.as_secs_f64(),
        depth: args.depth.get(),
        rows,
        instructions,
        left_out,
    };
    Ok((report, status))
}

/// The text about what an interrupt left out.
pub(super) fn interrupted(size: Bytes, repetitions: u32, wanted: u32) -> String {
    format!("interrupted: {size} was measured {repetitions} of {wanted} times, and nothing was measured after it")
}

/// Cuts the runs of all contestants to the repetitions that all of them completed, and returns their number: an
/// interrupt may come in the middle of a repetition.
pub(super) fn complete<T>(runs: &mut [Vec<T>]) -> u32 {
    let repetitions = runs.iter().map(Vec::len).min().unwrap_or_default();
    runs.iter_mut().for_each(|runs| runs.truncate(repetitions));
    u32::try_from(repetitions).unwrap_or(u32::MAX)
}

/// Measures every contestant in turn, `repetitions` times. Returns the rows and the number of complete repetitions,
/// which is smaller after an interrupt; with none, there are no rows.
async fn of_one_size(
    who: &[Contestant],
    trial: &Trial<'_>,
    repetitions: u32,
    signals: &mut Signals,
) -> Result<(Vec<Row>, u32), Failure> {
    let progress = Progress::new();
    let mut rates = vec![Vec::new(); who.len()];
    'all: for repetition in 1..=repetitions {
        for (contestant, rates) in who.iter().zip(&mut rates) {
            let name = contestant.name();
            progress.now(&format!("{} {name} ({repetition} of {repetitions}) ...", trial.size));
            match bench::rate(contestant, trial, signals).await {
                Err(BenchError::Interrupted) => break 'all,
                rate => rates.push(rate?),
            }
        }
    }
    let repetitions = complete(&mut rates);
    if repetitions == 0 {
        return Ok((Vec::new(), 0));
    }
    let row = |(contestant, rates): (&Contestant, Vec<f64>)| Row::new(contestant.name(), trial.size.0, rates);
    let mut rows: Vec<_> = who.iter().zip(rates).map(row).collect();
    compare(&mut rows);
    Ok((rows, repetitions))
}

/// Counts instructions; if there is no count, `left_out` gets the reason.
async fn instructions(
    sizes: &[Bytes],
    binaries: &Binaries,
    sides: &Sides,
    signals: &mut Signals,
    left_out: &mut Vec<String>,
) -> Result<Vec<Count>, Failure> {
    if signals.have_come() {
        return Ok(Vec::new());
    }
    let progress = Progress::new();
    progress.now("counting instructions ...");
    match count(binaries, sides, sizes, signals).await {
        Err(CountError::Run(BenchError::Interrupted)) => {
            left_out.push("interrupted: instructions were not counted".to_owned());
            Ok(Vec::new())
        }
        Err(CountError::NoValgrind) => {
            left_out.push(CountError::NoValgrind.to_string());
            Ok(Vec::new())
        }
        counts => Ok(counts?),
    }
}
