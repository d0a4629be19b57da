//! Flags that this command does not have but another one does: names the commands that have them.
//!
//! On the command line such a flag is an error, and the message names the commands that have it. In the environment its
//! variable may be meant for the other command: it is ignored with a warning. A variable that asks for a file is an
//! error instead, because the user would expect the file to be written.

use std::collections::BTreeSet;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, CommandFactory, ValueHint};
use driver::settings::Settings as DriverArgs;
use netstack::process::Args as StackArgs;

/// An environment variable that asks for a file that this command does not write.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {command} has no {flag}, which is a flag of {owners}; unset the variable")]
pub(crate) struct ForeignVariable {
    variable: String,
    command: String,
    flag: String,
    owners: String,
}

/// A flag is suggested only if its first four letters are those of the unknown flag.
const COMMON_PREFIX: usize = 4;

/// The variable of `--quiet`, which commands without settings have too.
const QUIET: &str = "PUSHBACK_QUIET";

/// A command and the words that call it.
struct Named {
    words: String,
    command: Command,
}

/// For an unknown flag: the commands that have it, and a similar flag of this command if there is one. `lab` is the
/// lab's own command line.
pub(crate) fn tip(lab: &Command, error: &clap::Error) -> Option<String> {
    let Some(ContextValue::String(unknown)) = error.get(ContextKind::InvalidArg) else { return None };
    let long = unknown.strip_prefix("--").filter(|_| error.kind() == ErrorKind::UnknownArgument)?;
    let long = long.split('=').next()?;
    let owners = owners(lab, long)?;
    let similar = match error.get(ContextKind::SuggestedArg) {
        Some(ContextValue::String(similar)) => similar.as_str(),
        _ => "",
    };
    // `--policies` may be meant for `--policy`, but `--socket` is never meant for `--packets`, which clap suggests.
    let same_start = long.get(..COMMON_PREFIX).is_some_and(|begin| similar.trim_start_matches('-').starts_with(begin));
    let meant = if same_start { format!("; did you mean {similar}?") } else { String::new() };
    Some(format!("--{long} is a flag of {owners}{meant}"))
}

/// Returns the warnings to print before the command called by `words` (such as `lab theory for`) starts; `set` returns
/// whether a variable is set.
///
/// # Errors
/// [`ForeignVariable`] if one of them asks for a file that the command does not write.
pub(crate) fn variables(
    lab: &Command,
    words: &str,
    set: impl Fn(&str) -> bool,
) -> Result<Vec<String>, ForeignVariable> {
    let all = all(lab);
    let twins = |command: &Command| -> BTreeSet<String> { command.get_arguments().filter_map(twin).collect() };
    let own = all.iter().find(|other| other.words == words).map(|own| twins(&own.command)).unwrap_or_default();
    if own.iter().all(|variable| variable == QUIET) {
        // This command has no settings, so a variable that is set is not meant for it.
        return Ok(Vec::new());
    }
    let mut warnings = BTreeSet::new();
    for arg in all.iter().flat_map(|other| other.command.get_arguments()) {
        let Some(variable) = twin(arg).filter(|variable| !own.contains(variable) && set(variable)) else { continue };
        let long = arg.get_long().unwrap_or_default();
        let (flag, owners) = (format!("--{long}"), owners(lab, long).unwrap_or_default());
        if arg.get_value_hint() == ValueHint::FilePath {
            return Err(ForeignVariable { variable, command: words.to_owned(), flag, owners });
        }
        warnings.insert(format!("{variable} is ignored: {words} has no {flag}, which is a flag of {owners}"));
    }
    Ok(warnings.into_iter().collect())
}

/// The environment variable of `arg`.
fn twin(arg: &Arg) -> Option<String> {
    Some(arg.get_env()?.to_string_lossy().into_owned())
}

/// The commands that have the flag `--long`, as in `lab run and driver`.
fn owners(lab: &Command, long: &str) -> Option<String> {
    let have = |named: &Named| named.command.get_arguments().any(|arg| arg.get_long() == Some(long));
    let owners: Vec<_> = all(lab).into_iter().filter(have).map(|named| named.words).collect();
    match owners.split_last()? {
        (last, []) => Some(last.clone()),
        (last, others) => Some(format!("{} and {last}", others.join(", "))),
    }
}

/// Every command of the lab that is not hidden, and both programs.
fn all(lab: &Command) -> Vec<Named> {
    let mut all = Vec::new();
    below("lab", lab.clone(), &mut all);
    let programs = [StackArgs::command(), DriverArgs::command()];
    all.extend(programs.map(|command| Named { words: command.get_name().to_owned(), command }));
    all
}

