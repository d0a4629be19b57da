//! The reception: who comes in, who is served, and when it closes.

use std::fmt::Display;
use std::future::pending;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
use shared::exec::{StopHandle, monotonic_now};
use shared::exit::{Status, complain, say};
use shared::leftovers::{Leftover, Registered, register};
use shared::limits::remedy;
use shared::peers::Guests;
use shared::report::JsonTarget;
use shared::ring::Depth;
use shared::ring::shm::{SharedMemory, hand_over};
use shared::signals::Signals;
use shared::units::LinkRate;
use shared::wire::stream::{StreamError, write_control};
use shared::wire::{Accept, Control, Hello, RefuseCode, RingInfo, TransportKind};
use tokio::io::Interest;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::RunError;
use super::address::{ListenError, listen};
use super::data::{Plan, SessionError, session};
use super::greeting::{PATIENCE, Visit, grant, greet, turn_away};
use super::log::Log;
use crate::backend::{Capture, Output};
use crate::hardware::Config;
use crate::session::{Ended, Served};
use crate::settings::Settings;

/// Clients that may be greeted or refused at once; the next ones wait in the system's queue.
const MOST_VISITS: usize = 64;

/// What to do after a connection could not be accepted, most likely for want of descriptors.
const BREATHER: Duration = Duration::from_millis(100);

pub(super) struct Desk<'a> {
    settings: &'a Settings,
    hardware: Config,
    listener: Listener,
    /// The socket's file, which goes with the listener, or when the driver ends at once.
    _registered: Registered,
    signals: Signals,
    /// Clients that are being greeted or refused.
    visits: JoinSet<Visit>,
    running: Option<Running>,
    /// Where sent frames go; with the session while there is one.
    output: Option<Output>,
    guests: Guests,
    generation: u64,
    log: Log,
    stopping: bool,
}

/// What a stack that is served gets.
struct Granted {
    ring: RingInfo,
    depth: Depth,
    wake_point: u32,
    /// The ring's memory, and the descriptor to hand over.
    memory: Option<(SharedMemory, OwnedFd)>,
    /// What ends its session.
    stop: StopHandle,
    output: Output,
}

struct Running {
    stop: StopHandle,
    done: JoinHandle<Result<Served<Output>, SessionError>>,
}

enum Event {
    Signal,
    Came(Stream),
    Visited(Visit),
    Served(Box<Served<Output>>),
}

impl<'a> Desk<'a> {
    /// Listens, and says so.
    pub(super) fn open(settings: &'a Settings, hardware: Config) -> Result<Self, RunError> {
        // Before anybody can know that there is something to interrupt.
        let signals = Signals::of(settings.lifetime).map_err(RunError::System)?;
        let guests = Guests::of(&settings.meeting.allow_uid);
        let socket = &settings.meeting.socket;
        let (listener, registered) =
            register(|| Ok::<_, ListenError>((listen(socket, &guests)?, Leftover::File(socket.clone()))))?;
        // Behind the socket, so that no capture of a live driver is replaced by mistake.
        let output = match &settings.capture.pcap {
            Some(path) => Output::Capture(Box::new(Capture::create(path, clock_base())?)),
            None => Output::Model,
        };
        say_ready(settings);
        Ok(Self {
            settings,
            hardware,
            listener,
            _registered: registered,
            signals,
            visits: JoinSet::new(),
            running: None,
            output: Some(output),
            guests,
            generation: 0,
            log: Log::default(),
            stopping: false,
        })
    }

    /// Works until it is time to close. Returns how it went, and what is left of all sessions.
    pub(super) async fn work(mut self) -> Result<(Status, Log), RunError> {
        let status = loop {
            match self.next_event().await? {
                Event::Came(stream) => drop(self.visits.spawn(greet(stream, self.guests.clone()))),
                Event::Visited(Visit::Wants(stream, hello)) => self.decide(stream, &hello),
                Event::Visited(Visit::Over { code, why }) => {
                    self.log.turned_away(code);
                    note(why);
                }
                Event::Signal => {
                    self.stopping = true;
                    match &self.running {
                        Some(running) => running.stop.stop(),
                        None => break Status::Interrupted,
                    }
                }
                Event::Served(served) => {
                    let ended = self.file(*served);
                    if self.stopping {
                        break Status::Interrupted;
                    }
                    if self.settings.once {
                        break if ended.peer_failed() { Status::PeerFailed } else { Status::Fine };
                    }
                }
            }
        };
        Ok((self.log.judge(status), self.log))
    }

    async fn next_event(&mut self) -> Result<Event, RunError> {
        let done = async {
            match &mut self.running {
                Some(running) => (&mut running.done).await.unwrap_or(Err(SessionError::Vanished)),
                None => pending().await,
            }
        };
        Ok(tokio::select! {
            biased;
            () = self.signals.next() => Event::Signal,
            served = done => {
                self.running = None;
                Event::Served(Box::new(served?))
            }
            Some(visit) = self.visits.join_next() => {
                Event::Visited(visit.unwrap_or_else(|error| Visit::over("FAULT", error)))
            }
            stream = accept(&self.listener), if self.visits.len() < MOST_VISITS => Event::Came(stream),
        })
    }

