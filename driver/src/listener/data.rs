//! The data path of a session: a thread of its own, with nothing of the runtime in it.
//!
//! The thread obtains all that depends on the depth (the ring's memory, its tables) before the stack is accepted. So
//! a lack of memory or descriptors refuses one client, and the accept loop never waits for it.

use std::collections::TryReserveError;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use shared::control::TransportKind;
use shared::exec::{Halted, Readiness, StopHandle};
use shared::limits::{Ballast, remedy};
use shared::process::data_path::DataPath;
use shared::process::settings::Waiting;
use shared::ring::shm::{MemoryError, SharedMemory, ShmConsumer, ShmProducer};
use shared::ring::socket::{self, ConsumerEnd, ProducerEnd, SocketConsumer, SocketProducer};
use shared::ring::{ConsumerPort, Depth, Producer, ProducerPort};
use shared::units::Nanos;
use tokio::sync::oneshot;

use crate::backend::Output;
use crate::hardware::Config;
use crate::session::{Dma, SessionOutcome, Setup, Tables, serve_both};

/// What a session needs to know, in a form that crosses threads.
pub(super) struct SessionPlan {
    pub(super) generation: u64,
    pub(super) depth: Depth,
    /// Slots of the ring for frames that arrive, if there is one.
    pub(super) rx_depth: Option<Depth>,
    /// When the session began.
    pub(super) began: Nanos,
    /// Slots that must be free before the stack uses one of them, once its ring was full.
    pub(super) wake_point: u32,
    pub(super) transport: TransportKind,
    pub(super) hardware: Config,
    pub(super) dma: Dma,
    pub(super) verify: bool,
    pub(super) waiting: Waiting,
    /// The stack gives this driver up after this much silence.
    pub(super) peer_timeout: Nanos,
    pub(super) stop: StopHandle,
    /// Set by the session once it takes no more frames: another session can begin soon.
    pub(super) closing: Arc<AtomicBool>,
}

/// What to do about a limit of the system that has no flag.
const END_PROGRAMS: &str = "end other programs and try again";

