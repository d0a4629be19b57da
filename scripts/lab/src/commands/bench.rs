//! `lab bench`: the transports and their peers, in turn, several times.

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use std::{env, io};

use shared::exit::{Status, say};
use shared::report::{HostReport, JsonTarget};
use shared::signals::Signals;
use shared::units::{Bytes, LinkRate, Nanos};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;

use super::{Failure, runtime};
use crate::bench::{BENCH_SCHEMA, BenchReport, Contestant, Row, table, udp};
use crate::cli::{BenchArgs, Flags, PeerArgs, Sides};
use crate::launch::{Binaries, Voice, launch};
use crate::merge::{Merged, merge};
use crate::progress::Progress;

/// Measures, and says what to exit with.
///
/// # Errors
/// If something could not be measured.
pub(crate) fn main(args: &BenchArgs, defaults: &Flags) -> Result<Status, Failure> {
    let json = args.json.as_ref();
    let sink = json.map(JsonTarget::open).transpose()?;
    let binaries = Binaries::find()?;
    let rows = runtime()?.block_on(all(args, &binaries, defaults))?;
    let seconds = args.time.as_secs_f64();
    let report = BenchReport { schema: BENCH_SCHEMA.to_owned(), host: HostReport::read(), seconds, rows };
    let written = sink.map_or(Ok(()), |sink| sink.write(&report));
    say(json, table(&report));
    written?;
    Ok(Status::Fine)
}

/// A peer process of a benchmark.
///
/// # Errors
/// If its socket cannot be used.
pub(crate) fn peer(args: &PeerArgs) -> Result<Status, Failure> {
    match args {
        PeerArgs::UdpSink => udp::sink()?,
        PeerArgs::UdpSource { port, size, time } => {
            udp::source(*port, usize::try_from(size.0).unwrap_or(usize::MAX), Duration::from_nanos(time.0))?;
        }
    }
    Ok(Status::Fine)
}

async fn all(args: &BenchArgs, binaries: &Binaries, defaults: &Flags) -> Result<Vec<Row>, Failure> {
    let (mut signals, progress) = (Signals::new()?, Progress::new());
    let mut rows = Vec::new();
    for size in &args.sizes {
        let mut rates = Contestant::ALL.map(|_| Vec::new());
        for repetition in 1..=args.repetitions {
            for (contestant, rates) in Contestant::ALL.into_iter().zip(&mut rates) {
                let name = contestant.name();
                progress.now(&format!("{size} {name} ({repetition} of {}) ...", args.repetitions));
                let payload = Bytes(Row::payload(size.0));
                rates.push(match contestant {
                    Contestant::Pushback(transport) => {
                        let mut sides = defaults.sides();
                        sides.stack.stack.transport = transport;
                        ours(binaries, sides, payload, args.time, &mut signals).await?
                    }
                    Contestant::UdpLoopback => tokio::select! {
                        rate = loopback(payload, args.time) => rate?,
                        () = signals.next() => return Err(Failure::Interrupted),
                    },
                });
            }
        }
        rows.extend(Contestant::ALL.into_iter().zip(rates).map(|(who, rates)| Row::new(who, size.0, rates)));
    }
    Ok(rows)
}

/// Delivered packets a second through the whole stack: bulk, wait, and a link without limit. A run
/// that loses a packet is no measurement.
async fn ours(
    binaries: &Binaries,
    mut sides: Sides,
    payload: Bytes,
    time: Nanos,
    signals: &mut Signals,
) -> Result<f64, Failure> {
    let app = format!("bulk:size={payload}");
    sides.stack.stack.apps = vec![app.parse().map_err(|_| Failure::Bench("a payload of that size cannot be sent"))?];
    sides.stack.stack.duration = Some(time);
    sides.stack.stack.quiet = true;
    sides.driver.driver.link = LinkRate::Unlimited;
    let remains = launch(binaries, &sides, Voice::Mute, signals).await?;
    if remains.ends.status(true) == Status::Interrupted {
        return Err(Failure::Interrupted);
    }
    remains.ends.complain();
    match merge(remains.report, remains.file) {
        Merged::Run { report, .. } if report.ledger.balanced && report.totals.delivered == report.totals.accepted => {
            Ok(report.rate.packets_per_second)
        }
        _ => Err(Failure::Bench("a run of the stack lost packets or did not end well")),
    }
}

/// Delivered packets a second over UDP loopback, from the receiver's first to its last. Dropped
/// before it is ready, it takes its processes with it.
async fn loopback(payload: Bytes, time: Nanos) -> Result<f64, Failure> {
    let lab = env::current_exe()?;
    let mut sink = start(&lab, &["peer".into(), "udp-sink".into()])?;
    let out = sink.stdout.take().ok_or_else(|| io::Error::other("a child without output"))?;
    let mut said = BufReader::new(out);
    let mut port = String::new();
    said.read_line(&mut port).await?;
    let port = OsString::from(port.trim());
    let (size, time) = (payload.to_string().into(), time.to_string().into());
    let arguments =
        ["peer".into(), "udp-source".into(), "--port".into(), port, "--size".into(), size, "--time".into(), time];
    start(&lab, &arguments)?.wait().await?;
    let mut counted = String::new();
    said.read_to_string(&mut counted).await?;
    sink.wait().await?;
    let figures: Vec<f64> = counted.split_whitespace().filter_map(|figure| figure.parse().ok()).collect();
    match figures[..] {
        [packets, nanos] if nanos > 0.0 => Ok(packets / nanos * 1e9),
        _ => Err(Failure::Bench("nothing arrived over UDP loopback; is there a loopback interface?")),
    }
}

/// In a process group of its own, because Ctrl-C is for the lab: a peer that it ended would look like
/// one that failed.
fn start(program: &Path, arguments: &[OsString]) -> io::Result<tokio::process::Child> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    command.process_group(0).kill_on_drop(true).spawn()
}