    /// Serves a stack, or says why not.
    fn decide(&mut self, stream: Stream, hello: &Hello) {
        match self.weigh(hello) {
            Ok(granted) => self.begin(stream, granted),
            Err((code, reason)) => drop(self.visits.spawn(turn_away(stream, code, reason))),
        }
    }

    /// What a stack gets, and what everybody else is told.
    fn weigh(&mut self, hello: &Hello) -> Result<Granted, (RefuseCode, String)> {
        if self.stopping {
            return Err((RefuseCode::ShuttingDown, "the driver is about to exit; start it again".to_owned()));
        }
        let granted = grant(&hello.rings, self.settings.common.depth);
        let (ring, depth) = granted.map_err(|reason| (RefuseCode::InvalidRing, reason))?;
        // A stack that waits for more slots than there are refuses itself, once it knows the depth in force.
        let wake_point = hello.wake.slots(depth).unwrap_or(depth.get());
        if self.output.is_none() {
            let reason = "another stack is being served; wait for its end, or start another driver";
            return Err((RefuseCode::Busy, reason.to_owned()));
        }
        let memory = match hello.transport {
            TransportKind::Socket => None,
            TransportKind::Shm => {
                let made = SharedMemory::create(depth, self.generation + 1);
                Some(made.map_err(|error| (RefuseCode::NoResources, format!("{error}, or try --transport socket")))?)
            }
        };
        let stop = StopHandle::new().map_err(|error| {
            let remedy = remedy(&error, "end other programs and try again");
            (RefuseCode::NoResources, format!("no descriptor for a session ({error}); {remedy}"))
        })?;
        // Nobody else takes it meanwhile.
        let output = self.output.take().unwrap_or(Output::Model);
        Ok(Granted { ring, depth, wake_point, memory, stop, output })
    }

    fn begin(&mut self, stream: Stream, granted: Granted) {
        let Granted { ring, depth, wake_point, memory, stop, output } = granted;
        let (memory, descriptor) = memory.unzip();
        self.generation += 1;
        let accept = Accept {
            generation: self.generation,
            rings: vec![ring],
            link_bits_per_second: match self.hardware.link {
                LinkRate::Unlimited => None,
                LinkRate::Limited(rate) => Some(rate.0),
            },
            settings: serde_json::to_string(self.settings).unwrap_or_default(),
        };
        let plan = Plan {
            generation: self.generation,
            depth,
            wake_point,
            memory,
            hardware: self.hardware.clone(),
            dma: self.settings.driver.dma,
            verify: self.settings.driver.verify,
            idle: self.settings.waiting.idle,
            output,
            stop: stop.clone(),
        };
        self.running = Some(Running { stop, done: tokio::spawn(converse(stream, accept, descriptor, plan)) });
    }

    /// Keeps what a session left behind. Returns how it ended.
    fn file(&mut self, served: Served<Output>) -> Ended {
        let Served { report, ended, backend } = served;
        let bad = report.bad_length + report.bad_header + report.bad_checksum;
        note(format_args!(
            "session {}: {ended}; {} frames received, {} sent, {bad} bad, {} discarded",
            report.generation, report.received, report.sent, report.discarded
        ));
        for warning in &report.warnings {
            note(format_args!("warning: {warning}"));
        }
        self.output = Some(backend);
        self.log.file(report, &ended);
        ended
    }
}

async fn accept(listener: &Listener) -> Stream {
    loop {
        match listener.accept().await {
            Ok(stream) => return stream,
            Err(error) => {
                note(format_args!("a connection could not be accepted ({error}); trying again"));
                sleep(BREATHER).await;
            }
        }
    }
}

/// Welcomes a stack and serves it.
async fn converse(
    mut stream: Stream,
    accept: Accept,
    descriptor: Option<OwnedFd>,
    plan: Plan,
) -> Result<Served<Output>, SessionError> {
    let welcome = async {
        write_control(&mut stream, &Control::Accept(Box::new(accept))).await?;
        let Stream::UdSocket(socket) = &stream;
        if let Some(memory) = descriptor {
            socket.inner().async_io(Interest::WRITABLE, || hand_over(socket, &memory)).await?;
        }
        Ok::<(), StreamError>(())
    };
    // A stack that does not hear it any more is found to be gone by the session.
    let _ = timeout(PATIENCE, welcome).await;
    let Stream::UdSocket(stream) = stream;
    let stream = OwnedFd::try_from(stream).map_err(SessionError::Socket)?;
    session(stream, plan).await
}

/// What the wall clock shows at the origin of the monotonic one.
fn clock_base() -> Duration {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    wall.saturating_sub(Duration::from_nanos(monotonic_now().0))
}

/// The one line that programs wait for. With the report on standard output, it goes where
/// everything else for people goes.
fn say_ready(settings: &Settings) {
    let socket = settings.meeting.socket.display();
    if settings.output.json == Some(JsonTarget::Stdout) {
        return note(format_args!("ready on {socket}"));
    }
    say(None, format_args!("driver: ready on {socket}"));
}

/// A line for people, some of it in a client's words. A closed terminal is no reason to die.
fn note(line: impl Display) {
    complain(format_args!("driver: {line}"));
}