/// The system lacks what a session needs. The reason and the remedy are for the stack's user.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoResources {
    #[error("on the driver's side: {0}, or try --transport socket")]
    Ring(#[source] MemoryError),
    #[error("on the driver's side: no memory for a session ({0}); lower --depth, or raise the limit with ulimit -v")]
    Tables(#[from] TryReserveError),
    #[error("on the driver's side: no thread for a session ({0}); {remedy}", remedy = remedy(.0, END_PROGRAMS))]
    Thread(#[source] io::Error),
    #[error("on the driver's side: no descriptor for a session ({0}); {remedy}", remedy = remedy(.0, END_PROGRAMS))]
    Descriptor(#[source] io::Error),
}

/// The driver itself failed in the middle of a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The connection is not a stream socket.
    #[error("the connection cannot carry a session: {0}")]
    Socket(#[source] io::Error),
    /// All tasks wait for each other.
    #[error(transparent)]
    Halted(#[from] Halted),
    /// The thread ended without a result.
    #[error("a session ended without a result; this is a fault of the program")]
    Vanished,
}

/// The thread of a session, which has allocated all that it needs and waits for the connection.
pub(super) struct Prepared {
    /// The memory of each ring, to be handed over to the stack in this order; nothing if frames travel over the socket.
    pub(super) memory: Vec<OwnedFd>,
    begin: oneshot::Sender<(OwnedFd, Output)>,
    served: oneshot::Receiver<Result<SessionOutcome<Output>, SessionError>>,
}

impl Prepared {
    /// Starts the thread of a session, and waits until it has all that the session needs.
    pub(super) async fn new(plan: SessionPlan) -> Result<Self, NoResources> {
        let (send_ready, ready) = oneshot::channel();
        let (begin, begun) = oneshot::channel();
        let (send_served, served) = oneshot::channel();
        let work = move || {
            let resources = match Resources::obtain(&plan) {
                Ok((resources, memory)) => {
                    // If the accept loop has ended, so has the sender of `begun`.
                    let _ = send_ready.send(Ok(memory));
                    resources
                }
                Err(missing) => return drop(send_ready.send(Err(missing))),
            };
            if let Ok((stream, output)) = begun.blocking_recv() {
                // The receiver is gone only if the driver is about to exit.
                let _ = send_served.send(resources.serve(plan, stream, output));
            }
        };
        thread::Builder::new().name("session".to_owned()).spawn(work).map_err(NoResources::Thread)?;
        let vanished = |_| NoResources::Thread(io::Error::other("it ended without a result"));
        let memory = ready.await.map_err(vanished)??;
        Ok(Self { memory, begin, served })
    }

    /// Serves the stack on `stream`, which is past the greeting, and waits for the end of the session.
    ///
    /// # Errors
    /// [`SessionError`], after which the driver cannot go on.
    pub(super) async fn serve(self, stream: OwnedFd, output: Output) -> Result<SessionOutcome<Output>, SessionError> {
        self.begin.send((stream, output)).map_err(|_| SessionError::Vanished)?;
        self.served.await.map_err(|_| SessionError::Vanished)?
    }
}

/// The parts of a session whose size depends on the depth.
struct Resources {
    rings: Rings,
    tables: Tables,
    /// Memory reserved for small data that grows during the session and for the buffers of the connection. It is
    /// released when the session begins, so that they can be allocated.
    ballast: Ballast,
}

/// The ring that transmits, and the one that receives if there is one.
enum Rings {
    Shm(SharedMemory, Option<SharedMemory>),
    Socket(socket::Tables<ConsumerEnd>, Option<socket::Tables<ProducerEnd>>),
}

impl Resources {
    /// Returns the descriptors of the rings' memory too, if they have any.
    fn obtain(plan: &SessionPlan) -> Result<(Self, Vec<OwnedFd>), NoResources> {
        let (rings, memory) = match plan.transport {
            TransportKind::Shm => {
                let create = |depth| SharedMemory::create(depth, plan.generation).map_err(NoResources::Ring);
                let (transmit, memory) = create(plan.depth)?;
                let (receive, other) = plan.rx_depth.map(create).transpose()?.unzip();
                (Rings::Shm(transmit, receive), [memory].into_iter().chain(other).collect())
            }
            TransportKind::Socket => {
                let transmit = socket::Tables::consumer(plan.depth, plan.wake_point)?;
                let receive = plan.rx_depth.map(socket::Tables::producer).transpose()?;
                (Rings::Socket(transmit, receive), Vec::new())
            }
        };
        let tables = Tables::obtain(&plan.hardware, plan.depth, plan.dma)?;
        Ok((Self { rings, tables, ballast: Ballast::new(0)? }, memory))
    }

    fn serve(self, plan: SessionPlan, stream: OwnedFd, output: Output) -> Result<SessionOutcome<Output>, SessionError> {
        drop(self.ballast);
        match self.rings {
            Rings::Shm(transmit, receive) => {
                let port = ShmConsumer::new(stream, transmit).map_err(SessionError::Socket)?;
                let up = receive.map(|memory| ShmProducer::on(port.connection(), memory)).transpose();
                let up = up.map_err(SessionError::Socket)?;
                serve_on(port, up, plan, self.tables, output)
            }
            Rings::Socket(transmit, receive) => {
                let port = SocketConsumer::new(stream, transmit).map_err(SessionError::Socket)?;
                let up = receive.map(|tables| SocketProducer::on(port.connection(), tables)).transpose();
                let up = up.map_err(SessionError::Socket)?;
                serve_on(port, up, plan, self.tables, output)
            }
        }
    }
}

fn serve_on(
    port: impl ConsumerPort + 'static,
    up: Option<impl ProducerPort + 'static>,
    plan: SessionPlan,
    tables: Tables,
    output: Output,
) -> Result<SessionOutcome<Output>, SessionError> {
    let readiness: Rc<Readiness> = Rc::default();
    let data_path = DataPath::new(port.connection(), &plan.waiting, plan.peer_timeout, plan.stop);
    // The model is always ready, so there is nothing to look at in each turn.
    let data_path = match output {
        Output::Model | Output::Capture(_) => data_path,
        Output::Other(_) => data_path.also_on(Rc::clone(&readiness) as _),
    };
    let clock = data_path.clock();
    let up = up.zip(plan.rx_depth).map(|(port, depth)| Producer::new(port, depth, clock.clone()));
    let setup = Setup {
        generation: plan.generation,
        depth: plan.depth,
        began: Some(plan.began),
        hardware: plan.hardware,
        verify: plan.verify,
        backend: output,
        readiness,
        interrupt: data_path.interrupt(),
        usage: Box::new(data_path.usage()),
        closing: Box::new(move || plan.closing.store(true, Ordering::Release)),
        tables,
    };
    Ok(data_path.run(|_| serve_both(port, up, clock, setup))?)
}
