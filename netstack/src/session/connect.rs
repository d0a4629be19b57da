//! Connects to the driver, greets it, and receives the ring.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use shared::control::stream::{StreamError, read_control};
use shared::control::{Accept, Control, Direction, Hello, Refuse, RingInfo, TransportKind, encode_control, preamble};
use shared::exec::monotonic_now;
use shared::limits::{is_met, remedy};
use shared::liveness::SHORTEST_TIMEOUT;
use shared::process::exit::Status;
use shared::process::peers::{AllowedUsers, PeerError, connect_now};
use shared::ring::shm::{HandoverError, MemoryError, SharedMemory, receive};
use shared::ring::{Depth, DepthError, MAX_FRAME, WakePoint};
use shared::units::Nanos;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout_at};

/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(20);

/// A session that has begun.
#[derive(Debug)]
pub struct Greeted {
    /// The socket, on which the greeting is complete.
    pub stream: OwnedFd,
    /// The memory of the rings; `None` if frames are records on the socket.
    pub memory: Option<Memory>,
    /// What was agreed upon.
    pub terms: Terms,
}

/// The memory of the rings of a session.
#[derive(Debug)]
pub struct Memory {
    /// That of the transmit ring.
    pub transmit: SharedMemory,
    /// That of the receive ring, if one is granted.
    pub receive: Option<SharedMemory>,
}