fn below(words: &str, command: Command, all: &mut Vec<Named>) {
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        below(&format!("{words} {}", sub.get_name()), sub.clone(), all);
    }
    all.push(Named { words: words.to_owned(), command });
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use shared::process::flags::VARIABLES;

    use super::*;
    use crate::commands::Cli;

    fn lab() -> Command {
        Cli::command()
    }

    fn tip_for(arguments: &[&str]) -> String {
        let error = Cli::try_parse_from([&["lab"], arguments].concat()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnknownArgument, "{arguments:?}: {error}");
        tip(&lab(), &error).unwrap_or_default()
    }

    #[test]
    fn a_flag_of_another_command_is_unknown_and_the_tip_names_the_commands_that_have_it() {
        for (arguments, owners) in [
            (&["run", "--socket", "x"][..], "--socket is a flag of netstack and driver"),
            (&["compare", "--once"], "--once is a flag of driver"),
            (
                &["run", "--policies=wait"],
                "--policies is a flag of lab compare and lab predict; did you mean --policy?",
            ),
            (&["compare", "--pcap=x"], "--pcap is a flag of lab run, lab simulate and driver"),
            (
                &["simulate", "--transport", "shm"],
                "--transport is a flag of lab run, lab compare, lab sweep, lab tune and netstack",
            ),
            (
                &["run", "--stack-cost", "4us"],
                "--stack-cost is a flag of lab compare, lab simulate, lab sweep and lab tune",
            ),
            (
                &["theory", "for", "--interval=1s"],
                "--interval is a flag of lab run, lab compare, lab simulate, lab sweep, lab tune and netstack",
            ),
            (&["run", "--colour"], ""),
        ] {
            assert_eq!(tip_for(arguments), owners, "{arguments:?}");
        }
    }

    #[test]
    fn a_variable_of_another_command_is_ignored_with_a_warning_unless_it_asks_for_a_file() {
        let among = |variables: &'static [&str]| move |name: &str| variables.contains(&name);
        let warnings = variables(&lab(), "lab simulate", among(&["PUSHBACK_IDLE", "PUSHBACK_DEPTH"])).unwrap();
        assert_eq!(warnings.len(), 1);
        assert!(warnings[0].starts_with("PUSHBACK_IDLE is ignored: lab simulate has no --idle"), "{warnings:?}");
        let refused = variables(&lab(), "lab compare", among(&["PUSHBACK_PCAP"])).unwrap_err().to_string();
        assert!(refused.contains("PUSHBACK_PCAP") && refused.contains("lab run, lab simulate and driver"), "{refused}");
        for command in ["lab run", "lab simulate"] {
            assert_eq!(variables(&lab(), command, among(&["PUSHBACK_PCAP"])), Ok(Vec::new()));
        }
        assert_eq!(variables(&lab(), "lab report", |_| true), Ok(Vec::new()), "it reads no variables");
    }

    #[test]
    fn the_list_of_variables_holds_every_variable_that_a_program_reads() {
        let mut twins: BTreeSet<String> =
            all(&lab()).iter().flat_map(|named| named.command.get_arguments()).filter_map(twin).collect();
        twins.insert("PUSHBACK_BIN_DIR".to_owned());
        let known: BTreeSet<String> = VARIABLES.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(known, twins, "keep shared::process::flags::VARIABLES");
    }

    #[test]
    fn no_command_offers_a_flag_that_it_does_not_have() {
        let flags = |command: &str| -> BTreeSet<String> {
            let all = all(&lab());
            let named = all.iter().find(|named| named.words == command).unwrap();
            named.command.get_arguments().filter_map(Arg::get_long).map(str::to_owned).collect()
        };
        for (command, absent) in [
            ("lab simulate", &["socket", "allow-uid", "once", "idle", "transport", "connect-timeout"][..]),
            ("lab compare", &["socket", "allow-uid", "once", "pcap", "profile"]),
            ("lab run", &["socket", "allow-uid", "once", "stack-cost", "warmup"]),
            ("lab theory for", &["socket", "idle", "json", "seed", "packets", "duration", "verify", "txqueue"]),
        ] {
            assert!(!flags(command).iter().any(|flag| absent.contains(&&**flag)), "{command}");
        }
        let hidden = all(&lab())
            .iter()
            .flat_map(|named| named.command.get_arguments().map(Arg::is_hide_set).collect::<Vec<_>>())
            .any(|hidden| hidden);
        assert!(!hidden, "no flag is hidden");
    }
}
