//! The data path of a session: a thread of its own, with nothing of the runtime in it.

use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::thread;

use shared::exec::{
    Clock, Halted, IdleMode, Interrupt, RealPark, Source, StopHandle, monotonic_now, process_cpu_time, run,
};
use shared::report::ProcessReport;
use shared::ring::shm::{SharedMemory, ShmConsumer};
use shared::ring::socket::SocketConsumer;
use shared::ring::{ConsumerPort, Depth};
use tokio::sync::oneshot;

use crate::backend::Output;
use crate::hardware::Config;
use crate::session::{Dma, Served, Setup, serve};

/// What a session needs to know, in a form that crosses threads.
pub(super) struct Plan {
    pub(super) generation: u64,
    pub(super) depth: Depth,
    /// Slots that the stack waits for once its ring was full.
    pub(super) wake_point: u32,
    /// Where the ring lies; `None` if it travels over the socket.
    pub(super) memory: Option<SharedMemory>,
    pub(super) hardware: Config,
    pub(super) dma: Dma,
    pub(super) verify: bool,
    pub(super) idle: IdleMode,
    pub(super) output: Output,
    pub(super) stop: StopHandle,
}

/// The driver itself failed in the middle of a session.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The thread did not start.
    #[error("no thread for a session ({0}); end other programs and start the driver again")]
    Thread(#[source] io::Error),
    /// The socket is not what it should be.
    #[error("the connection cannot carry a session: {0}")]
    Socket(#[source] io::Error),
    /// Nothing can happen any more.
    #[error(transparent)]
    Halted(#[from] Halted),
    /// The thread ended without a result.
    #[error("a session ended without a result; this is a fault of the program")]
    Vanished,
}

/// Serves a session on `stream`, which is past the greeting, and waits for its end.
///
/// # Errors
/// [`SessionError`], after which the driver cannot go on.
pub(super) async fn session(stream: OwnedFd, plan: Plan) -> Result<Served<Output>, SessionError> {
    let (tell, told) = oneshot::channel();
    let work = move || {
        // Nobody listens any more if the driver is about to exit.
        let _ = tell.send(work(stream, plan));
    };
    thread::Builder::new().name("session".to_owned()).spawn(work).map_err(SessionError::Thread)?;
    told.await.map_err(|_| SessionError::Vanished)?
}

fn work(stream: OwnedFd, mut plan: Plan) -> Result<Served<Output>, SessionError> {
    match plan.memory.take() {
        Some(memory) => serve_on(ShmConsumer::new(stream, memory).map_err(SessionError::Socket)?, plan),
        None => serve_on(SocketConsumer::new(stream, plan.depth, plan.wake_point).map_err(SessionError::Socket)?, plan),
    }
}

fn serve_on(port: impl ConsumerPort + Source + 'static, plan: Plan) -> Result<Served<Output>, SessionError> {
    let port = Rc::new(port);
    let interrupt = Rc::new(Interrupt::by(plan.stop));
    let park = RealPark::new(Rc::clone(&port), Rc::clone(&interrupt), plan.idle);
    let (idle, began) = (park.stats(), process_cpu_time());
    let counted = Rc::clone(&port);
    let usage = move || ProcessReport {
        cpu_ns: process_cpu_time().since(began).0,
        idle: idle.get(),
        doorbells: counted.doorbells(),
    };
    let setup = Setup {
        generation: plan.generation,
        depth: plan.depth,
        hardware: plan.hardware,
        dma: plan.dma,
        verify: plan.verify,
        backend: plan.output,
        interrupt,
        usage: Box::new(usage),
    };
    let clock = Clock::starting_at(monotonic_now());
    let inner = clock.clone();
    Ok(run(&clock, park, |_| serve(port, inner, setup))?)
}
