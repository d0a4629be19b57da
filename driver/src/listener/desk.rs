//! The accept loop: which client is greeted, which is served, and when the driver ends.

use std::collections::VecDeque;
use std::future::pending;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use interprocess::local_socket::tokio::{Listener, Stream};
use interprocess::local_socket::traits::tokio::Listener as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;
use shared::control::stream::{StreamError, write_control};
use shared::control::{Accept, Control, Hello, RefuseCode, RingInfo};
use shared::exec::{StopHandle, monotonic_now};
use shared::liveness::SHORTEST_TIMEOUT;
use shared::process::exit::Status;
use shared::process::json::{JsonTarget, say_line};
use shared::process::output::complain;
use shared::process::peers::AllowedUsers;
use shared::process::signals::Signals;
use shared::ring::Depth;
use shared::ring::shm::hand_over;
use shared::units::{LinkRate, Nanos};
use tokio::io::Interest;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::RunError;
use super::address::{Address, listen};
use super::data::{NoResources, Prepared, SessionError, SessionPlan};
use super::greeting::{ANSWER, Visit, grant};
use super::log::Log;
use super::visits::{Crowding, Visits};
use crate::backend::{Backend, Capture, CaptureError, Output};
use crate::hardware::Config;
use crate::session::SessionOutcome;
use crate::settings::Settings;

/// Pause after a connection could not be accepted, most likely for want of descriptors.
const BREATHER: Duration = Duration::from_millis(10);

/// Pause between two looks for a reader of the capture's named pipe.
const READER_INTERVAL: Duration = Duration::from_millis(20);

/// Stacks that may wait for the end of a session that is closing. Then the first is served, and the others are refused
/// as BUSY.
const MOST_WAITING: usize = 16;

pub(super) struct Desk<'a> {
    settings: &'a Settings,
    hardware: Config,
    address: Address,
    signals: Signals,
    /// Clients that are being greeted or refused.
    visits: Visits,
    /// Stacks whose greeting came while the session before them was closing, oldest first.
    waiting: VecDeque<(Stream, Hello)>,
    running: Option<Running>,
    /// Where sent frames go; with the session while there is one.
    output: Option<Output>,
    allowed: AllowedUsers,
    generation: u64,
    /// No connection is accepted before.
    accept_after: Instant,
    stopping: bool,
}

/// A session, from the grant to its end.
struct Running {
    stop: StopHandle,
    /// Set once the session takes no more frames.
    closing: Arc<AtomicBool>,
    /// The session's connection, to see whether the stack has hung up before the session does.
    connection: OwnedFd,
    done: JoinHandle<Result<Conversation, SessionError>>,
}

impl Running {
    /// Whether the session is at its end, though its place is not free yet.
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire) || has_hung_up(&self.connection)
    }
}

/// What became of a stack that was granted a session.
enum Conversation {
    Served(Box<SessionOutcome<Output>>),
    /// There is not enough of something. The client is still to be refused.
    NotBegun(Stream, NoResources, Output),
    /// The grant, or the ring's descriptor behind it, could not be sent. The connection is closed.
    NotWelcomed(std::io::Error, Output),
}

enum Event {
    Signal,
    Came(Stream),
    /// A connection could not be accepted.
    NotAccepted(std::io::Error),
    Visited(Visit),
    Over(Conversation),
    /// It is time to replace the report on disk.
    SaveDue,
}

impl<'a> Desk<'a> {
    /// Listens, and reports on standard output that it does.
    ///
    /// # Errors
    /// [`RunError`], also if a signal comes while the capture waits for a reader of its named pipe.
    pub(super) async fn open(settings: &'a Settings, hardware: Config) -> Result<Self, RunError> {
        // First of all: a signal may come as soon as the driver has reported that it is ready.
        let mut signals = Signals::of(settings.lifetime).map_err(RunError::System)?;
        let allowed = AllowedUsers::of(&settings.meeting.allow_uid);
        let address = listen(&settings.meeting.socket, &allowed)?;
        // Behind the socket, so that no capture of a live driver is replaced by mistake.
        let output = match &settings.capture.pcap {
            Some(path) => tokio::select! {
                capture = begin_capture(path) => Output::Capture(Box::new(capture?)),
                () = signals.next() => return Err(RunError::Interrupted),
            },
            None => Output::Model,
        };
        say_ready(settings);
        Ok(Self {
            settings,
            hardware,
            address,
            signals,
            visits: Visits::new(),
            waiting: VecDeque::new(),
            running: None,
            output: Some(output),
            allowed,
            generation: 0,
            accept_after: Instant::now(),
            stopping: false,
        })
    }

