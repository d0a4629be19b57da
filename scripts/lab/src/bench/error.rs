//! Why there is no measurement.

use std::io;

use shared::process::exit::Status;

use crate::launch::{FolderError, LaunchError};

/// Why there is no measurement.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    /// A signal ended the benchmark.
    #[error("interrupted before all contestants were measured; there are no figures")]
    Interrupted,
    /// The stack and the driver cannot be started.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The stack and the driver ran, but the run cannot be used.
    #[error("no benchmark: a run of the stack lost packets or did not end well")]
    Lost,
    /// Another contestant failed.
    #[error("no benchmark: {name} {problem}")]
    Peer {
        /// Its name.
        name: &'static str,
        /// What is wrong, and the remedy.
        problem: String,
    },
    /// There is no folder for the files of a contestant.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The system has no resources left for the measurement.
    #[error("out of system resources: {0}")]
    System(#[from] io::Error),
}

impl BenchError {
    /// The exit status of the lab.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::Interrupted => Status::Interrupted,
            Self::Launch(error) => error.status(),
            Self::Folder(_) => Status::Usage,
            Self::Lost | Self::Peer { .. } | Self::System(_) => Status::Failed,
        }
    }
}
