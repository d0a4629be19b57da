//! What a person may ask of the lab.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use driver::settings::{DriverSettings, Settings as DriverArgs};
use netstack::process::Args as StackArgs;
use netstack::settings::StackSettings;
use netstack::stack::Policy;
use shared::settings::Common;

use crate::commands::{SimulateArgs, TheoryArgs};

/// Runs both processes of Pushback, the stack and the driver, and reports.
#[derive(Debug, Parser)]
#[command(name = "lab", version, subcommand_required = true, arg_required_else_help = false)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// One run of both processes, with their reports merged into one.
    Run(RunArgs),
    /// The same traffic through several policies, side by side.
    Compare(CompareArgs),
    /// The same run in virtual time, in this process: exact, and in a fraction of the time.
    Simulate(Box<SimulateArgs>),
    /// What queueing theory says, without a run.
    Theory(TheoryArgs),
    /// Shows reports that were written with --json, one line each.
    Report(ReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// Repeat the run that this report is of; - reads it from standard input.
    ///
    /// Flags on the command line win over the report. Environment variables do not: the report has
    /// every setting.
    #[arg(long, value_name = "FILE|-")]
    pub(crate) from: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// The policies, in the order of the table.
    #[arg(
        long,
        value_name = "POLICY,...",
        value_delimiter = ',',
        default_values = ["wait", "drop-newest", "drop-oldest", "deadline=5ms"]
    )]
    pub(crate) policies: Vec<Policy>,

    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Reports of `lab run` or `lab compare`; - reads one from standard input.
    #[arg(required = true, value_name = "FILE|-")]
    pub(crate) files: Vec<PathBuf>,

    /// How to show them.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: Format,
}

/// How reports are shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A table for people, which is also Markdown.
    #[default]
    Table,
    /// Every figure, exact, for programs.
    Csv,
}

/// The flags of both processes. What both take, both get.
#[derive(Debug, Clone, Args)]
pub(crate) struct Flags {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(flatten)]
    pub(crate) stack: StackSettings,
    #[command(flatten)]
    pub(crate) driver: DriverSettings,
}

/// What each process is started with.
#[derive(Debug, Clone)]
pub(crate) struct Sides {
    pub(crate) stack: StackArgs,
    pub(crate) driver: DriverArgs,
}

impl Flags {
    /// Gives each process what it takes.
    pub(crate) fn sides(&self) -> Sides {
        Sides {
            stack: StackArgs { common: self.common.clone(), stack: self.stack.clone() },
            driver: DriverArgs { common: self.common.clone(), driver: self.driver.clone() },
        }
    }
}