    /// Serves until it is time to end, and files in `log` what there is to report. Returns how it went.
    pub(super) async fn work(mut self, log: &mut Log) -> Result<Status, RunError> {
        let status = self.serve_all(log).await;
        // The reader of a capture may still be behind.
        if let Some(output) = &mut self.output {
            output.flush();
        }
        status
    }

    async fn serve_all(&mut self, log: &mut Log) -> Result<Status, RunError> {
        loop {
            match self.next_event(log).await? {
                Event::Came(stream) => self.visits.greet(stream, self.allowed.clone()),
                Event::NotAccepted(error) => {
                    log.note(format_args!("a connection could not be accepted ({error}); trying again"));
                    // A silent client holds a descriptor that another one can use.
                    self.visits.close_one(Crowding::Descriptors);
                    self.accept_after = Instant::now() + BREATHER;
                }
                Event::Visited(Visit::Wants(stream, hello)) => self.decide(stream, hello, log),
                Event::Visited(Visit::Over { code, why }) => log.turned_away(code, why),
                Event::Signal => {
                    self.stopping = true;
                    match &self.running {
                        Some(running) => running.stop.stop(),
                        None => return Ok(Status::Interrupted),
                    }
                    self.decide_waiting(log);
                }
                Event::Over(conversation) => match self.conclude(conversation, log) {
                    Some(status) => return Ok(status),
                    None => self.decide_waiting(log),
                },
                Event::SaveDue => log.save(self.settings),
            }
        }
    }

    async fn next_event(&mut self, log: &mut Log) -> Result<Event, RunError> {
        let done = async {
            match &mut self.running {
                Some(running) => (&mut running.done).await.unwrap_or(Err(SessionError::Vanished)),
                None => pending().await,
            }
        };
        Ok(tokio::select! {
            biased;
            () = self.signals.next() => Event::Signal,
            over = done => {
                self.running = None;
                Event::Over(over?)
            }
            () = log.save_due() => Event::SaveDue,
            Some(visit) = self.visits.next() => Event::Visited(visit),
            accepted = accept(&self.address.listener, self.accept_after) => accepted,
        })
    }

    /// Decides again about those that came too early.
    fn decide_waiting(&mut self, log: &mut Log) {
        for (stream, hello) in std::mem::take(&mut self.waiting) {
            self.decide(stream, hello, log);
        }
    }

    /// Serves a stack, lets it wait for the end of a session that is closing, or sends it the reason why not.
    fn decide(&mut self, stream: Stream, hello: Hello, log: &mut Log) {
        let closing = self.running.as_ref().is_some_and(Running::is_closing);
        let Stream::UdSocket(socket) = &stream;
        if has_hung_up(socket) {
            return log.turned_away("HUNG_UP", "a client hung up before it was served");
        }
        if closing && !self.stopping && !self.settings.once && self.waiting.len() < MOST_WAITING {
            return self.waiting.push_back((stream, hello));
        }
        let (ring, depth) = match self.admit(&hello, closing) {
            Ok(granted) => granted,
            Err((code, reason)) => return self.visits.turn_away(stream, code, reason),
        };
        if let Err((stream, missing)) = self.begin(stream, &hello, ring, depth) {
            self.visits.turn_away(stream, RefuseCode::NoResources, missing.to_string());
        }
    }

    /// Returns the ring that a stack gets, and the depth in force, or the reason why it gets none.
    fn admit(&self, hello: &Hello, closing: bool) -> Result<(RingInfo, Depth), (RefuseCode, String)> {
        if self.stopping || closing && self.settings.once {
            return Err((RefuseCode::ShuttingDown, "the driver is about to exit; start it again".to_owned()));
        }
        if Nanos(hello.idle_timeout_ns) < SHORTEST_TIMEOUT {
            let asked = Nanos(hello.idle_timeout_ns);
            let reason = format!("an idle timeout of {asked} is too short; use at least {SHORTEST_TIMEOUT}");
            return Err((RefuseCode::BadGreeting, reason));
        }
        let granted = grant(&hello.rings, self.settings.common.depth);
        let granted = granted.map_err(|reason| (RefuseCode::InvalidRing, reason))?;
        if self.running.is_some() {
            let reason = "another stack is being served; wait for its end, or start another driver";
            return Err((RefuseCode::Busy, reason.to_owned()));
        }
        Ok(granted)
    }

