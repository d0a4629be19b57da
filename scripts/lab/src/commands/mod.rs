//! The commands of the lab: one module for each, with its flags, what it runs, and what it prints.

mod base;
mod bench;
mod check;
mod common;
mod compare;
mod completions;
mod count;
mod dispatch;
mod help;
mod man;
mod measure;
mod point;
mod predict;
mod report;
mod run;
mod simulate;
mod stress;
mod sweep;
mod theory;
mod tune;

use std::env;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use shared::process::exit::Status;
use shared::process::help::examples;
use shared::process::output::complain;
use shared::process::parent::EndWithParent;
use shared::process::start::run_main;

use crate::bench::{PeerArgs, act};
use crate::flags::Given;
use crate::flags::foreign;
use common::Failure;
#[cfg(test)]
pub(crate) use predict::Confirmed;

/// Runs both processes of Pushback, the stack and the driver, and reports.
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    version,
    subcommand_required = true,
    arg_required_else_help = false,
    disable_help_subcommand = true,
    after_help = help::end_of_lab(&examples([
        ("Both processes for a second, and one report", "lab run --duration 1s"),
        ("What each policy loses and delays, in virtual time", "lab compare --app cbr:load=2 --packets 2000"),
        ("How deep must the ring be?", "lab tune --min-goodput 900Mbit --policy wait --duration 100ms --no-confirm"),
    ]))
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One run of both processes, with their reports merged into one.
    Run(Box<run::RunArgs>),
    /// The same traffic under several policies, depths or other settings, side by side, and which of them is best.
    Compare(Box<compare::CompareArgs>),
    /// Packets per second between two processes, beside those of other programs measured in the same run.
    Bench(bench::BenchArgs),
    /// Instructions per packet of both processes, counted by valgrind.
    Count(count::CountArgs),
    /// The cost of each way to call the layers: the same stack with and without futures, boxes and trait objects.
    Dispatch(dispatch::DispatchArgs),
    /// One of the two processes of a program that a benchmark measures beside the stack.
    #[command(hide = true)]
    Peer(PeerArgs),
    /// Starts another program, and ends it when the lab ends.
    #[command(hide = true)]
    EndWithParent(EndWithParent),
    /// The same run in virtual time, in this process: exact, and in a fraction of the time.
    Simulate(Box<simulate::SimulateArgs>),
    /// Every combination of settings, with several seeds each: estimates with intervals, in a folder that resumes.
    Sweep(Box<sweep::SweepArgs>),
    /// How deep the ring must be to meet limits on loss, latency and rate, and what waiting gives instead.
    Tune(Box<tune::TuneArgs>),
    /// One run of the table that lab sweep --dry-run wrote.
    Point(point::PointArgs),
    /// A grid of settings in virtual and in real time: does each run agree with its simulation?
    Predict(predict::PredictArgs),
    /// What queueing theory predicts, without a run.
    Theory(theory::TheoryArgs),
    /// Starts and kills the processes thousands of times, and checks what each leaves behind
    Stress(stress::StressArgs),
    /// New runs beside those of a baseline: which figures are worse, better or the same within noise?
    Check(check::CheckArgs),
    /// Shows the results of a sweep, or reports: as a table, as CSV, as a page with figures.
    Report(report::ReportArgs),
    /// Manual pages of all programs and commands.
    Man(man::ManArgs),
    /// A script that lets a shell complete flags, and kinds and keys of apps.
    Completions(completions::CompletionsArgs),
    /// The help of a command, or about a topic: app, policy, units, report, exit.
    Help(help::HelpArgs),
}

/// Runs the command that the process was started with; returns its exit status.
pub fn main() -> ExitCode {
    run_main("lab", run_command, Failure::status, |error| foreign::tip(&Cli::command(), error))
}

fn run_command(cli: &Cli) -> Result<Status, Failure> {
    let given = Given::here(Cli::command());
    for warning in foreign::variables(&Cli::command(), &given.words, |name| env::var_os(name).is_some())? {
        complain(format_args!("lab: warning: {warning}"));
    }
    match &cli.command {
        Command::Run(args) => run::main(args, &given),
        Command::Compare(args) => compare::main(args, &given),
        Command::Bench(args) => bench::main(args),
        Command::Count(args) => count::main(args),
        Command::Dispatch(args) => dispatch::main(args),
        Command::Predict(args) => predict::main(args),
        Command::Peer(args) => Ok(act(args).map(|()| Status::Fine)?),
        Command::EndWithParent(program) => Err(program.exec().into()),
        Command::Simulate(args) => simulate::main(args, &given),
        Command::Sweep(args) => sweep::main(args, &given),
        Command::Tune(args) => tune::main(args, &given),
        Command::Point(args) => point::main(args, &given),
        Command::Theory(args) => theory::main(args),
        Command::Stress(args) => stress::main(args),
        Command::Check(args) => check::main(args),
        Command::Report(args) => report::main(args),
        Command::Man(args) => man::main(args, Cli::command()),
        Command::Completions(args) => completions::main(args, Cli::command()),
        Command::Help(args) => help::main(args, Cli::command()),
    }
}