/// What both sides have agreed upon.
#[derive(Debug)]
pub struct Terms {
    /// Slots of the transmit ring in force.
    pub depth: Depth,
    /// Those of the receive ring; `None` if the driver grants none.
    pub rx_depth: Option<Depth>,
    /// What the driver granted.
    pub accept: Accept,
    /// When this side asked for it.
    pub asked: Nanos,
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// No driver listens.
    #[error(
        "--socket {}: no driver there after {waited} ({cause}); start `driver --socket {}` first, \
         or raise --connect-timeout", path.display(), path.display()
    )]
    NoDriver {
        /// The path that was tried.
        path: PathBuf,
        /// How long this side has waited.
        waited: Nanos,
        /// The last error of the system.
        cause: io::Error,
    },
    /// A driver listens, and does not accept the connection.
    #[error(
        "--socket {}: the driver has accepted no connection for {waited}; see what it does, or raise --connect-timeout",
        path.display()
    )]
    Crowded {
        /// The path that was tried.
        path: PathBuf,
        /// How long this side has waited.
        waited: Nanos,
    },
    /// This user may not connect there.
    #[error(
        "--socket {}: {cause}; the driver's user must open the socket and its folder with chmod, and name your user \
         with --allow-uid", path.display()
    )]
    NotAllowed {
        /// The path that was tried.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// This process lacks a resource; no driver is at fault.
    #[error("no connection to the driver can be made: {cause}; {}", remedy(cause, "end other programs and try again"))]
    Own {
        /// The error of the system.
        cause: io::Error,
    },
    /// The path cannot name a socket.
    #[error("--socket {}: {cause}; use a path shorter than 108 bytes", path.display())]
    BadPath {
        /// The path.
        path: PathBuf,
        /// The error of the system.
        cause: io::Error,
    },
    /// The driver did not answer in time.
    #[error("--socket {}: something listens there but did not answer within {waited}; is it a driver?", path.display())]
    NoAnswer {
        /// The path that was tried.
        path: PathBuf,
        /// How long this side has waited.
        waited: Nanos,
    },
    /// The greeting failed.
    #[error("--socket {}: {cause}; is it a driver of this version?", path.display())]
    Stream {
        /// The path that was tried.
        path: PathBuf,
        /// What went wrong.
        cause: StreamError,
    },
    /// The driver refused the session.
    #[error("the driver refused: {}", .0.reason)]
    Refused(Refuse),
    /// The driver answered with a message that is no answer to HELLO.
    #[error("the driver answered the greeting with something else; is it a driver of this version?")]
    NotAnAnswer,
    /// The driver belongs to a user that is not allowed.
    #[error("--socket {}: {cause}", path.display())]
    Peer {
        /// The path that was tried.
        path: PathBuf,
        /// Which user it belongs to.
        cause: PeerError,
    },
    /// No ring arrived behind ACCEPT.
    #[error(transparent)]
    Handover(#[from] HandoverError),
    /// The memory that arrived is not the ring that was granted.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The driver granted a ring that is not possible, or that was not asked for.
    #[error("the driver granted no usable ring: {0}")]
    BadRing(String),
}

impl From<DepthError> for ConnectError {
    fn from(error: DepthError) -> Self {
        Self::BadRing(format!("depth {error}"))
    }
}

impl ConnectError {
    /// The exit status of the process.
    pub fn status(&self) -> Status {
        match self {
            Self::BadPath { .. } => Status::Usage,
            Self::Own { .. } | Self::Handover(HandoverError::NoDescriptor) => Status::Failed,
            Self::Memory(error) if error.is_own() => Status::Failed,
            _ => Status::PeerFailed,
        }
    }
}

/// What a stack asks the driver for: one ring of each direction. A driver whose backend receives nothing grants no receive
/// ring.
#[derive(Debug, Clone, Copy)]
pub struct Request {
    /// The most slots that the transmit ring may have.
    pub depth: Depth,
    /// The most slots that the receive ring may have.
    pub rx_depth: Depth,
    /// How frames travel.
    pub transport: TransportKind,
    /// As in [`Hello`].
    pub wake: WakePoint,
    /// After how much silence this side gives the driver up.
    pub idle_timeout: Nanos,
}

/// Connects to the driver at `path` and sends `request`. Gives up after `timeout`.
///
/// # Errors
/// [`ConnectError`], each with what to do about it.
pub async fn connect(
    path: &Path,
    request: Request,
    timeout: Nanos,
    allowed: &AllowedUsers,
) -> Result<Greeted, ConnectError> {
    let deadline = Instant::now() + Duration::from_nanos(timeout.0);
    let no_answer = |_| ConnectError::NoAnswer { path: path.to_owned(), waited: timeout };
    let failed = |cause| ConnectError::Stream { path: path.to_owned(), cause };
    let (stream, answer, asked) = loop {
        let mut stream = find(path, timeout, deadline).await?;
        let asked = monotonic_now();
        allowed.check(stream.as_fd()).map_err(|cause| ConnectError::Peer { path: path.to_owned(), cause })?;
        let answer = timeout_at(deadline, greet(&mut stream, request)).await;
        match answer.map_err(no_answer)? {
            // In a crowd of clients, the driver may have closed this connection before it had read the greeting. One
            // that is about to exit does so as well.
            Err(StreamError::Closed) if Instant::now() + PAUSE < deadline => sleep(PAUSE).await,
            answer => break (stream, answer.map_err(failed)?, asked),
        }
    };
    match answer {
        Control::Accept(accept) => {
            let (depth, rx_depth) = granted(&request, &accept)?;
            let next = async |depth: Depth| {
                let taken = timeout_at(deadline, take_over(&stream)).await;
                let descriptor = taken.map_err(no_answer)?.map_err(|error| failed(error.into()))??;
                Ok::<_, ConnectError>(SharedMemory::open(descriptor, depth, accept.generation)?)
            };
            let memory = match (request.transport, rx_depth) {
                (TransportKind::Socket, _) => None,
                (TransportKind::Shm, None) => Some(Memory { transmit: next(depth).await?, receive: None }),
                (TransportKind::Shm, Some(rx_depth)) => {
                    Some(Memory { transmit: next(depth).await?, receive: Some(next(rx_depth).await?) })
                }
            };
            let stream = stream.into_std().map_err(|error| failed(error.into()))?.into();
            Ok(Greeted { stream, memory, terms: Terms { depth, rx_depth, accept: *accept, asked } })
        }
        Control::Refuse(refuse) => Err(ConnectError::Refused(refuse)),
        Control::Hello(_) | Control::Bye(_) | Control::Alive => Err(ConnectError::NotAnAnswer),
    }
}

/// Connects. Tries again while the driver may be starting.
async fn find(path: &Path, timeout: Nanos, deadline: Instant) -> Result<UnixStream, ConnectError> {
    loop {
        let bad_path = |cause| ConnectError::BadPath { path: path.to_owned(), cause };
        match connect_now(path).and_then(|socket| UnixStream::from_std(socket.into())) {
            Ok(stream) => return Ok(stream),
            Err(cause) => {
                let path = path.to_owned();
                match cause.kind() {
                    io::ErrorKind::InvalidInput => return Err(bad_path(cause)),
                    // The driver does not listen yet, its socket is being replaced, or its queue of connections is
                    // full.
                    io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused | io::ErrorKind::WouldBlock => {}
                    // The driver's user may be about to change the permissions of the socket.
                    io::ErrorKind::PermissionDenied => {}
                    _ if is_met(&cause) => return Err(ConnectError::Own { cause }),
                    _ => {}
                }
                if Instant::now() >= deadline {
                    return Err(match cause.kind() {
                        io::ErrorKind::PermissionDenied => ConnectError::NotAllowed { path, cause },
                        io::ErrorKind::WouldBlock => ConnectError::Crowded { path, waited: timeout },
                        _ => ConnectError::NoDriver { path, waited: timeout, cause },
                    });
                }
                sleep(PAUSE).await;
            }
        }
    }
}

async fn greet(stream: &mut UnixStream, request: Request) -> Result<Control, StreamError> {
    let Request { depth, rx_depth, transport, wake, idle_timeout } = request;
    let ring =
        |direction, depth: Depth| RingInfo { direction, queue: 0, depth: depth.get(), slot_size: MAX_FRAME as u32 };
    let rings = vec![ring(Direction::Transmit, depth), ring(Direction::Receive, rx_depth)];
    // In one write, so that the driver receives the greeting as a whole.
    let hello = Hello { transport, rings, wake, idle_timeout_ns: idle_timeout.0 };
    let hello = encode_control(&Control::Hello(hello))?;
    stream.write_all(&[&preamble()[..], &hello].concat()).await?;
    read_control(stream).await
}

/// The driver sends the memory of each ring right behind the grant, in the order of the grant.
async fn take_over(stream: &UnixStream) -> io::Result<Result<OwnedFd, HandoverError>> {
    stream.async_io(Interest::READABLE, || receive(stream)).await
}

/// The depths in force: of the transmit ring, and of the receive ring if one is granted.
fn granted(request: &Request, accept: &Accept) -> Result<(Depth, Option<Depth>), ConnectError> {
    let (transmit, receive) = match accept.rings[..] {
        [transmit] => (transmit, None),
        [transmit, receive] => (transmit, Some(receive)),
        _ => return Err(ConnectError::BadRing(format!("{} rings, and two were asked for", accept.rings.len()))),
    };
    let depth = depth_of(&transmit, Direction::Transmit, request.depth)?;
    let rx_depth = receive.map(|receive| depth_of(&receive, Direction::Receive, request.rx_depth)).transpose()?;
    if Nanos(accept.idle_timeout_ns) < SHORTEST_TIMEOUT {
        let claimed = Nanos(accept.idle_timeout_ns);
        return Err(ConnectError::BadRing(format!("an idle timeout of {claimed} is shorter than {SHORTEST_TIMEOUT}")));
    }
    if accept.link_bits_per_second == Some(0) {
        return Err(ConnectError::BadRing("a link of no bits a second carries nothing".to_owned()));
    }
    Ok((depth, rx_depth))
}

/// The depth of a ring that was granted, if it is one that was asked for.
fn depth_of(ring: &RingInfo, direction: Direction, asked: Depth) -> Result<Depth, ConnectError> {
    let depth = Depth::new(ring.depth)?;
    let other = ring.direction != direction || ring.queue != 0;
    if depth > asked || other || (ring.slot_size as usize) < MAX_FRAME {
        let what = match direction {
            Direction::Transmit => "transmit",
            Direction::Receive => "receive",
        };
        return Err(ConnectError::BadRing(format!(
            "it has {depth} slots of {} B, and at most {asked} slots of at least {MAX_FRAME} B were asked for, to {what}",
            ring.slot_size
        )));
    }
    Ok(depth)
}
