//! The accept loop: it decides which client is greeted, which one is served, and when the driver ends.

use std::collections::VecDeque;
use std::future::pending;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
use shared::control::{Hello, RefuseCode};
use shared::exec::monotonic_now;
use shared::liveness::SHORTEST_TIMEOUT;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say_line};
use shared::process::output::complain;
use shared::process::peers::AllowedUsers;
use shared::process::signals::Signals;
use shared::units::Nanos;
use tokio::time::{Instant, sleep, sleep_until};

use super::RunError;
use super::address::{Address, listen};
use super::clients::{Eviction, PendingClients};
use super::greeting::{GrantedRings, GreetingOutcome, grant_rings};
use super::log::Log;
use super::running::{Grant, GrantOutcome, RunningSession, has_hung_up};
use crate::backend::{AnyBackend, Backend, Capture, CaptureError, Captured, Output};
use crate::hardware::Config;
use crate::session::{SessionEnd, SessionOutcome};
use crate::settings::Settings;

/// Pause after an `accept` that failed, most likely for lack of descriptors.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(10);

/// How often the driver looks whether the capture's named pipe has a reader.
const READER_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Most stacks that wait for the end of a session that is closing. Then the first is served, and the others are refused
/// as BUSY.
const MOST_WAITING: usize = 16;

pub(super) struct AcceptLoop<'a> {
    settings: &'a Settings,
    hardware: Config,
    address: Address,
    signals: Signals,
    /// Clients that are being greeted or refused.
    clients: PendingClients,
    /// Stacks whose greeting was complete while the session before them was closing, oldest first.
    waiting: VecDeque<(Stream, Hello)>,
    running: Option<RunningSession>,
    /// Where sent frames go, and arriving frames come from. While a session runs, the session has it.
    output: Option<Output>,
    /// Whether frames can arrive at it.
    receives: bool,
    allowed: AllowedUsers,
    /// The number of the last session that started.
    generation: u64,
    /// No connection is accepted before this time.
    accept_after: Instant,
    /// Whether a signal has arrived.
    stopping: bool,
}

enum Event {
    Signal,
    Connected(Stream),
    AcceptFailed(std::io::Error),
    /// The greeting or the refusal of a client is over.
    Greeted(GreetingOutcome),
    SessionOver(GrantOutcome),
    /// The report on disk is to be replaced.
    SaveDue,
}

impl<'a> AcceptLoop<'a> {
    /// Listens, and reports that on standard output. `backend` is `None` for the model.
    ///
    /// # Errors
    /// [`RunError`], also if a signal comes while the capture waits for a reader of its named pipe.
    pub(super) async fn listen(
        settings: &'a Settings,
        hardware: Config,
        backend: Option<Box<dyn AnyBackend>>,
    ) -> Result<Self, RunError> {
        // Do this first: a signal may arrive as soon as the driver has reported that it is ready.
        let mut signals = Signals::of(settings.lifetime).map_err(RunError::System)?;
        let allowed = AllowedUsers::of(&settings.endpoint.allow_uid);
        let address = listen(&settings.endpoint.socket, &allowed)?;
        // Only a driver that has the socket opens the capture: else a second driver at the same socket would replace
        // the capture of the first one, and then fail.
        let capture = match &settings.capture.pcap {
            Some(path) => tokio::select! {
                capture = begin_capture(path) => Some(capture?),
                () = signals.next() => return Err(RunError::Interrupted),
            },
            None => None,
        };
        let output = match (backend, capture) {
            (None, None) => Output::Model,
            (None, Some(capture)) => Output::Capture(Box::new(capture)),
            (Some(backend), None) => Output::Other(backend),
            (Some(backend), Some(capture)) => Output::Other(Box::new(Captured::new(backend, capture))),
        };
        if !settings.quiet {
            say_ready(settings);
        }
        Ok(Self {
            settings,
            hardware,
            address,
            signals,
            clients: PendingClients::new(),
            waiting: VecDeque::new(),
            running: None,
            receives: output.receives(),
            output: Some(output),
            allowed,
            generation: 0,
            accept_after: Instant::now(),
            stopping: false,
        })
    }

