//! Reading the flags of a program, and their twins in the environment.
//!
//! The command line wins over the environment; in particular, if a flag on it excludes another one, the variable of
//! that one is ignored. In the environment a switch takes `1`, `0`, `true` and `false`.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};

use crate::process::help::arranged;
use crate::process::output::harmless;
use crate::units::nearest;

/// Every variable that one of the programs reads. A test of the lab, which has all flags, compares this list with them.
pub const VARIABLES: &[&str] = &[
    "PUSHBACK_ADDRESS",
    "PUSHBACK_ALLOW_UID",
    "PUSHBACK_APP",
    "PUSHBACK_ASSERT_THEORY",
    "PUSHBACK_BACKEND",
    "PUSHBACK_BIN_DIR",
    "PUSHBACK_CLOCK",
    "PUSHBACK_COALESCE",
    "PUSHBACK_CONNECT_TIMEOUT",
    "PUSHBACK_DEPTH",
    "PUSHBACK_DISPATCH",
    "PUSHBACK_DMA",
    "PUSHBACK_DRAIN_TIMEOUT",
    "PUSHBACK_DURATION",
    "PUSHBACK_END_WITH_STDIN",
    "PUSHBACK_EXHAUSTIVE",
    "PUSHBACK_FAIL_IF",
    "PUSHBACK_GATEWAY",
    "PUSHBACK_HW_QUEUE",
    "PUSHBACK_IDLE",
    "PUSHBACK_IDLE_TIMEOUT",
    "PUSHBACK_INTERVAL",
    "PUSHBACK_JOBS",
    "PUSHBACK_JSON",
    "PUSHBACK_JSON_STREAM",
    "PUSHBACK_LATENCY",
    "PUSHBACK_LEVEL",
    "PUSHBACK_LINK",
    "PUSHBACK_MAX_DEPTH",
    "PUSHBACK_MAX_LOSS",
    "PUSHBACK_MAX_P99",
    "PUSHBACK_MAX_REPLICATIONS",
    "PUSHBACK_MAX_SOJOURN_P99",
    "PUSHBACK_MIN_GOODPUT",
    "PUSHBACK_NEIGHBOUR",
    "PUSHBACK_NO_CONFIRM",
    "PUSHBACK_ONCE",
    "PUSHBACK_OUT",
    "PUSHBACK_PACKETS",
    "PUSHBACK_PCAP",
    "PUSHBACK_PIN",
    "PUSHBACK_POLICY",
    "PUSHBACK_PRECISION",
    "PUSHBACK_QUIET",
    "PUSHBACK_REPETITIONS",
    "PUSHBACK_RX_DEPTH",
    "PUSHBACK_SEED",
    "PUSHBACK_SERVICE",
    "PUSHBACK_SOCKET",
    "PUSHBACK_STACK_COST",
    "PUSHBACK_STALL",
    "PUSHBACK_STRICT",
    "PUSHBACK_TRANSPORT",
    "PUSHBACK_TXQUEUE",
    "PUSHBACK_VARY",
    "PUSHBACK_VERIFY",
    "PUSHBACK_WAKE",
    "PUSHBACK_WAKE_LATENCY",
    "PUSHBACK_WARMUP",
];

/// The prefix of each variable.
const PREFIX: &str = "PUSHBACK_";

/// A warning for each of `variables` that has the prefix, but is read by no program.
pub fn unknown_variables(variables: impl IntoIterator<Item = OsString>) -> Vec<String> {
    let names = variables.into_iter().map(|name| name.to_string_lossy().into_owned());
    let unknown = names.filter(|name| name.starts_with(PREFIX) && !VARIABLES.contains(&name.as_str()));
    let warning = |name: String| {
        let remedy = match nearest(&name, VARIABLES.iter().copied()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "--help lists each flag with its variable beside it".to_owned(),
        };
        harmless(&format!("{name} is set in the environment, but is no setting: {remedy}"))
    };
    unknown.map(warning).collect()
}

