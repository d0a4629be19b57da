//! Why there is no measurement.

use std::io;

use shared::exit::Status;

use crate::launch::{FolderError, LaunchError};

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A benchmark that nobody waited for.
    #[error("interrupted before everybody was measured; there are no figures")]
    Interrupted,
    /// Our own programs do not run.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// Our own programs ran, but what they did is not what is measured.
    #[error("no benchmark: a run of the stack lost packets or did not end well")]
    Lost,
    /// Another contestant's do not.
    #[error("no benchmark: {name} {problem}")]
    Peer {
        /// Whose.
        name: &'static str,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// No place for what a peer writes.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The machine refused something that every measurement needs.
    #[error("the system gives the lab what it needs no more: {0}")]
    System(#[from] io::Error),
}

impl BenchError {
    /// What the lab exits with.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Interrupted => Status::Interrupted,
            Self::Launch(error) => error.status(),
            Self::Folder(_) => Status::Usage,
            Self::Lost | Self::Peer { .. } | Self::System(_) => Status::Failed,
        }
    }
}
