//! The process around the data path: flags, signals, threads, files.
//!
//! The main thread runs tokio for the greeting and for signals; the data path has a thread of its
//! own, where nothing but the executor runs.

use std::collections::TryReserveError;
use std::io;
use std::thread;

use clap::Parser;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use shared::connection::Connection;
use shared::control::TransportKind;
use shared::exec::{Halted, StopHandle, monotonic_now};
use shared::limits::Ballast;
use shared::process::data_path::DataPath;
use shared::process::exit::Status;
use shared::process::help::examples;
use shared::process::json::{JsonError, JsonLines, JsonSink, JsonTarget, say, say_line};
use shared::process::output::{complain, lines_dropped};
use shared::process::parent::Lifetime;
use shared::process::peers::AllowedUsers;
use shared::process::settings::{Common, Endpoint, Output, StreamOutput, Waiting};
use shared::process::signals::Signals;
use shared::report::{
    ConfigReport, Ending, HostReport, IntervalLines, Origin, RunReport, Sample, StreamEvent, traffic,
};
use shared::ring::shm::{SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::socket::{SocketConsumer, SocketProducer, Tables};
use shared::ring::{ConsumerPort, Depth, Producer, ProducerPort};
use shared::stalls::StallSchedule;
use shared::units::{BitRate, LinkRate, Nanos};
use tokio::sync::oneshot;

use crate::app::{ResolvedApp, arrivals_digest};
use crate::session::{
    ConnectError, Context, Extension, Grant, Greeted, Length, Memory, Plan, PlanError, Request, StackRun, Terms, Watch,
    assemble, connect, memory_of_a_run,
};
use crate::settings::{LineSettings, SessionSettings, StackSettings};

/// The stack of Pushback: apps that send UDP through a bounded ring to a driver process.
///
/// Start `driver` first, with the same --socket. Units are strict: 1Gbit, 250kpps, 1500B, 5ms.
#[derive(Debug, Clone, Parser, Serialize, Deserialize, JsonSchema)]
#[command(
    name = "netstack",
    version,
    after_help = examples([
        ("Send as fast as the driver of this machine takes packets, for a second", "netstack --duration 1s"),
        (
            "Two apps, one at random times, and a packet is dropped after 2 ms without room",
            "netstack --app poisson:rate=20kpps --app cbr:rate=50Mbit --policy deadline=2ms --duration 500ms",
        ),
        (
            "A thousand packets through a short ring, with the report as JSON",
            "netstack --depth 16 --packets 1000 --quiet --json run.json",
        ),
    ])
)]
#[schemars(rename = "NetstackSettings")]
pub struct Args {
    /// The socket of the driver, and the allowed users.
    #[command(flatten)]
    #[serde(skip)]
    pub endpoint: Endpoint,
    /// Settings of a run that both sides have.
    #[command(flatten)]
    #[serde(flatten)]
    pub common: Common,
    /// How the process waits.
    #[command(flatten)]
    #[serde(flatten)]
    pub waiting: Waiting,
    /// Settings of a run that only the stack has, in real and in virtual time.
    #[command(flatten)]
    #[serde(flatten)]
    pub stack: StackSettings,
    /// How the stack connects to the driver.
    #[command(flatten)]
    #[serde(flatten)]
    pub session: SessionSettings,
    /// What is printed during and after a run.
    #[command(flatten)]
    #[serde(flatten)]
    pub lines: LineSettings,
    /// What ends the process, other than signals.
    #[command(flatten)]
    #[serde(skip)]
    pub lifetime: Lifetime,
    /// Where the report goes.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
    /// Whether there are lines of JSON during the run.
    #[command(flatten)]
    #[serde(skip)]
    pub stream: StreamOutput,
}

impl Args {
    /// The settings that `flags` of `netstack` set, with the defaults of all others.
    ///
    /// # Errors
    /// [`FlagError`] if they are no flags of `netstack`.
    pub fn of(flags: &[&str]) -> Result<Self, FlagError> {
        Self::try_parse_from([&["netstack"], flags].concat()).map_err(FlagError)
    }
}

