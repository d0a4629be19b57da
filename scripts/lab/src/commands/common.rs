//! What several commands share: why a command has no result, and the parsing of a frame size.

use std::io;
use std::path::PathBuf;

use shared::limits::remedy;
use shared::process::exit::Status;
use shared::process::json::JsonError;
use shared::process::output::complain;
use shared::process::parent::EndWithParentError;
use shared::report::RunReport;
use shared::ring::MAX_FRAME;
use shared::units::{Bytes, parse_accepted};

use crate::bench::BenchError;
use crate::count::{CeilingsError, CountError};
use crate::flags::far::FarError;
use crate::flags::foreign::ForeignVariable;
use crate::launch::BinariesError;
use crate::page::ResultsError;
use crate::points::axis::AxisError;
use crate::points::plan::PlanError;
use crate::points::run::MakeError;
use crate::points::store::StoreError;
use crate::points::table::{PointsError, TableError};
use crate::profile::ProfileError;
use crate::replay::FileError;
use crate::report::file::OutError;
use crate::report::svg::ChartError;
use crate::runner::SimulateError;
use crate::runner::full_rate::SMALLEST;
use crate::runner::real::LaunchError;
use crate::runner::sequence::{ClockKind, status_of};
use crate::stress::StressError;
use crate::theory::ParameterError;
use crate::theory::applies::NoFit;
use crate::threshold::{ConditionError, Thresholds};
use crate::tune::TuneError;

