//! `lab completions`: scripts that let a shell complete flags, and for `--app` kinds and keys.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Command, CommandFactory, ValueEnum};
use clap_complete::Shell;
use driver::settings::Settings as DriverArgs;
use netstack::app::{AppSpec, Key, Kind};
use netstack::device::Policy;
use netstack::process::Args as StackArgs;
use shared::process::exit::Status;
use shared::process::help::{arranged, examples};
use shared::process::json::say;

use super::common::Failure;

/// What completes the value of `--app` in bash. The generator knows whole words only, and bash splits this one.
const APP_IN_BASH: &str = include_str!("completions.bash");

#[derive(Debug, Args)]
#[command(after_help = examples([
    ("For bash, as a file to source, or in ~/.local/share/bash-completion/completions", "lab completions bash > lab.bash"),
    ("For zsh, the completions of the stack", "lab completions zsh netstack > _netstack"),
    ("For fish, those of the driver", "lab completions fish driver > driver.fish"),
]))]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_enum)]
    shell: Target,

    /// The program.
    #[arg(value_enum, default_value_t)]
    program: Program,
}

/// A shell for which there are completions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Target {
    Bash,
    Zsh,
    Fish,
}

/// A program with flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Program {
    #[default]
    Lab,
    Netstack,
    Driver,
}

/// Prints the script.
pub(crate) fn main(args: &CompletionsArgs, lab: Command) -> Result<Status, Failure> {
    let command = match args.program {
        Program::Lab => lab,
        Program::Netstack => StackArgs::command(),
        Program::Driver => DriverArgs::command(),
    };
    say(None, script(args.shell, command).trim_end());
    Ok(Status::Fine)
}

fn script(shell: Target, command: Command) -> String {
    let generator = match shell {
        Target::Bash => Shell::Bash,
        Target::Zsh => Shell::Zsh,
        Target::Fish => Shell::Fish,
    };
    let mut command = with_values(arranged(command, &[]));
    let name = command.get_name().to_owned();
    let mut bytes = Vec::new();
    clap_complete::generate(generator, &mut command, &name, &mut bytes);
    let mut script = String::from_utf8_lossy(&bytes).into_owned();
    let sends = |command: &Command| command.get_arguments().any(|arg| arg.get_id() == "apps");
    if shell == Target::Bash && (sends(&command) || command.get_subcommands().any(sends)) {
        script += &app_in_bash(&name);
    }
    script
}

/// The same flags, of which some have a list of values that a shell completes. The list is not complete, so the parser
/// of the programs has none.
fn with_values(command: Command) -> Command {
    let listed = |values: Vec<String>| PossibleValuesParser::new(values).map(|value: String| value);
    let command = command.mut_args(|arg| match arg.get_id().as_str() {
        "apps" => arg.default_values(None::<&str>).value_parser(listed(kinds())),
        "policy" | "policies" => {
            let policies = Policy::ALL.map(|policy| policy.to_string()).into();
            arg.default_values(None::<&str>).value_parser(listed(policies))
        }
        _ => arg,
    });
    command.mut_subcommands(with_values)
}

/// How an app begins: its kind, and a colon before its keys, which some kinds need.
fn kinds() -> Vec<String> {
    let begin = |kind: Kind| {
        let alone = kind.name().parse::<AppSpec>().is_ok().then(|| kind.to_string());
        alone.into_iter().chain([format!("{kind}:")])
    };
    Kind::ALL.into_iter().flat_map(begin).collect()
}

fn app_in_bash(program: &str) -> String {
    let keys = Kind::ALL.map(|kind| format!("        {kind}) names=\"{}\" ;;", joined(kind.keys())));
    let with_choices = Key::ALL.into_iter().filter(|key| !key.choices().is_empty());
    let values = with_choices.map(|key| {
        let choices = key.choices().join(" ");
        format!("        {key}=*) names=\"{choices}\" given=${{given}}{key}= last=${{last#{key}=}} ;;")
    });
    APP_IN_BASH
        .replace("FUNCTION", &program.replace('-', "__"))
        .replace("PROGRAM", program)
        .replace("KINDS", &kinds().join(" "))
        .replace("KEYS", &keys.join("\n"))
        .replace("VALUES", &values.collect::<Vec<_>>().join("\n"))
}

fn joined(keys: impl Iterator<Item = Key>) -> String {
    keys.map(Key::name).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_complete_as_words_where_the_generator_allows_no_more() {
        for shell in [Target::Zsh, Target::Fish] {
            let script = script(shell, StackArgs::command());
            for word in ["reqresp", "poisson", "drop-oldest"] {
                assert!(script.contains(word), "{word} is not in {script}");
            }
        }
    }

    #[test]
    fn a_program_without_apps_has_no_addition() {
        assert!(!script(Target::Bash, DriverArgs::command()).contains("_with_app"));
        assert!(script(Target::Bash, StackArgs::command()).contains("_netstack_with_app"));
    }
}
