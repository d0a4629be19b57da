//! Builds the settings of a run from flags.

use clap::{CommandFactory, FromArgMatches};
use driver::settings::Settings as DriverArgs;
use lab::settings::{RunSettings, SimulationSettings};
use netstack::process::Args as StackArgs;
use shared::units::Nanos;

/// The settings that `flags` set, such as `depth=8`; each process gets those that it has.
pub(crate) fn settings_of(flags: &[impl AsRef<str>], stack_cost: Nanos) -> RunSettings {
    let flags: Vec<&str> = flags.iter().map(AsRef::as_ref).collect();
    let simulation = SimulationSettings { stack_cost, warmup: Some(Nanos::ZERO), ..SimulationSettings::default() };
    let settings =
        RunSettings { netstack: side::<StackArgs>(&flags), driver: side::<DriverArgs>(&flags), simulation, far: None };
    let known = |flag: &&str| [StackArgs::command(), DriverArgs::command()].iter().any(|side| has_flag(side, flag));
    assert!(flags.iter().all(known), "{flags:?}");
    settings
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