/// Why a subcommand has no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A report cannot be shown.
    #[error(transparent)]
    File(#[from] FileError),
    /// The flags of the far host are wrong.
    #[error(transparent)]
    Far(#[from] FarError),
    /// A baseline cannot be read.
    #[error("--baseline {0}")]
    Baseline(#[source] FileError),
    /// A run cannot be repeated.
    #[error("--from {0}")]
    From(#[source] FileError),
    /// A condition of --fail-if cannot be true of the run.
    #[error(transparent)]
    Condition(#[from] ConditionError),
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
    /// A flag has no meaning by the clock of the runs.
    #[error("--{flag} has no meaning in {clock} time; leave it out, or use --clock {}", other(*clock))]
    NoMeaning {
        /// The flag, without dashes.
        flag: String,
        /// The clock.
        clock: ClockKind,
    },
    /// A plan cannot be used.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The policies cannot be compared.
    #[error("--policies: {0}")]
    Policies(#[source] AxisError),
    /// The points cannot be run.
    #[error(transparent)]
    Points(#[from] PointsError),
    /// A table of runs cannot be read.
    #[error("{}: cannot be read ({source}); name a table that lab sweep --dry-run wrote", file.display())]
    TableUnreadable {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// A table of runs cannot be used.
    #[error("{}: {source}", file.display())]
    Table {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        source: TableError,
    },
    /// The results cannot be kept.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The runs of a set were not made, or not kept.
    #[error(transparent)]
    Make(#[from] MakeError),
    /// There is no answer to how deep the ring must be.
    #[error(transparent)]
    Tune(#[from] TuneError),
    /// A variable asks for a file that the command does not write.
    #[error(transparent)]
    Variable(#[from] ForeignVariable),
    /// A load is invalid.
    #[error("--loads: {0}")]
    Load(String),
    /// The runs had different arrivals, so they cannot be compared.
    #[error("the settings saw different arrivals ({0}): the comparison is void, and this is a fault of the program")]
    Arrivals(String),
    /// A benchmark failed.
    #[error(transparent)]
    Bench(#[from] BenchError),
    /// A figure cannot be drawn or written.
    #[error(transparent)]
    Chart(#[from] ChartError),
    /// A file that a flag names cannot be written.
    #[error(transparent)]
    Out(#[from] OutError),
    /// A folder for files cannot be used.
    #[error("--out {}: cannot be used as a folder ({source}); {}", folder.display(),
        remedy(source, "name a folder that exists and is writable, or a path where one can be made"))]
    OutFolder {
        /// The folder.
        folder: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// There is no help of that name.
    #[error("help: {what}; see lab --help for the commands")]
    NoHelp {
        /// The name, and what there is.
        what: String,
    },
    /// There is no manual page of that name.
    #[error("man: {what}")]
    NoPage {
        /// The name, and what there is.
        what: String,
    },
    /// Results cannot be shown.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// Instructions cannot be counted.
    #[error(transparent)]
    Count(#[from] CountError),
    /// A file of ceilings cannot be used.
    #[error(transparent)]
    Ceilings(#[from] CeilingsError),
    /// Another program cannot be started.
    #[error(transparent)]
    EndWithParent(#[from] EndWithParentError),
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
            | Self::Far(_)
            | Self::Baseline(_)
            | Self::From(_)
            | Self::Condition(_)
            | Self::Flag { .. }
            | Self::Variable(_)
            | Self::Load(_)
            | Self::NoMeaning { .. }
            | Self::Plan(_)
            | Self::Policies(_)
            | Self::Points(_)
            | Self::TableUnreadable { .. }
            | Self::NoHelp { .. }
            | Self::NoPage { .. }
            | Self::OutFolder { .. }
            | Self::Results(_)
            | Self::Table { .. }
            | Self::Store(StoreError::Folder { .. } | StoreError::OtherProgram { .. })
            | Self::Make(MakeError::Level(_) | MakeError::Points(_))
            | Self::Count(CountError::Folder(_))
            | Self::Profile(_) => Status::Usage,
            Self::Simulate(error) => status_of(error),
            Self::NoFit(_) | Self::Theory(_) => Status::Usage,
            Self::Launch(error) => error.status(),
            Self::Tune(TuneError::Interrupted) => Status::Interrupted,
            Self::Tune(TuneError::Failed { fault, .. }) => fault.status(),
            Self::Tune(TuneError::Points(_) | TuneError::Setting(_) | TuneError::NothingOffered(_)) => Status::Usage,
            Self::Bench(error) => error.status(),
            Self::Count(CountError::Run(error)) => error.status(),
            Self::Ceilings(_) => Status::Usage,
            Self::Json(error) => error.status(),
            Self::Out(error) | Self::Chart(ChartError::File(error)) => error.status(),
            Self::Binaries(_)
            | Self::Arrivals(_)
            | Self::Chart(ChartError::Draw { .. })
            | Self::Count(_)
            | Self::EndWithParent(_)
            | Self::Stress(_)
            | Self::Store(_)
            | Self::Make(_)
            | Self::Tune(_)
            | Self::System(_) => Status::Failed,
        }
    }
}

/// Prints what makes `report` fail, after `whose`, which is empty or names the run; returns the status that it gives.
pub(super) fn judged(thresholds: &Thresholds, report: &RunReport, whose: &str) -> Status {
    let failures = thresholds.failures(report);
    failures.iter().for_each(|failure| complain(format_args!("lab: {whose}{failure}")));
    if failures.is_empty() { Status::Fine } else { Status::Failed }
}

/// Prints the warnings of a run that --quiet leaves no other place, and what failed in it.
pub(super) fn shortcomings(report: &RunReport, whose: &str) {
    report.shortcomings().iter().for_each(|line| complain(format_args!("lab: {whose}{line}")));
}

/// The clock by which a flag has a meaning that it has not by `clock`.
fn other(clock: ClockKind) -> ClockKind {
    match clock {
        ClockKind::Real => ClockKind::Virtual,
        ClockKind::Virtual => ClockKind::Real,
    }
}

/// A tokio runtime on this thread, for sockets, signals and child processes.
pub(super) fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

/// Parses the size of a frame that holds at least one byte of payload.
pub(super) fn frame_size(text: &str) -> Result<Bytes, String> {
    parse_accepted(text, |size: &Bytes| (SMALLEST..=MAX_FRAME as u64).contains(&size.0), "use a frame of 64B to 1514B")
}
