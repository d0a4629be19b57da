//! `--pin`: whether the lab restricts both processes to a CPU each.

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
    /// Restrict stack and driver to a CPU each (auto), or leave both to the scheduler (none).
    #[arg(long, env = "PUSHBACK_PIN", value_name = "MODE", value_enum, default_value_t = Pin::None)]
    pub(crate) pin: Pin,
}

/// The flag of a command that measures.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct MeasuredPinning {
    /// Restrict both processes to a CPU each (auto), or leave both to the scheduler (none).
    #[arg(long, value_name = "MODE", value_enum, default_value_t = Pin::Auto)]
    pub(crate) pin: Pin,
}