/// Parses `arguments`, the first of which is the program's name, and the environment.
///
/// # Errors
/// Those of clap.
pub fn parse<A: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<A, clap::Error> {
    let arguments: Vec<_> = arguments.into_iter().collect();
    let mut command = as_given(arranged(A::command(), &arguments), &arguments);
    let matches = command.try_get_matches_from_mut(&arguments)?;
    A::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// `command` without the variables that `arguments` exclude.
pub fn as_given(command: Command, arguments: &[OsString]) -> Command {
    // Errors are ignored here: the caller parses the arguments again, together with the environment.
    let alone = without_environment(command.clone()).ignore_errors(true).try_get_matches_from(arguments);
    settled(command, alone.ok().as_ref())
}

/// `command` and its subcommands without any variables.
fn without_environment(command: Command) -> Command {
    let command = command.mut_args(|arg| arg.env(None::<&str>));
    command.mut_subcommands(without_environment)
}

/// Removes the variables of all flags that exclude a flag in `given`, which was parsed from the command line alone.
fn settled(command: Command, given: Option<&ArgMatches>) -> Command {
    let excluded = given.map(|given| excluded(&command, given)).unwrap_or_default();
    let command = command.mut_args(|arg| {
        if excluded.contains(arg.get_id().as_str()) {
            return arg.env(None::<&str>);
        }
        let switch = matches!(arg.get_action(), ArgAction::SetTrue) && arg.get_env().is_some();
        if switch { arg.value_parser(BoolishValueParser::new()) } else { arg }
    });
    command.mut_subcommands(|below| {
        let given = given.and_then(|given| given.subcommand_matches(below.get_name()));
        settled(below, given)
    })
}

/// The flags of `command` that exclude a flag on the command line.
fn excluded(command: &Command, given: &ArgMatches) -> BTreeSet<String> {
    let mut command = command.clone();
    // clap resolves which flags exclude each other in `build`.
    command.build();
    let on_the_command_line = |arg: &&Arg| {
        given.try_get_raw(arg.get_id().as_str()).is_ok() && source(given, arg) == Some(ValueSource::CommandLine)
    };
    let given: Vec<_> = command.get_arguments().filter(on_the_command_line).collect();
    let excluded = command.get_arguments().filter(|arg| given.iter().any(|given| exclude(&command, given, arg)));
    excluded.map(|arg| arg.get_id().to_string()).collect()
}

fn source(matches: &ArgMatches, arg: &Arg) -> Option<ValueSource> {
    matches.value_source(arg.get_id().as_str())
}

/// Whether one of two flags of `command` excludes the other. The command must be built.
pub fn exclude(command: &Command, one: &Arg, other: &Arg) -> bool {
    let excludes = |one: &Arg, other: &Arg| command.get_arg_conflicts_with(one).contains(&other);
    excludes(one, other) || excludes(other, one)
}

/// The error and its remedy in one line, with the variables that cause it.
pub fn complaint<A: Parser>(error: &clap::Error, arguments: &[OsString]) -> String {
    let text = one_line(&error.to_string());
    let variables = causes::<A>(error, arguments);
    match variables.as_slice() {
        [] => text,
        several => format!("{text} (set in the environment by {})", several.join(" and ")),
    }
}

/// What is wrong and what to do, without the usage around it.
pub fn one_line(error: &str) -> String {
    let said = error.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<_> = said.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    said.join(" ").trim_start_matches("error: ").to_owned()
}

/// The variables of the flags that `error` names; none if the command line alone causes the same error.
fn causes<A: Parser>(error: &clap::Error, arguments: &[OsString]) -> Vec<String> {
    let alone = without_environment(A::command()).try_get_matches_from(arguments);
    if alone.is_err_and(|alone| alone.kind() == error.kind()) {
        return Vec::new();
    }
    let named = [ContextKind::InvalidArg, ContextKind::PriorArg].into_iter().filter_map(|kind| error.get(kind));
    let named = named.flat_map(|value| match value {
        ContextValue::String(one) => vec![one.clone()],
        ContextValue::Strings(several) => several.clone(),
        _ => Vec::new(),
    });
    // A named flag looks like `--depth <N>`.
    let variables = named.filter_map(|flag| {
        let name = flag.strip_prefix("--")?.split([' ', '=']).next()?.replace('-', "_").to_uppercase();
        Some(format!("PUSHBACK_{name}")).filter(|variable| std::env::var_os(variable).is_some())
    });
    variables.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_variable_is_reported_with_the_closest_known_one() {
        let warnings = |name: &str| unknown_variables([OsString::from(name)]).concat();
        for (slip, meant) in [
            ("PUSHBACK_DETPH", "PUSHBACK_DEPTH"),
            ("PUSHBACK_HWQUEUE", "PUSHBACK_HW_QUEUE"),
            ("PUSHBACK_POLCY", "PUSHBACK_POLICY"),
            ("PUSHBACK_APPS", "PUSHBACK_APP"),
            ("PUSHBACK_seed", "no setting"),
        ] {
            assert!(warnings(slip).contains(slip) && warnings(slip).contains(meant), "{}", warnings(slip));
        }
        assert!(warnings("PUSHBACK_COLOUR").ends_with("its variable beside it"));
        for other in ["PUSHBACK_DEPTH", "PATH", "MY_PUSHBACK_DEPHT", "PUSHBACK"] {
            assert_eq!(warnings(other), "", "{other}");
        }
    }

    #[test]
    fn an_error_of_several_lines_becomes_one() {
        let error = "error: invalid value 'x' for '--depth <N>': use a number\n\n  tip: 5\n\nUsage: driver\n";
        assert_eq!(one_line(error), "invalid value 'x' for '--depth <N>': use a number tip: 5");
    }
}