    /// Serves stacks until the driver has to end, and adds sessions and clients to `log`. Returns the exit status.
    pub(super) async fn run(mut self, log: &mut Log) -> Result<Status, RunError> {
        let status = self.handle_events(log).await;
        // The reader of a capture may not have taken all records yet.
        if let Some(output) = &mut self.output {
            output.flush();
        }
        status
    }

    async fn handle_events(&mut self, log: &mut Log) -> Result<Status, RunError> {
        loop {
            match self.next_event(log).await? {
                Event::Connected(stream) => self.clients.greet(stream, self.allowed.clone()),
                Event::AcceptFailed(error) => {
                    log.note(format_args!("a connection could not be accepted ({error}); trying again"));
                    // A silent client holds a descriptor that the next connection can use.
                    self.clients.evict_one(Eviction::Descriptors);
                    self.accept_after = Instant::now() + ACCEPT_RETRY_DELAY;
                }
                Event::Greeted(GreetingOutcome::WantsSession(stream, hello)) => self.decide(stream, hello, log),
                Event::Greeted(GreetingOutcome::NotServed { code, why }) => log.add_unserved(code, why),
                Event::Signal => {
                    self.stopping = true;
                    match &self.running {
                        Some(running) => running.stop(),
                        None => return Ok(Status::Interrupted),
                    }
                    self.decide_waiting(log);
                }
                Event::SessionOver(outcome) => {
                    let ended = self.release(outcome, log);
                    if let Some(why) = self.output.as_ref().and_then(Backend::failed) {
                        return Err(RunError::Backend(why));
                    }
                    if let Some(status) = self.status_after(ended) {
                        return Ok(status);
                    }
                    self.decide_waiting(log);
                }
                Event::SaveDue => log.save(self.settings),
            }
        }
    }

    async fn next_event(&mut self, log: &mut Log) -> Result<Event, RunError> {
        let session_over = async {
            match &mut self.running {
                Some(running) => running.outcome().await,
                None => pending().await,
            }
        };
        Ok(tokio::select! {
            // The order matters: a signal stops a flood of clients, and after the end of a session the stacks that wait
            // are served before another client is accepted.
            biased;
            () = self.signals.next() => Event::Signal,
            outcome = session_over => {
                self.running = None;
                Event::SessionOver(outcome?)
            }
            () = log.save_due() => Event::SaveDue,
            Some(outcome) = self.clients.next() => Event::Greeted(outcome),
            accepted = accept(&self.address.listener, self.accept_after) => accepted,
        })
    }

    /// Decides again about the stacks in `waiting`.
    fn decide_waiting(&mut self, log: &mut Log) {
        for (stream, hello) in std::mem::take(&mut self.waiting) {
            self.decide(stream, hello, log);
        }
    }

    /// Serves a stack, lets it wait for the end of a session that is closing, or refuses it.
    fn decide(&mut self, stream: Stream, hello: Hello, log: &mut Log) {
        let closing = self.running.as_ref().is_some_and(RunningSession::is_closing);
        let Stream::UdSocket(socket) = &stream;
        if has_hung_up(socket) {
            return log.add_unserved("HUNG_UP", "a client hung up before it was served");
        }
        if closing && !self.stopping && !self.settings.once && self.waiting.len() < MOST_WAITING {
            return self.waiting.push_back((stream, hello));
        }
        match self.admit(&hello, closing) {
            Ok(rings) => self.start(stream, &hello, rings, log),
            Err((code, reason)) => self.clients.refuse(stream, code, reason),
        }
    }

