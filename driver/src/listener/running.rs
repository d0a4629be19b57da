//! A session as the accept loop sees it: a task that sends the grant to a stack, serves the stack, and returns an
//! outcome.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use interprocess::local_socket::tokio::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::fcntl_dupfd_cloexec;
use shared::control::stream::{StreamError, write_control};
use shared::control::{Accept, Control, Hello};
use shared::exec::{StopHandle, monotonic_now};
use shared::ring::shm::hand_over;
use shared::units::{LinkRate, Nanos};
use tokio::io::Interest;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::data::{NoResources, Prepared, SessionError, SessionPlan};
use super::greeting::{ANSWER_TIMEOUT, GrantedRings};
use crate::backend::Output;
use crate::hardware::Config;
use crate::session::SessionOutcome;
use crate::settings::Settings;

/// What a stack is granted.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    /// The number of the session.
    pub(super) generation: u64,
    pub(super) rings: GrantedRings,
}

/// A session, from its grant to its end.
pub(super) struct RunningSession {
    stop: StopHandle,
    /// Set once the session takes no more frames.
    closing: Arc<AtomicBool>,
    /// A copy of the session's connection. It shows at once that the stack has hung up; the session may notice later.
    connection: OwnedFd,
    task: JoinHandle<Result<GrantOutcome, SessionError>>,
}

/// The outcome of a grant. Each variant returns the output, for the next session.
pub(super) enum GrantOutcome {
    /// Its session is over.
    Served(Box<SessionOutcome<Output>>),
    /// The driver lacks a resource. The stack waits for an answer, which must be a refusal.
    NotBegun(Stream, NoResources, Output),
    /// The grant, or the descriptor of a ring's memory behind it, could not be sent. The connection is closed.
    NotWelcomed(std::io::Error, Output),
}

impl RunningSession {
    /// Starts a session with the stack on `stream`.
    ///
    /// # Errors
    /// [`GrantOutcome::NotBegun`], if the driver has no descriptor for it.
    pub(super) fn start(
        stream: Stream,
        hello: &Hello,
        grant: Grant,
        settings: &Settings,
        hardware: &Config,
        output: Output,
    ) -> Result<Self, GrantOutcome> {
        let Stream::UdSocket(socket) = &stream;
        let descriptors = StopHandle::new()
            .and_then(|stop| Ok((stop, fcntl_dupfd_cloexec(socket, 0).map_err(std::io::Error::from)?)));
        let (stop, connection) = match descriptors {
            Ok(descriptors) => descriptors,
            Err(error) => return Err(GrantOutcome::NotBegun(stream, NoResources::Descriptor(error), output)),
        };
        let began = monotonic_now();
        let GrantedRings { depth, rx_depth, rings } = grant.rings;
        let accept = Accept {
            generation: grant.generation,
            rings,
            link_bits_per_second: match hardware.link {
                LinkRate::Unlimited => None,
                LinkRate::Limited(rate) => Some(rate.0),
            },
            stalls: hardware.stalls(began),
            settings: serde_json::to_string(settings).unwrap_or_default(),
            idle_timeout_ns: settings.waiting.idle_timeout.0,
        };
        let closing = Arc::new(AtomicBool::new(false));
        let plan = SessionPlan {
            generation: grant.generation,
            depth,
            rx_depth,
            began,
            // If the wake point is above the depth in force, the stack ends the session when it learns the depth.
            wake_point: hello.wake.slots(depth).unwrap_or(depth.get()),
            transport: hello.transport,
            hardware: hardware.clone(),
            dma: settings.driver.dma,
            verify: settings.driver.verify,
            waiting: settings.waiting.clone(),
            peer_timeout: Nanos(hello.idle_timeout_ns),
            stop: stop.clone(),
            closing: Arc::clone(&closing),
        };
        let task = tokio::spawn(welcome_and_serve(stream, accept, plan, output));
        Ok(Self { stop, closing, connection, task })
    }

    /// Interrupts the session.
    pub(super) fn stop(&self) {
        self.stop.stop();
    }

    /// Whether the session takes no more frames, so that another session can begin soon.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire) || has_hung_up(&self.connection)
    }

    /// Waits for the end of the session. Cancel-safe.
    pub(super) async fn outcome(&mut self) -> Result<GrantOutcome, SessionError> {
        (&mut self.task).await.unwrap_or(Err(SessionError::Vanished))
    }
}

/// Obtains what the session needs, sends the grant to the stack and serves it.
async fn welcome_and_serve(
    mut stream: Stream,
    accept: Accept,
    plan: SessionPlan,
    output: Output,
) -> Result<GrantOutcome, SessionError> {
    let mut prepared = match Prepared::new(plan).await {
        Ok(prepared) => prepared,
        Err(missing) => return Ok(GrantOutcome::NotBegun(stream, missing, output)),
    };
    let welcome = async {
        write_control(&mut stream, &Control::Accept(Box::new(accept))).await?;
        let Stream::UdSocket(socket) = &stream;
        // In the order in which ACCEPT lists the rings.
        for memory in prepared.memory.drain(..) {
            socket.inner().async_io(Interest::WRITABLE, || hand_over(socket, &memory)).await?;
        }
        Ok::<(), StreamError>(())
    };
    // Only an error of the connection ends it here. After a timeout the session begins all the same: it notices by
    // itself that the stack does not read, and the report has that reason.
    if let Ok(Err(StreamError::Io(error))) = timeout(ANSWER_TIMEOUT, welcome).await {
        return Ok(GrantOutcome::NotWelcomed(error, output));
    }
    let Stream::UdSocket(stream) = stream;
    let stream = OwnedFd::try_from(stream).map_err(SessionError::Socket)?;
    Ok(GrantOutcome::Served(Box::new(prepared.serve(stream, output).await?)))
}

/// Whether the peer of `connection` has closed it.
pub(super) fn has_hung_up(connection: &impl AsFd) -> bool {
    let mut closed = [PollFd::new(connection, PollFlags::RDHUP)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut closed, Some(&at_once)) == Ok(1)
}