/// Flags that `netstack` does not have, or values that they do not take.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct FlagError(clap::Error);

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The flags do not describe a valid run.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The report cannot be written.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// There is no session with a driver.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// A signal arrived before the run began.
    #[error("interrupted before the run began")]
    Interrupted,
    /// The system lacks a resource that every run needs.
    #[error("{what}: {cause}")]
    System {
        /// What was needed.
        what: &'static str,
        /// The error of the system.
        cause: io::Error,
    },
    /// There is not enough memory for the tables of a run.
    #[error(
        "no memory for the run ({0}); use a smaller --depth or --txqueue, or fewer apps, or raise the limit with \
         ulimit -v"
    )]
    Memory(#[from] TryReserveError),
    /// A fault of the program.
    #[error(transparent)]
    Halted(#[from] Halted),
    /// The data path ended without a report: a fault of the program.
    #[error("the data path ended without a report; this is a fault of the program")]
    NoReport,
}

impl RunError {
    /// The exit status of the process.
    pub fn status(&self) -> Status {
        match self {
            Self::Plan(_) => Status::Usage,
            Self::Json(error) => error.status(),
            Self::Connect(error) => error.status(),
            Self::Interrupted => Status::Interrupted,
            Self::System { .. } | Self::Memory(_) | Self::Halted(_) | Self::NoReport => Status::Failed,
        }
    }
}

/// Runs the stack with `args`: connects to the driver, sends, and writes the report to the target in `args`.
///
/// # Errors
/// [`RunError`] if there is no report; a run that ended early has one, and a status that shows it.
pub fn run(args: &Args) -> Result<Status, RunError> {
    // Invalid flags are an error before the report's file is opened.
    let length = Plan::check(&args.stack, args.common.depth)?;
    let lines = JsonLines::open(args.stream.json_stream, args.output.json.as_ref())?;
    let sink = args.output.json.as_ref().map(JsonTarget::open).transpose()?;
    let report = report_of(args, length, || ())?;
    let written = publish(args, sink, lines, &report);
    Ok(status(&report).after("netstack", written, RunError::status))
}

/// Runs the stack with `args` and with layers and apps of your own, against the driver at `args.endpoint.socket`.
/// Returns the report. `extension` is called on the thread of the data path, because layers and apps stay on one
/// thread.
///
/// ```no_run
/// use netstack::process::{Args, report_with};
/// use netstack::session::{Apps, Extension};
///
/// struct Own;
///
/// impl Extension for Own {
///     async fn run(self, apps: Apps) {
///         let socket = apps.socket("mine", None).unwrap();
///         socket.send(b"hello", "10.0.0.2:9".parse().unwrap()).await.unwrap();
///     }
/// }
///
/// let args = Args::of(&["--duration", "1s", "--app", "cbr:rate=100kpps"])?;
/// let report = report_with(&args, || Own)?;
/// assert!(report.ledger.balanced);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`RunError`] if there is no report. A run that ended early has one, which states how it ended.
pub fn report_with<X: Extension>(
    args: &Args,
    extension: impl FnOnce() -> X + Send + 'static,
) -> Result<RunReport, RunError> {
    report_of(args, Plan::check(&args.stack, args.common.depth)?, extension)
}

/// Runs the stack for `length`, which the check of `args` returned.
fn report_of<X: Extension>(
    args: &Args,
    length: Length,
    extension: impl FnOnce() -> X + Send + 'static,
) -> Result<RunReport, RunError> {
    // Checks, before connecting, that the run's memory can be had. It is released at once; the parts are allocated
    // later.
    drop(Ballast::new(memory_of_a_run(&args.stack, args.common.depth) + memory_of_a_ring(args))?);
    let system = |what| move |cause| RunError::System { what, cause };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(system("the tokio runtime cannot be built"))?;
    runtime.block_on(async {
        let mut signals = Signals::of(args.lifetime).map_err(system("signals cannot be received"))?;
        let (path, session) = (&args.endpoint.socket, &args.session);
        let request = Request {
            depth: args.common.depth,
            rx_depth: args.common.rx_depth,
            transport: session.transport,
            wake: args.stack.greeted_wake(),
            idle_timeout: args.waiting.idle_timeout,
        };
        let allowed = AllowedUsers::of(&args.endpoint.allow_uid);
        let greeted = tokio::select! {
            greeted = connect(path, request, session.connect_timeout, &allowed) => greeted?,
            () = signals.next() => return Err(RunError::Interrupted),
        };
        let plan = Plan::new(&args.stack, length, args.common.seed, greeted.terms.depth, link(&greeted))?;
        // The driver is not trusted: its session begins between the request and its answer.
        let possible = |stalls: &StallSchedule| (greeted.terms.asked..=monotonic_now()).contains(&stalls.origin);
        let stalls = greeted.terms.accept.stalls.filter(possible);
        let plan = Plan { stalls, ..plan }.with_way_up(greeted.terms.rx_depth.is_some())?;
        on_a_thread(args.clone(), greeted, plan, signals.stop(), extension).await
    })
}

/// Bytes that this side's end of the ring takes. Those of a receive ring are not counted: whether there is one is not
/// known yet.
fn memory_of_a_ring(args: &Args) -> usize {
    let depth = args.common.depth;
    match args.session.transport {
        TransportKind::Shm => SharedMemory::size(depth),
        TransportKind::Socket => Tables::size(depth),
    }
}

fn link(greeted: &Greeted) -> LinkRate {
    greeted.terms.accept.link_bits_per_second.map_or(LinkRate::Unlimited, |rate| LinkRate::Limited(BitRate(rate)))
}

/// Runs the data path on a thread of its own, which signals stop.
async fn on_a_thread<X: Extension>(
    args: Args,
    greeted: Greeted,
    plan: Plan,
    stop: StopHandle,
    extension: impl FnOnce() -> X + Send + 'static,
) -> Result<RunReport, RunError> {
    let (done, report) = oneshot::channel();
    let data_path = thread::Builder::new().name("data-path".to_owned());
    let spawned = data_path.spawn(move || {
        // An error means that the main thread does not wait any more, because the process ends.
        let _ = done.send(data_path_main(&args, greeted, plan, stop, extension()));
    });
    spawned.map_err(|cause| RunError::System { what: "no thread is left", cause })?;
    report.await.unwrap_or(Err(RunError::NoReport))
}

fn data_path_main(
    args: &Args,
    greeted: Greeted,
    plan: Plan,
    stop: StopHandle,
    extension: impl Extension,
) -> Result<RunReport, RunError> {
    let Greeted { stream, memory, terms } = greeted;
    let unusable = |cause| RunError::System { what: "the driver's socket cannot be used", cause };
    match memory {
        Some(Memory { transmit, receive }) => {
            let connection = Connection::beside_memory(stream).map_err(unusable)?;
            let port = ShmProducer::on(&connection, transmit).map_err(unusable)?;
            let up = receive.map(|memory| ShmConsumer::on(&connection, memory)).transpose().map_err(unusable)?;
            run_on(port, up, args, &terms, plan, stop, extension)
        }
        None => {
            let connection = Connection::over_socket(stream).map_err(unusable)?;
            let port = SocketProducer::on(&connection, Tables::producer(terms.depth)?).map_err(unusable)?;
            // The driver wakes for each completion that it looks for, so its wake point is each slot.
            let tables = terms.rx_depth.map(|depth| Tables::consumer(depth, 1)).transpose()?;
            let up = tables.map(|tables| SocketConsumer::on(&connection, tables)).transpose().map_err(unusable)?;
            run_on(port, up, args, &terms, plan, stop, extension)
        }
    }
}

fn run_on(
    port: impl ProducerPort + 'static,
    up: Option<impl ConsumerPort + 'static>,
    args: &Args,
    terms: &Terms,
    plan: Plan,
    stop: StopHandle,
    extension: impl Extension,
) -> Result<RunReport, RunError> {
    let Terms { depth, rx_depth, accept, asked } = terms;
    let data_path = DataPath::new(port.connection(), &args.waiting, Nanos(accept.idle_timeout_ns), stop);
    let (clock, interrupt, usage) = (data_path.clock(), data_path.interrupt(), data_path.usage());
    let ring = Producer::with_wake_point(port, *depth, plan.wake_point, clock.clone());
    let lines = JsonLines::open(args.stream.json_stream, args.output.json.as_ref())?;
    let (tasks_plan, watch) = (plan.clone(), watcher(args, title(&plan, *depth), lines));
    let stack = StackRun::new(ring, tasks_plan).interrupted_by(interrupt).watched_by(watch).extended_by(extension);
    let stack = match up {
        Some(up) => stack.receiving(up),
        None => stack,
    };
    let config = ConfigReport {
        netstack: serde_json::to_value(args).unwrap_or_default(),
        driver: serde_json::from_str(&accept.settings).unwrap_or_default(),
        simulate: None,
        far: None,
    };
    let origin = Origin::now();
    if let Some(lines) = whole(lines, args) {
        lines.write(&StreamEvent::start(config.clone(), plan.seed, REAL, origin.clone()))?;
    }
    let outcome = data_path.run(|tasks| stack.run(tasks, clock))?;
    let context = Context {
        config,
        clock: REAL.to_owned(),
        host: Some(HostReport::read()),
        origin,
        arrivals_digest: arrivals_digest(plan.seed, &plan.apps),
        process: usage(),
        rx_depth: rx_depth.map_or(0, Depth::get),
        lines_dropped: lines_dropped(),
        grant: Some(Grant { generation: accept.generation, asked: *asked }),
    };
    Ok(assemble(outcome, &plan, *depth, context))
}

/// The name of the clock in reports.
const REAL: &str = "real";

/// The `lines` if this process writes all of them: a program that started it writes the first and the last itself,
/// because the report that it makes of those of both processes has more.
fn whole(lines: Option<JsonLines>, args: &Args) -> Option<JsonLines> {
    lines.filter(|_| !args.lifetime.end_with_stdin)
}

/// What is run, above the lines of the intervals.
fn title(plan: &Plan, depth: Depth) -> String {
    let specs: Vec<_> = plan.apps.iter().map(|app| app.spec().to_string()).collect();
    let apps: Vec<_> = plan.apps.iter().map(ResolvedApp::name).zip(specs.iter().map(String::as_str)).collect();
    format!("{}; depth {depth}, policy {}", traffic(&apps), plan.policy)
}

/// Prints a line for each interval, as text unless --quiet is set, and as JSON to `stream`. It runs on the data path's
/// thread, so it never waits for a reader.
fn watcher(args: &Args, title: String, stream: Option<JsonLines>) -> Option<Watch> {
    let beside = JsonLines::beside(stream, args.output.json.as_ref());
    let mut text = (!args.lines.quiet).then(|| IntervalLines::titled(title));
    let any = text.is_some() || stream.is_some();
    let watch = move |sample: &Sample| {
        if let Some(stream) = stream {
            stream.queue(&StreamEvent::Interval(*sample));
        }
        if let Some(text) = &mut text {
            text.next(sample).lines().for_each(|line| say_line(beside.as_ref(), line));
        }
    };
    any.then(|| Box::new(watch) as Watch)
}

fn publish(args: &Args, sink: Option<JsonSink>, lines: Option<JsonLines>, report: &RunReport) -> Result<(), RunError> {
    let written = sink.map_or(Ok(()), |sink| sink.write(report));
    let ended = whole(lines, args).map_or(Ok(()), |lines| lines.write(&StreamEvent::End(Box::new(report.clone()))));
    let written = written.and(ended);
    if !args.lines.quiet {
        say(JsonLines::beside(lines, args.output.json.as_ref()).as_ref(), report);
    } else if !args.lifetime.end_with_stdin {
        // A program that started this one reads the report, and prints them itself.
        report.shortcomings().iter().for_each(|line| complain(format_args!("netstack: {line}")));
    }
    Ok(written?)
}

/// The exit status of a run with this `report`.
fn status(report: &RunReport) -> Status {
    let ending = match report.ending {
        Ending::Finished => Status::Fine,
        // Signals to both processes may arrive in either order, so both kinds of interrupt have one status.
        Ending::Interrupted | Ending::PeerInterrupted => Status::Interrupted,
        Ending::PeerFailed(_) => Status::PeerFailed,
    };
    match (report.ledger.balanced, ending) {
        (false, _) => Status::Unbalanced,
        (true, Status::Fine) if report.doorbells.missed > 0 || report.is_fruitless() => Status::Failed,
        (true, ending) => ending,
    }
}
