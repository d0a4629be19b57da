//! One file per subcommand: what it asks of the other rooms, and what it says to people.

mod bench;
mod compare;
mod count;
mod dispatch;
mod predict;
mod report;
mod run;
mod simulate;
mod theory;

pub(crate) use bench::{BenchArgs, PeerArgs, PeerRole};
pub(crate) use compare::CompareArgs;
pub(crate) use count::CountArgs;
pub(crate) use dispatch::DispatchArgs;
pub(crate) use predict::PredictArgs;
pub(crate) use report::ReportArgs;
pub(crate) use run::RunArgs;
pub(crate) use simulate::SimulateArgs;
pub(crate) use theory::TheoryArgs;

use std::env;
use std::io;

use clap::CommandFactory;
use lab::simulate::SimulateError;
use lab::theory::ParameterError;
use lab::theory::applies::NoFit;
use shared::exec::Halted;
use shared::exit::{Status, complain};
use shared::output::is_unread;
use shared::parent::BoundError;
use shared::report::JsonError;

use crate::bench::BenchError;
use crate::chart::ChartError;
use crate::cli::{Cli, Command};
use crate::flags::Given;
use crate::foreign::{self, ForeignVariable};
use crate::instructions::{CeilingsError, CountError};
use crate::launch::{BinariesError, LaunchError};
use crate::profile::ProfileError;
use crate::replay::FileError;

/// Why a subcommand has nothing to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A report cannot be shown.
    #[error(transparent)]
    File(#[from] FileError),
    /// A run cannot be repeated.
    #[error("--from {0}")]
    From(#[source] FileError),
    /// Nowhere to write to.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// No programs.
    #[error(transparent)]
    Binaries(#[from] BinariesError),
    /// No profile.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// No run.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// No simulated run.
    #[error(transparent)]
    Simulate(#[from] SimulateError),
    /// Nothing to hold a run against.
    #[error(transparent)]
    NoFit(#[from] NoFit),
    /// A model without figures.
    #[error(transparent)]
    Theory(#[from] ParameterError),
    /// A flag that makes no sense here.
    #[error("--{flag}: {remedy}; see lab --help")]
    Flag {
        /// The flag, without dashes.
        flag: &'static str,
        /// What to do instead.
        remedy: &'static str,
    },
    /// A variable that asks for what the command cannot do.
    #[error(transparent)]
    Variable(#[from] ForeignVariable),
    /// A load that no app can have.
    #[error("--loads: {0}")]
    Load(String),
    /// The runs cannot be compared.
    #[error("the policies saw different arrivals ({0}): the comparison is void, and this is a fault of the program")]
    Arrivals(String),
    /// No measurement.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// No figure of it.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// No count.
    #[error(transparent)]
    Count(#[from] CountError),
    /// Nothing to hold a count against.
    #[error(transparent)]
    Ceilings(#[from] CeilingsError),
    /// A program of others does not start.
    #[error(transparent)]
    Bound(#[from] BoundError),
    /// The machine refused something that every run needs.
    #[error("the system gives the lab what it needs no more: {0}")]
    System(#[from] io::Error),
}

impl Failure {
    /// What the lab exits with.
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
            | Self::System(_) => Status::Failed,
        }
    }
}

/// Does what `cli` asks for.
///
/// # Errors
/// If there is nothing to show.
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
        Command::Report(args) => report::main(args),
    }
}

/// The runtime that carries sockets, signals and child processes.
fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}