    /// Starts a session. Hands the connection back if there is no descriptor for it.
    fn begin(
        &mut self,
        stream: Stream,
        hello: &Hello,
        ring: RingInfo,
        depth: Depth,
    ) -> Result<(), (Stream, NoResources)> {
        let Stream::UdSocket(socket) = &stream;
        let descriptors = StopHandle::new()
            .and_then(|stop| Ok((stop, fcntl_dupfd_cloexec(socket, 0).map_err(std::io::Error::from)?)));
        let (stop, connection) = match descriptors {
            Ok(descriptors) => descriptors,
            Err(error) => return Err((stream, NoResources::Descriptor(error))),
        };
        self.generation += 1;
        let accept = Accept {
            generation: self.generation,
            rings: vec![ring],
            link_bits_per_second: match self.hardware.link {
                LinkRate::Unlimited => None,
                LinkRate::Limited(rate) => Some(rate.0),
            },
            settings: serde_json::to_string(self.settings).unwrap_or_default(),
            idle_timeout_ns: self.settings.waiting.idle_timeout.0,
        };
        let closing = Arc::new(AtomicBool::new(false));
        let plan = SessionPlan {
            generation: self.generation,
            depth,
            // A stack that waits for more slots than there are refuses itself, once it knows the depth in force.
            wake_point: hello.wake.slots(depth).unwrap_or(depth.get()),
            transport: hello.transport,
            hardware: self.hardware.clone(),
            dma: self.settings.driver.dma,
            verify: self.settings.driver.verify,
            waiting: self.settings.waiting.clone(),
            peer_timeout: Nanos(hello.idle_timeout_ns),
            stop: stop.clone(),
            closing: Arc::clone(&closing),
        };
        // There is an output whenever no session runs.
        let output = self.output.take().unwrap_or(Output::Model);
        let done = tokio::spawn(converse(stream, accept, plan, output));
        self.running = Some(Running { stop, closing, connection, done });
        Ok(())
    }

    /// Frees the place of a session, and keeps what it left behind. Returns the driver's status if the driver ends too.
    fn conclude(&mut self, conversation: Conversation, log: &mut Log) -> Option<Status> {
        let ended = match conversation {
            Conversation::NotBegun(stream, missing, output) => {
                self.output = Some(output);
                self.visits.turn_away(stream, RefuseCode::NoResources, missing.to_string());
                None
            }
            Conversation::NotWelcomed(error, output) => {
                self.output = Some(output);
                log.turned_away("NOT_WELCOMED", format_args!("a stack could not be sent its grant: {error}"));
                None
            }
            Conversation::Served(served) => {
                let SessionOutcome { report, ended, backend } = *served;
                self.output = Some(backend);
                log.file(report, &ended);
                Some(ended)
            }
        };
        // With --once, the first session that began is the last.
        let last = ended.filter(|_| self.settings.once);
        match last {
            Some(ended) if ended.peer_failed() => Some(Status::PeerFailed),
            _ if self.stopping => Some(Status::Interrupted),
            last => last.map(|_| Status::Fine),
        }
    }
}

/// Begins a capture. Into a named pipe, it begins when a program reads from that.
async fn begin_capture(path: &Path) -> Result<Capture, CaptureError> {
    loop {
        match Capture::create(path, clock_base()) {
            Err(error) if error.has_no_reader() => sleep(READER_INTERVAL).await,
            begun => return begun,
        }
    }
}

async fn accept(listener: &Listener, after: Instant) -> Event {
    sleep_until(after).await;
    match listener.accept().await {
        Ok(stream) => Event::Came(stream),
        Err(error) => Event::NotAccepted(error),
    }
}

/// Whether the other side of a connection has closed it.
fn has_hung_up(connection: &impl std::os::fd::AsFd) -> bool {
    let mut gone = [PollFd::new(connection, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut gone, Some(&at_once)) == Ok(1)
}

/// Obtains what a session needs, welcomes the stack and serves it.
async fn converse(
    mut stream: Stream,
    accept: Accept,
    plan: SessionPlan,
    output: Output,
) -> Result<Conversation, SessionError> {
    let mut prepared = match Prepared::new(plan).await {
        Ok(prepared) => prepared,
        Err(missing) => return Ok(Conversation::NotBegun(stream, missing, output)),
    };
    let welcome = async {
        write_control(&mut stream, &Control::Accept(Box::new(accept))).await?;
        let Stream::UdSocket(socket) = &stream;
        if let Some(memory) = prepared.memory.take() {
            socket.inner().async_io(Interest::WRITABLE, || hand_over(socket, &memory)).await?;
        }
        Ok::<(), StreamError>(())
    };
    // If the stack is gone by now, or does not read, the session finds that out, and ends for that reason.
    if let Ok(Err(StreamError::Io(error))) = timeout(ANSWER, welcome).await {
        return Ok(Conversation::NotWelcomed(error, output));
    }
    let Stream::UdSocket(stream) = stream;
    let stream = OwnedFd::try_from(stream).map_err(SessionError::Socket)?;
    Ok(Conversation::Served(Box::new(prepared.serve(stream, output).await?)))
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
    let line = format_args!("driver: ready on {socket}");
    match settings.output.json {
        Some(JsonTarget::Stdout) => complain(line),
        _ => say_line(None, line),
    }
}
