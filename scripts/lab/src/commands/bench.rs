//! `lab bench`: measures all contestants in turn, several times.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PathBufValueParser, TypedValueParser};
use netstack::settings::{LineSettings, some_time};
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, RING, RUNS, TRAFFIC, examples};
use shared::process::json::JsonTarget;
use shared::report::HostReport;
use shared::ring::Depth;
use shared::units::{Bytes, Nanos};

use super::common::{Failure, frame_size};
use super::measure::{Results, Setup, in_turn, measure_and_report};
use crate::bench::{
    BENCH_SCHEMA, BenchReport, Contestant, Delivered, Row, SIMULATED_APPS, Simulated, Trial, compare, contestants,
    figure, rate, simulated_rate, table,
};
use crate::count::{Count, CountError, count};
use crate::launch::{MeasuredPinning, Pin, find_tool};
use crate::progress::Progress;
use crate::runner::full_rate::MeasureError;

#[derive(Debug, Args)]
#[command(after_help = examples([
    (
        "A first look, in seconds",
        "lab bench --time 100ms --repetitions 1 --sizes 64B",
    ),
    (
        "Large frames through a short ring",
        "lab bench --time 100ms --repetitions 2 --sizes 1500B --depth 32",
    ),
    (
        "Every repetition as JSON, and the medians as bars",
        "lab bench --time 100ms --repetitions 1 --sizes 782B --json bench.json --svg bench.svg",
    ),
]))]
pub(crate) struct BenchArgs {
    /// How long each measurement takes.
    #[arg(long, help_heading = RUNS, value_name = "TIME", default_value = "2s", value_parser = some_time)]
    time: Nanos,

    /// Repetitions of each measurement.
    ///
    /// The medians are reported. Below 6 repetitions they have no interval.
    #[arg(long, help_heading = RUNS, value_name = "N", default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repetitions: u32,

    /// Ethernet frames without check sequence, 64B to 1514B.
    #[arg(long, help_heading = TRAFFIC, value_name = "SIZE,...", value_delimiter = ',', default_values = ["64B", "782B", "1500B"], value_parser = frame_size)]
    sizes: Vec<Bytes>,

    /// Slots of every ring, 1 to 65536.
    #[arg(long, help_heading = RING, value_name = "N", default_value = "1024")]
    depth: Depth,

    #[command(flatten)]
    pinning: MeasuredPinning,

    #[command(flatten)]
    lines: LineSettings,

    /// Draw the rows as bars in this file.
    #[arg(long, help_heading = OUTPUT, value_name = "FILE")]
    svg: Option<PathBuf>,

    /// Write the rows as JSON to this file, or to standard output (-).
    #[arg(long, help_heading = OUTPUT, value_name = "FILE|-", value_parser = PathBufValueParser::new().map(JsonTarget::from))]
    json: Option<JsonTarget>,
}

/// Measures all contestants; returns the exit status.
///
/// # Errors
/// If something could not be measured.
pub(crate) fn main(args: &BenchArgs) -> Result<Status, Failure> {
    let results = Results { json: args.json.as_ref(), svg: args.svg.as_deref(), quiet: args.lines.quiet };
    measure_and_report(&results, args.depth, async |setup| measure(args, setup).await, table, figure)
}

/// Measures everything, or after an interrupt as much as is complete.
async fn measure(args: &BenchArgs, setup: &mut Setup) -> Result<BenchReport, Failure> {
    let cpus = args.pinning.pin.cpus();
    let (who, memif_left_out) = contestants(find_tool("dpdk-testpmd"), args.depth, cpus.is_some());
    setup.left_out.extend(memif_left_out.map(|why| why.to_string()));
    let Setup { binaries, settings, signals, left_out, .. } = setup;
    let (binaries, settings) = (&*binaries, &*settings);
    let one = async |contestant: &Contestant, size| {
        let trial = Trial { binaries, settings, depth: args.depth, size, time: args.time, cpus };
        rate(contestant, &trial, signals).await
    };
    let runs = in_turn((&args.sizes, args.repetitions), &who, Contestant::name, left_out, one).await?;
    let mut rows = Vec::new();
    for (size, runs) in runs {
        let row = |(contestant, runs): (&Contestant, Vec<Delivered>)| Row::new(contestant.name(), size.0, &runs);
        let mut of_one_size: Vec<_> = who.iter().zip(runs).map(row).collect();
        compare(&mut of_one_size);
        rows.extend(of_one_size);
    }
    Ok(BenchReport {
        schema: BENCH_SCHEMA.to_owned(),
        origin: setup.origin.clone(),
        host: HostReport::read(),
        seconds: args.time.as_secs_f64(),
        depth: args.depth.get(),
        rows,
        instructions: instructions(&args.sizes, setup).await?,
        simulations: simulations(args.repetitions, setup)?,
        left_out: setup.left_out.clone(),
    })
}

/// Measures the speed of simulations; none after an interrupt.
fn simulations(repetitions: u32, setup: &Setup) -> Result<Vec<Simulated>, Failure> {
    let progress = Progress::new();
    let mut rates = SIMULATED_APPS.map(|_| Vec::new());
    for repetition in 1..=repetitions {
        for (apps, rates) in SIMULATED_APPS.into_iter().zip(&mut rates) {
            if setup.signals.have_come() {
                return Ok(Vec::new());
            }
            progress.now(&format!("simulation with {apps} apps ({repetition} of {repetitions}) ..."));
            rates.push(simulated_rate(apps)?);
        }
    }
    Ok(SIMULATED_APPS.into_iter().zip(rates).map(|(apps, rates)| Simulated::new(apps, rates)).collect())
}

/// Counts instructions; if there is no count, `left_out` gets the reason.
async fn instructions(sizes: &[Bytes], setup: &mut Setup) -> Result<Vec<Count>, Failure> {
    if setup.signals.have_come() {
        return Ok(Vec::new());
    }
    let progress = Progress::new();
    progress.now("counting instructions ...");
    let why = match count(&setup.binaries, &setup.settings, sizes, Pin::Auto, &mut setup.signals).await {
        Err(CountError::Run(MeasureError::Interrupted)) => "interrupted: instructions were not counted".to_owned(),
        Err(error @ CountError::NoValgrind) => error.to_string(),
        counts => return Ok(counts?),
    };
    setup.left_out.push(why);
    Ok(Vec::new())
}
