//! `--pin`: whether the lab restricts both processes to a CPU each.

use shared::process::help::RARE;

use super::process::CpuPair;

/// Who chooses the CPUs on which both processes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Pin {
    /// The lab: each process has its own CPU, if there are two.
    Auto,
    /// The scheduler of the system.
    None,
}

impl Pin {
    /// The CPUs to restrict both processes to.
    pub(crate) fn cpus(self) -> Option<CpuPair> {
        match self {
            Self::Auto => CpuPair::here(),
            Self::None => None,
        }
    }

    /// The CPU to restrict both processes to, to count instructions.
    pub(crate) fn shared_cpu(self) -> Option<CpuPair> {
        match self {
            Self::Auto => CpuPair::shared(),
            Self::None => None,
        }
    }
}

/// The flag of a command that runs both processes as a user would.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Pinning {
    /// Whether each process gets a CPU of its own.
    ///
    /// auto restricts stack and driver to a CPU each, none leaves both to the scheduler.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_PIN", value_name = "MODE", value_enum, default_value_t = Pin::None)]
    pub(crate) pin: Pin,
}

/// The flag of a command that measures.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct MeasuredPinning {
    /// Whether each process gets a CPU of its own.
    ///
    /// auto restricts both processes to a CPU each, none leaves both to the scheduler.
    #[arg(long, help_heading = RARE, value_name = "MODE", value_enum, default_value_t = Pin::Auto)]
    pub(crate) pin: Pin,
}
