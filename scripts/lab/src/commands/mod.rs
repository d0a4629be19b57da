//! One module per subcommand: its flags, what it runs, and what it prints.

mod bench;
mod compare;
mod count;
mod dispatch;
mod predict;
mod report;
mod run;
mod simulate;
mod stress;
mod theory;

pub(crate) use bench::{BenchArgs, PeerArgs, PeerRole};
pub(crate) use compare::CompareArgs;
pub(crate) use count::CountArgs;
pub(crate) use dispatch::DispatchArgs;
pub(crate) use predict::PredictArgs;
pub(crate) use report::ReportArgs;
pub(crate) use run::RunArgs;
pub(crate) use simulate::SimulateArgs;
pub(crate) use stress::StressArgs;
pub(crate) use theory::TheoryArgs;

use std::env;
use std::io;

use clap::CommandFactory;
use lab::simulate::SimulateError;
use lab::theory::ParameterError;
use lab::theory::applies::NoFit;
use shared::exec::Halted;
use shared::process::exit::Status;
use shared::process::json::JsonError;
use shared::process::output::{complain, is_unread};
use shared::process::parent::BoundError;

use crate::bench::BenchError;
use crate::chart::ChartError;
use crate::cli::{Cli, Command};
use crate::flags::Given;
use crate::foreign::{self, ForeignVariable};
use crate::instructions::{CeilingsError, CountError};
use crate::launch::{BinariesError, LaunchError};
use crate::profile::ProfileError;
use crate::replay::FileError;
use crate::stress::StressError;

/// Why a subcommand has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A report cannot be shown.
    #[error(transparent)]
    File(#[from] FileError),
    /// A run cannot be repeated.
    #[error("--from {0}")]
    From(#[source] FileError),
    /// A file for JSON cannot be written.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The programs were not found.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// A run cannot be profiled.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A run did not start.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// A run cannot be simulated.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// No model fits the settings of the run.
    #[error(transparent)]
    NoFit(#[from] NoFit),
    /// A parameter of a model is invalid.
    #[error(transparent)]
    Theory(#[from] ParameterError),
    /// A flag is missing or does not apply.
    #[error("--{flag}: {remedy}; see lab --help")]
    Flag {
        /// The flag, without dashes.
        flag: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A variable asks for a file that the command does not write.
    #[error(transparent)]
    Variable(#[from] ForeignVariable),
    /// A load is invalid.
    #[error("--loads: {0}")]
    Load(String),
    /// The runs had different arrivals, so they cannot be compared.
    #[error("the policies saw different arrivals ({0}): the comparison is void, and this is a fault of the program")]
    Arrivals(String),
    /// A benchmark failed.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A figure cannot be drawn or written.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// Instructions cannot be counted.
    #[error(transparent)]
    Count(#[from] CountError),
    /// A file of ceilings cannot be used.
    #[error(transparent)]
    Ceilings(#[from] CeilingsError),
    /// Another program cannot be started.
    #[error(transparent)]
    Bound(#[from] BoundError),
    /// A stress test cannot run.
    #[error(transparent)]
    Stress(#[from] StressError),
    /// The system has no resources left.
    #[error("out of system resources: {0}")]
    System(#[from] io::Error),
}

impl Failure {
    /// The exit status of the lab.
    pub(crate) fn status(&self) -> Status {
        match self {
            Self::File(_)
            | Self::From(_)
            | Self::Json(JsonError::Open { .. })
            | Self::Flag { .. }
            | Self::Variable(_)
            | Self::Load(_)
            | Self::Chart(ChartError::Open { .. })
            | Self::Count(CountError::Folder(_))
            | Self::Profile(_) => Status::Usage,
            Self::Simulate(SimulateError::Halted(Halted::Stalled) | SimulateError::Memory(_)) => Status::Failed,
            Self::Simulate(_) | Self::NoFit(_) | Self::Theory(_) => Status::Usage,
            Self::Launch(error) => error.status(),
            Self::Bench(error) | Self::Count(CountError::Run(error)) => error.status(),
            Self::Ceilings(_) => Status::Usage,
            Self::Json(JsonError::Unread { .. }) => Status::Interrupted,
            Self::Chart(ChartError::Write { source, .. }) if is_unread(source) => Status::Interrupted,
            Self::Json(JsonError::Write { .. })
            | Self::Binaries(_)
            | Self::Arrivals(_)
            | Self::Chart(_)
            | Self::Count(_)
            | Self::Bound(_)
            | Self::Stress(_)
            | Self::System(_) => Status::Failed,
        }
    }
}

/// Runs the subcommand of `cli`.
///
/// # Errors
/// If the subcommand has no result.
pub(crate) fn dispatch(cli: &Cli) -> Result<Status, Failure> {
    let given = Given::here(Cli::command());
    for warning in foreign::variables(&given.words, |name| env::var_os(name).is_some())? {
        complain(format_args!("lab: warning: {warning}"));
    }
    match &cli.command {
        Command::Run(args) => run::main(args, &given),
        Command::Compare(args) => compare::main(args),
        Command::Bench(args) => bench::main(args),
        Command::Count(args) => count::main(args),
        Command::Dispatch(args) => dispatch::main(args),
        Command::Predict(args) => predict::main(args),
        Command::Peer(args) => bench::peer(args),
        Command::EndWithParent(program) => Err(program.exec().into()),
        Command::Simulate(args) => simulate::main(args, &given),
        Command::Theory(args) => theory::main(args),
        Command::Stress(args) => stress::main(args),
        Command::Report(args) => report::main(args),
    }
}

/// A tokio runtime on this thread, for sockets, signals and child processes.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
