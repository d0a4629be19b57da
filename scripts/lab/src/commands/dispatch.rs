//! `lab dispatch`: measures all ways to call the layers in turn, several times.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use netstack::dispatch::Dispatch;
use netstack::settings::some_time;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say};
use shared::process::signals::Signals;
use shared::report::HostReport;
use shared::ring::Depth;
use shared::units::{Bytes, Nanos};

use super::bench::{complete, interrupted};
use super::{Failure, runtime};
use crate::bench::BenchError;
use crate::chart::SvgFile;
use crate::cli::{Sides, frame_size};
use crate::dispatch::{
    AtSize, Chart, DISPATCH_SCHEMA, DispatchReport, WAYS, Way, allocations_per_packet, called, name, table, time,
};
use crate::instructions::{CountError, instructions_per_packet};
use crate::launch::Binaries;
use crate::progress::Progress;

#[derive(Debug, Args)]
pub(crate) struct DispatchArgs {
    /// How long each measurement takes.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = some_time)]
    pub(crate) time: Nanos,

    /// Repetitions of each measurement; the medians are reported. Below 6 they have no interval.
    #[arg(long, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repetitions: u32,

    /// Ethernet frames without check sequence, 64B to 1514B; costs are compared at the first.
    #[arg(long, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "500B", "1500B"], value_parser = frame_size)]
    pub(crate) sizes: Vec<Bytes>,

    /// How many times slower than this one the CPU is on which the stack must hold a gigabit.
    #[arg(long, value_name = "FACTOR", default_value_t = 10.0, value_parser = slowdown)]
    pub(crate) slowdown: f64,

    /// Slots of the ring, 1 to 65536.
    #[arg(long, value_name = "N", default_value = "1024")]
    pub(crate) depth: Depth,

    /// Draw the costs as bars in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,

    /// Write the figures as JSON to this file, or to standard output if it is `-`.
    #[arg(long, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    pub(crate) json: Option<JsonTarget>,
}

/// Parses the factor of `--slowdown`.
fn slowdown(text: &str) -> Result<f64, String> {
    let factor = text.parse().ok().filter(|factor| (1.0..=1e6).contains(factor));
    factor.ok_or_else(|| "use a factor of 1 to 1000000, as in 10".to_owned())
}

/// Measures all ways; returns the exit status.
///
/// # Errors
/// If something could not be measured.
pub(crate) fn main(args: &DispatchArgs) -> Result<Status, Failure> {
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

/// Measures everything, or after an interrupt as much as is complete.
async fn measure(args: &DispatchArgs, binaries: &Binaries, sides: &Sides) -> Result<(DispatchReport, Status), Failure> {
    let mut signals = Signals::new()?;
    let mut left_out = Vec::new();
    let mut timed = timed(args, binaries, sides, &mut signals, &mut left_out).await?;
    let instructions = counted(args, binaries, sides, &mut signals, &mut left_out).await?;
    let status = if signals.have_come() { Status::Interrupted } else { Status::Fine };
    let mut ways = Vec::new();
    for (at, way) in WAYS.into_iter().enumerate() {
        let allocations = allocations_per_packet(&called(sides, way, args.sizes[0]))?;
        let sizes = std::mem::take(&mut timed[at]);
        ways.push(Way::new(name(way), instructions.get(at).copied(), allocations, sizes));
    }
    let without_layers = ways.pop().unwrap_or_else(|| Way::new(name(Dispatch::None), None, 0.0, Vec::new()));
    let report = DispatchReport {
        schema: DISPATCH_SCHEMA.to_owned(),
        host: HostReport::read(),
        seconds: args.time.as_secs_f64(),
        depth: args.depth.get(),
        slowdown: args.slowdown,
        ways,
        without_layers,
        left_out,
    };
    Ok((report, status))
}

/// Measures every way in turn, `repetitions` times, at each size.
async fn timed(
    args: &DispatchArgs,
    binaries: &Binaries,
    sides: &Sides,
    signals: &mut Signals,
    left_out: &mut Vec<String>,
) -> Result<[Vec<AtSize>; WAYS.len()], Failure> {
    let progress = Progress::new();
    let mut timed = WAYS.map(|_| Vec::new());
    for size in &args.sizes {
        let mut runs = WAYS.map(|_| Vec::new());
        'all: for repetition in 1..=args.repetitions {
            for (way, runs) in WAYS.into_iter().zip(&mut runs) {
                progress.now(&format!("{size} {} ({repetition} of {}) ...", name(way), args.repetitions));
                match time(binaries, &called(sides, way, *size), args.time, signals).await {
                    Err(BenchError::Interrupted) => break 'all,
                    run => runs.push(run?),
                }
            }
        }
        let repetitions = complete(&mut runs);
        if repetitions < args.repetitions {
            left_out.push(interrupted(*size, repetitions, args.repetitions));
        }
        if repetitions == 0 {
            break;
        }
        for (timed, runs) in timed.iter_mut().zip(runs) {
            timed.push(AtSize::new(size.0, args.slowdown, runs));
        }
        if repetitions < args.repetitions {
            break;
        }
    }
    if timed[0].is_empty() { Err(BenchError::Interrupted.into()) } else { Ok(timed) }
}

/// Instructions per packet of each way at the first size; `left_out` gets the reason for what is missing.
async fn counted(
    args: &DispatchArgs,
    binaries: &Binaries,
    sides: &Sides,
    signals: &mut Signals,
    left_out: &mut Vec<String>,
) -> Result<Vec<f64>, Failure> {
    if signals.have_come() {
        return Ok(Vec::new());
    }
    let progress = Progress::new();
    let mut counted = Vec::new();
    for way in WAYS {
        progress.now(&format!("counting instructions of {} ...", name(way)));
        match instructions_per_packet(binaries, &called(sides, way, args.sizes[0]), signals).await {
            Ok(count) => counted.push(count.stack),
            Err(error @ CountError::NoValgrind) => {
                left_out.push(error.to_string());
                return Ok(Vec::new());
            }
            Err(CountError::Run(BenchError::Interrupted)) => {
                left_out.push("interrupted: not all instructions were counted".to_owned());
                return Ok(counted);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(counted)
}