    /// Returns the rings to grant to a stack, or the reason for a refusal.
    fn admit(&self, hello: &Hello, closing: bool) -> Result<GrantedRings, (RefuseCode, String)> {
        if self.stopping || closing && self.settings.once {
            return Err((RefuseCode::ShuttingDown, "the driver is about to exit; start it again".to_owned()));
        }
        if Nanos(hello.idle_timeout_ns) < SHORTEST_TIMEOUT {
            let asked = Nanos(hello.idle_timeout_ns);
            let reason = format!("an idle timeout of {asked} is too short; use at least {SHORTEST_TIMEOUT}");
            return Err((RefuseCode::BadGreeting, reason));
        }
        let common = &self.settings.common;
        let granted = grant_rings(&hello.rings, common.depth, self.receives.then_some(common.rx_depth));
        let granted = granted.map_err(|reason| (RefuseCode::InvalidRing, reason))?;
        if self.running.is_some() {
            let reason = "another stack is being served; wait for its end, or start another driver";
            return Err((RefuseCode::Busy, reason.to_owned()));
        }
        Ok(granted)
    }

    /// Starts a session, or refuses the stack if the driver lacks a descriptor for it.
    fn start(&mut self, stream: Stream, hello: &Hello, rings: GrantedRings, log: &mut Log) {
        let grant = Grant { generation: self.generation + 1, rings };
        let generation = grant.generation;
        // No session runs, so the output is here.
        let output = self.output.take().unwrap_or(Output::Model);
        match RunningSession::start(stream, hello, grant, self.settings, &self.hardware, output) {
            Ok(running) => {
                self.generation = generation;
                self.running = Some(running);
            }
            Err(outcome) => {
                self.release(outcome, log);
            }
        }
    }

    /// Takes the output back, and logs the outcome of a grant. Returns how its session ended, if there was one.
    fn release(&mut self, outcome: GrantOutcome, log: &mut Log) -> Option<SessionEnd> {
        match outcome {
            GrantOutcome::NotBegun(stream, missing, output) => {
                self.output = Some(output);
                self.clients.refuse(stream, RefuseCode::NoResources, missing.to_string());
                None
            }
            GrantOutcome::NotWelcomed(error, output) => {
                self.output = Some(output);
                log.add_unserved("NOT_WELCOMED", format_args!("a stack could not be sent its grant: {error}"));
                None
            }
            GrantOutcome::Served(outcome) => {
                let SessionOutcome { report, ended, backend } = *outcome;
                self.output = Some(backend);
                log.add_session(report, &ended);
                Some(ended)
            }
        }
    }

    /// The status of the driver if it ends now that a session has `ended`; `None` if it goes on.
    fn status_after(&self, ended: Option<SessionEnd>) -> Option<Status> {
        // With --once, the first session that was served is the last one.
        match ended.filter(|_| self.settings.once) {
            Some(ended) if ended.peer_failed() => Some(Status::PeerFailed),
            _ if self.stopping => Some(Status::Interrupted),
            last => last.map(|_| Status::Fine),
        }
    }
}

/// Begins a capture. If `path` is a named pipe, this waits until a program reads from it.
async fn begin_capture(path: &Path) -> Result<Capture, CaptureError> {
    loop {
        match Capture::create(path, wall_clock_at_origin()) {
            Err(error) if error.has_no_reader() => sleep(READER_POLL_INTERVAL).await,
            begun => return begun,
        }
    }
}

/// Accepts the next connection, but none before `after`.
async fn accept(listener: &Listener, after: Instant) -> Event {
    sleep_until(after).await;
    match listener.accept().await {
        Ok(stream) => Event::Connected(stream),
        Err(error) => Event::AcceptFailed(error),
    }
}

/// The time of the wall clock at the origin of the monotonic clock.
fn wall_clock_at_origin() -> Duration {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    wall.saturating_sub(Duration::from_nanos(monotonic_now().0))
}

/// Writes the one line that programs wait for: on standard output, or on standard error if the report goes to standard
/// output.
fn say_ready(settings: &Settings) {
    let socket = settings.endpoint.socket.display();
    let line = format_args!("driver: ready on {socket}");
    match settings.output.json {
        Some(JsonTarget::Stdout) => complain(line),
        _ => say_line(None, line),
    }
}
