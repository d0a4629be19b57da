//! Builds scenarios from flags.

use clap::{CommandFactory, FromArgMatches};
use driver::settings::Settings as DriverArgs;
use lab::simulate::{Only, Scenario};
use netstack::process::Args as StackArgs;
use shared::units::Nanos;

/// The scenario of `flags`, such as `depth=8`; each process gets those that it has.
pub(crate) fn scenario(flags: &[impl AsRef<str>], stack_cost: Nanos) -> Scenario {
    let flags: Vec<&str> = flags.iter().map(AsRef::as_ref).collect();
    let only = Only { stack_cost, warmup: Some(Nanos::ZERO), ..Only::default() };
    let scenario = Scenario { stack: side::<StackArgs>(&flags), driver: side::<DriverArgs>(&flags), only };
    let known = |flag: &&str| [StackArgs::command(), DriverArgs::command()].iter().any(|side| has_flag(side, flag));
    assert!(flags.iter().all(known), "{flags:?}");
    scenario
}

fn side<S: CommandFactory + FromArgMatches>(flags: &[&str]) -> S {
    let command = S::command().no_binary_name(true);
    let own: Vec<_> = flags.iter().filter(|flag| has_flag(&command, flag)).map(|flag| format!("--{flag}")).collect();
    let parsed = command.try_get_matches_from(own).and_then(|matches| S::from_arg_matches(&matches));
    parsed.unwrap_or_else(|error| panic!("{error}"))
}

fn has_flag(command: &clap::Command, flag: &str) -> bool {
    let name = flag.split('=').next();
    command.get_arguments().any(|arg| arg.get_long() == name)
}
