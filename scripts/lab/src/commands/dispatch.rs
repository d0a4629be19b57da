//! `lab dispatch`: measures all ways to call the layers in turn, several times.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use netstack::dispatch::Dispatch;
use netstack::settings::{LineSettings, some_time};
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RING, RUNS, TRAFFIC, examples};
use shared::process::json::JsonTarget;
use shared::report::HostReport;
use shared::ring::Depth;
use shared::units::{Bytes, Nanos};

use super::common::{Failure, frame_size};
use super::measure::{Results, Setup, in_turn, measure_and_report};
use crate::count::{CountError, instructions_per_packet};
use crate::dispatch::{
    AtSize, DISPATCH_SCHEMA, DispatchReport, WAYS, Way, allocations_per_packet, figure, in_way, text, time_per_packet,
    way_name,
};
use crate::launch::{MeasuredPinning, Pin};
use crate::progress::Progress;
use crate::runner::full_rate::MeasureError;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "A first look, in seconds",
        "lab dispatch --time 50ms --repetitions 1 --sizes 64B",
    ),
    (
        "Would a CPU that is twenty times slower hold a gigabit with large frames?",
        "lab dispatch --time 50ms --repetitions 1 --sizes 1500B --slowdown 20",
    ),
    (
        "The figures as JSON, and as bars",
        "lab dispatch --time 50ms --repetitions 1 --sizes 64B --json dispatch.json --svg dispatch.svg",
    ),
]))]
pub(crate) struct DispatchArgs {
    /// How long each measurement takes.
    #[arg(long, help_heading = RUNS, value_name = "TIME", default_value = "1s", value_parser = some_time)]
    time: Nanos,

    /// Repetitions of each measurement.
    ///
    /// The medians are reported. Below 6 repetitions they have no interval.
    #[arg(long, help_heading = RUNS, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repetitions: u32,

    /// Ethernet frames without check sequence, 64B to 1514B.
    ///
    /// Costs are compared at the first.
    #[arg(long, help_heading = TRAFFIC, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "500B", "1500B"], value_parser = frame_size)]
    sizes: Vec<Bytes>,

    /// How many times slower the CPU is that must hold a gigabit.
    #[arg(long, help_heading = RUNS, value_name = "FACTOR", default_value_t = 10.0, value_parser = slowdown)]
    slowdown: f64,

    /// Slots of the ring, 1 to 65536.
    #[arg(long, help_heading = RING, value_name = "N", default_value = "1024")]
    depth: Depth,

    #[command(flatten)]
    pinning: MeasuredPinning,

    #[command(flatten)]
    lines: LineSettings,

    /// Draw the costs as bars in this file.
    #[arg(long, help_heading = OUTPUT, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Write the figures as JSON to this file, or to standard output (-).
    #[arg(long, help_heading = OUTPUT, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    json: Option<JsonTarget>,
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
    let results = Results { json: args.json.as_ref(), svg: args.svg.as_deref(), quiet: args.lines.quiet };
    measure_and_report(&results, args.depth, async |setup| measure(args, setup).await, text, figure)
}

/// Measures everything, or after an interrupt as much as is complete.
async fn measure(args: &DispatchArgs, setup: &mut Setup) -> Result<DispatchReport, Failure> {
    let mut timed = timed(args, setup).await?;
    let instructions = counted(args.sizes[0], setup).await?;
    let mut ways = Vec::new();
    for (at, way) in WAYS.into_iter().enumerate() {
        let allocations = allocations_per_packet(&in_way(&setup.settings, way, args.sizes[0]))?;
        let sizes = std::mem::take(&mut timed[at]);
        ways.push(Way::new(way_name(way), instructions.get(at).copied(), allocations, sizes));
    }
    let without_layers = ways.pop().unwrap_or_else(|| Way::new(way_name(Dispatch::None), None, 0.0, Vec::new()));
    Ok(DispatchReport {
        schema: DISPATCH_SCHEMA.to_owned(),
        origin: setup.origin.clone(),
        host: HostReport::read(),
        seconds: args.time.as_secs_f64(),
        depth: args.depth.get(),
        slowdown: args.slowdown,
        ways,
        without_layers,
        left_out: setup.left_out.clone(),
    })
}

/// The times of each way at each size.
async fn timed(args: &DispatchArgs, setup: &mut Setup) -> Result<[Vec<AtSize>; WAYS.len()], Failure> {
    let Setup { binaries, settings, signals, left_out, .. } = setup;
    let (binaries, settings) = (&*binaries, &*settings);
    let one = async |way: &Dispatch, size| {
        Ok(time_per_packet(binaries, in_way(settings, *way, size), args.time, args.pinning.pin, signals).await?)
    };
    let runs = in_turn((&args.sizes, args.repetitions), &WAYS, |way| way_name(*way), left_out, one).await?;
    let mut timed = WAYS.map(|_| Vec::new());
    for (size, ways) in runs {
        for (timed, repetitions) in timed.iter_mut().zip(ways) {
            timed.push(AtSize::new(size.0, args.slowdown, repetitions));
        }
    }
    Ok(timed)
}

/// Instructions per packet of each way at frames of `size`; `left_out` gets the reason for what is missing.
async fn counted(size: Bytes, setup: &mut Setup) -> Result<Vec<f64>, Failure> {
    if setup.signals.have_come() {
        return Ok(Vec::new());
    }
    let progress = Progress::new();
    let mut counted = Vec::new();
    for way in WAYS {
        progress.now(&format!("counting instructions of {} ...", way_name(way)));
        let settings = in_way(&setup.settings, way, size);
        match instructions_per_packet(&setup.binaries, &settings, Pin::Auto, &mut setup.signals).await {
            Ok(count) => counted.push(count.stack),
            Err(error @ CountError::NoValgrind) => {
                setup.left_out.push(error.to_string());
                return Ok(Vec::new());
            }
            Err(CountError::Run(MeasureError::Interrupted)) => {
                setup.left_out.push("interrupted: not all instructions were counted".to_owned());
                return Ok(counted);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(counted)
}
