//! The listener: it greets clients, refuses those that it cannot serve, and serves one session after the other.
//!
//! ```text
//!  address      the socket file
//!  accept_loop  decides which client is greeted, which one is served, and when the driver ends
//!  clients      the clients that are being greeted or refused: a bounded number
//!  greeting     what a client asks for, what it is granted, and how it is refused
//!  running      the session that is being served
//!  data         the thread of that session
//!  log          lines for people, and the report of the driver
//! ```
//!
//! All of it but `data` runs as tasks in the main thread. So a silent client keeps no other client waiting, and a
//! client that connects during a session is refused at once.

mod accept_loop;
mod address;
mod clients;
mod data;
mod greeting;
mod log;
mod running;

pub use address::ListenError;
pub use data::SessionError;

use std::io;

use shared::process::exit::Status;
use shared::process::json::{JsonError, JsonTarget};
use shared::process::output::complain;
use shared::process::peers::AllowedUsers;

use crate::backend::{AnyBackend, BackendChoice, CaptureError, Tap, TapError, Wire, WireError, drop_capabilities};
use crate::settings::{Settings, SettingsError};
use accept_loop::AcceptLoop;
use log::Log;

/// Why a driver fails.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Flags contradict each other.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The report cannot be written.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The capture cannot be written.
    #[error(transparent)]
    Capture(#[from] CaptureError),
    /// The driver cannot listen at --socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A session failed for a reason of the driver's own.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The TAP interface cannot be used.
    #[error(transparent)]
    Tap(#[from] TapError),
    /// The wire cannot be joined.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The backend can be used no longer.
    #[error("--backend: {0}; start the driver again when it can be used")]
    Backend(String),
    /// A signal came before the driver was ready.
    #[error("interrupted before the driver was ready: the named pipe of --pcap has no reader")]
    Interrupted,
    /// The system has no signals, timers or descriptors left.
    #[error("out of system resources ({0}); end other programs and start the driver again")]
    System(#[source] io::Error),
}

impl RunError {
    /// The exit status of the process.
    pub fn status(&self) -> Status {
        match self {
            Self::Interrupted => Status::Interrupted,
            Self::Json(error) => error.status(),
            Self::Session(_) | Self::System(_) | Self::Backend(_) => Status::Failed,
            // A driver cannot listen because of its flags, or of the path that they name.
            Self::Settings(_) | Self::Capture(_) | Self::Listen(_) | Self::Tap(_) | Self::Wire(_) => Status::Usage,
        }
    }
}

/// Listens and serves until a signal comes, or with `--once` until the first session is over. Returns the exit status.
///
/// # Errors
/// [`RunError`], whose message is for the user.
pub fn run(settings: &Settings) -> Result<Status, RunError> {
    let hardware = settings.hardware()?;
    // Opened first: if the report cannot be written, the user learns it at the start, not at the end.
    let json = settings.output.json.as_ref().map(JsonTarget::open).transpose()?;
    // Before any thread is started, because each keeps the rights that it starts with.
    let backend = open_backend(settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::System)?;
    let mut log = Log::new(json, settings.quiet);
    let accept_loop = runtime.block_on(AcceptLoop::listen(settings, hardware, backend))?;
    let ran = runtime.block_on(accept_loop.run(&mut log));
    // Also after an error: the log has the sessions before it.
    let written = log.close(settings);
    let (ended, failed) = ran.map_or_else(|error| (Status::Fine, Err(error)), |status| (status, Ok(())));
    let status = log.judge(ended).after("driver", failed, RunError::status);
    Ok(status.after("driver", written.map_err(RunError::from), RunError::status))
}

/// Opens the backend that `--backend` names; `None` is the model.
fn open_backend(settings: &Settings) -> Result<Option<Box<dyn AnyBackend>>, RunError> {
    Ok(match &settings.backend.backend {
        BackendChoice::Model => None,
        BackendChoice::Tap(name) => {
            let tap = Tap::open(name)?;
            // The rest needs no right: the files of the report are open.
            drop_capabilities().map_err(RunError::System)?;
            if let Some(why) = tap.is_down() {
                complain(format_args!("driver: warning: {why}"));
            }
            Some(Box::new(tap))
        }
        BackendChoice::Wire(path) => Some(Box::new(Wire::join(path, AllowedUsers::of(&settings.endpoint.allow_uid))?)),
    })
}
