//! The driver's front: it listens, greets, refuses, and serves one session after the other.
//!
//! All of it runs on a runtime in the main thread, beside the data path and never inside it: a silent client keeps no
//! other client waiting, and a client that connects while another is served is refused at once.

mod address;
mod data;
mod desk;
mod greeting;
mod log;
mod visits;

pub use address::ListenError;
pub use data::SessionError;

use std::io;

use shared::process::exit::Status;
use shared::process::json::{JsonError, JsonTarget};

use crate::backend::CaptureError;
use crate::settings::{Settings, SettingsError};
use desk::Desk;
use log::Log;

/// Why a driver cannot do what it was asked to.
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
    /// A signal came before the driver was ready.
    #[error("interrupted before the driver was ready: the named pipe of --pcap has no reader")]
    Interrupted,
    /// The system has no signals, timers or descriptors left.
    #[error("out of system resources ({0}); end other programs and start the driver again")]
    System(#[source] io::Error),
}

impl RunError {
    /// What the process exits with.
    pub fn status(&self) -> Status {
        match self {
            Self::Interrupted => Status::Interrupted,
            Self::Json(JsonError::Write { .. }) | Self::Session(_) | Self::System(_) => Status::Failed,
            Self::Json(JsonError::Unread { .. }) => Status::Interrupted,
            // What keeps a driver from listening is a matter of its flags and of the place that they name.
            Self::Settings(_) | Self::Json(JsonError::Open { .. }) | Self::Capture(_) | Self::Listen(_) => {
                Status::Usage
            }
        }
    }
}

/// Listens and serves until a signal comes, or with `--once` until the first session is over.
///
/// # Errors
/// [`RunError`], for a person to read.
pub fn run(settings: &Settings) -> Result<Status, RunError> {
    let hardware = settings.hardware()?;
    // Before anything else: a report that cannot be written is known at the start, not at the end.
    let json = settings.output.json.as_ref().map(JsonTarget::open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::System)?;
    let mut log = Log::new(json);
    let desk = runtime.block_on(async { Desk::open(settings, hardware).await })?;
    let worked = runtime.block_on(desk.work(&mut log));
    // Whatever ended it, what the sessions before left behind is written.
    let written = log.close(settings);
    let (ended, failed) = worked.map_or_else(|error| (Status::Fine, Err(error)), |status| (status, Ok(())));
    let status = log.judge(ended).after("driver", failed, RunError::status);
    Ok(status.after("driver", written.map_err(RunError::from), RunError::status))
}
