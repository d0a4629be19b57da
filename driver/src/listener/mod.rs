//! The driver's front: it listens, greets, refuses, and serves one session after the other.
//!
//! All of it runs on a runtime in the main thread, beside the data path and never inside it: a
//! client that says nothing keeps nobody waiting, and one that comes while another is served hears
//! so at once.

mod address;
mod data;
mod desk;
mod greeting;

pub use address::ListenError;
pub use data::SessionError;

use std::io;

use shared::report::{DRIVER_SCHEMA, DriverFile, JsonError, JsonTarget};

use crate::backend::CaptureError;
use crate::settings::{Settings, SettingsError};
use desk::Desk;

/// How a driver ends that did what it was asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The one session that it was to serve is over.
    Finished,
    /// That session's stack failed.
    PeerFailed,
    /// Counters that must agree do not.
    Unbalanced,
    /// A signal ended it.
    Interrupted,
}

impl Outcome {
    /// The status to exit with.
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Finished => 0,
            Self::PeerFailed => 3,
            Self::Unbalanced => 4,
            Self::Interrupted => 130,
        }
    }
}

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
    /// Nobody can listen there.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A session failed for a reason of the driver's own.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The system has no signals, timers or descriptors left.
    #[error("the system gives the driver what it needs no more ({0}); end other programs and start it again")]
    System(#[source] io::Error),
}

/// Listens and serves until a signal comes, or with `--once` until the first session is over.
///
/// # Errors
/// [`RunError`], for a person to read.
pub fn run(settings: &Settings) -> Result<Outcome, RunError> {
    let hardware = settings.driver.hardware(settings.common.seed)?;
    // Whoever waits for a report wants to know at once that there will be none.
    let json = settings.common.json.as_ref().map(JsonTarget::open).transpose()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RunError::System)?;
    let (outcome, sessions) = runtime.block_on(async { Desk::open(settings, hardware)?.work().await })?;
    if let Some(json) = json {
        let config = serde_json::to_value(settings).unwrap_or_default();
        json.write(&DriverFile { schema: DRIVER_SCHEMA.to_owned(), config, sessions })?;
    }
    Ok(outcome)
}
