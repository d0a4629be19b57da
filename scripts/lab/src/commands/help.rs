//! `lab help`: the help of a command, or a text about a topic.

use std::fmt::Write;

use clap::builder::{StyledStr, Styles};
use clap::{Args, Command};
use shared::process::exit::Status;
use shared::process::help::{arranged, examples};
use shared::process::json::say;
use shared::process::start::styled;
use shared::units::did_you_mean;

use super::common::Failure;
use crate::help::Topic;

#[derive(Debug, Args)]
#[command(after_help = examples([
    ("Kinds of traffic, their keys and defaults", "lab help app"),
    ("The flags of a command", "lab help run"),
    ("What the figures of a report mean", "lab help report"),
]))]
pub(crate) struct HelpArgs {
    /// A command, or a topic: app, policy, units, report, exit.
    #[arg(value_name = "COMMAND|TOPIC")]
    words: Vec<String>,
}

/// Prints the help of a command of `lab`, or the text about a topic; of `report`, which is both, the one after the other.
///
/// # Errors
/// If there is neither a command nor a topic of that name.
pub(crate) fn main(args: &HelpArgs, lab: Command) -> Result<Status, Failure> {
    let topic = match &args.words[..] {
        [word] => Topic::ALL.into_iter().find(|topic| topic.name() == word),
        _ => None,
    };
    let command = of_command(&args.words, lab);
    let texts: Vec<StyledStr> = match (topic, command) {
        (Some(topic), command) => [topic.text()].into_iter().chain(command.ok()).collect(),
        (None, command) => vec![command?],
    };
    say(None, texts.iter().map(|text| styled(text).trim_end().to_owned()).collect::<Vec<_>>().join("\n\n"));
    Ok(Status::Fine)
}

/// The end of the lab's own help: what else there is to read, and `examples`.
pub(crate) fn end_of_lab(examples: &StyledStr) -> StyledStr {
    let styles = Styles::default();
    let header = styles.get_header();
    let mut text = StyledStr::new();
    // Writing to a text cannot fail.
    let _ = write!(text, "{header}Topics:{header:#}");
    for topic in Topic::ALL {
        let _ = write!(text, "\n  lab help {:7} {}", topic.name(), topic.about());
    }
    let _ = write!(text, "\n\n{}", examples.ansi());
    text
}

fn of_command(words: &[String], lab: Command) -> Result<StyledStr, Failure> {
    let mut command = arranged(lab, &[]);
    // Gives each command the names of those above it, for its usage.
    command.build();
    for word in words {
        let below = command.find_subcommand(word).cloned();
        command = below.ok_or_else(|| unknown(word, &command))?;
    }
    Ok(command.render_long_help())
}

fn unknown(word: &str, command: &Command) -> Failure {
    let commands = command.get_subcommands().filter(|below| !below.is_hide_set()).map(Command::get_name);
    let meant = did_you_mean(word, commands.chain(Topic::ALL.map(Topic::name)));
    let topics = Topic::ALL.map(Topic::name).join(", ");
    let above = command.get_bin_name().unwrap_or(command.get_name());
    Failure::NoHelp { what: format!("{word} is no command of {above} and no topic{meant}; the topics are {topics}") }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;
    use driver::settings::Settings as DriverArgs;
    use netstack::process::Args as StackArgs;
    use shared::process::help::{HEADINGS, examples_of};

    use super::*;
    use crate::commands::Cli;

    /// Every command that a user can call, as its help shows it, with the words that call it.
    fn all(flag: &str) -> Vec<(String, Command)> {
        fn add(command: &Command, all: &mut Vec<(String, Command)>) {
            let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
            all.push((name, command.clone()));
            let below = command.get_subcommands().filter(|below| !below.is_hide_set());
            // Those that clap adds have its own words.
            below
                .filter(|below| below.get_name() != "help" || command.get_name() == "lab")
                .for_each(|below| add(below, all));
        }
        let mut all = Vec::new();
        for program in [Cli::command(), StackArgs::command(), DriverArgs::command()] {
            let mut program = arranged(program, &[OsString::from(flag)]).term_width(100);
            program.build();
            add(&program, &mut all);
        }
        assert!(all.len() > 30, "{}", all.len());
        all
    }

    #[test]
    fn every_flag_stands_under_a_heading_and_headings_are_in_one_order() {
        for (name, command) in all("--help") {
            let place = |heading: &str| HEADINGS.iter().position(|known| *known == heading);
            let mut before = None;
            for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
                let flag = format!("{name}: --{}", arg.get_long().unwrap_or_default());
                let heading = arg.get_help_heading().unwrap_or_else(|| panic!("{flag} has no heading"));
                let place = place(heading).unwrap_or_else(|| panic!("{flag} has the unknown heading {heading}"));
                // A flag that clap takes over from the command above comes last, under a heading that is there already.
                assert!(
                    before.is_none_or(|before| before <= place) || arg.is_global_set(),
                    "{flag}: {heading} is late"
                );
                before = before.max(Some(place));
            }
        }
    }

    #[test]
    fn brief_help_fits_on_three_screens() {
        for (name, mut command) in all("-h") {
            let help = command.render_help().to_string();
            let (lines, width) = (help.lines().count(), help.lines().map(|line| line.chars().count()).max());
            assert!(
                lines <= 120 && width <= Some(100),
                "{name} has {lines} lines, the widest of {width:?} columns:\n{help}"
            );
        }
    }

    #[test]
    fn the_first_line_about_each_flag_is_short() {
        for (name, command) in all("-h") {
            for arg in command.get_arguments() {
                let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
                assert!((1..=82).contains(&help.chars().count()), "{name}: {}: {help}", arg.get_id());
            }
        }
    }

    #[test]
    fn every_command_has_three_examples_of_itself() {
        for (name, command) in all("--help") {
            let examples = examples_of(&command);
            assert_eq!(examples.len(), 3, "{name}");
            let program = name.split('-').next().unwrap();
            for (what, line) in examples {
                assert!(!what.is_empty() && line.starts_with(program) || line.starts_with("seq "), "{name}: {line}");
                assert!(line.chars().count() <= 96, "{name}: {line} would be wrapped");
            }
        }
    }

    #[test]
    fn help_of_what_does_not_exist_names_what_is_meant() {
        let refused = |words: &[&str]| {
            let words = words.iter().map(|word| (*word).to_owned()).collect();
            main(&HelpArgs { words }, Cli::command()).unwrap_err().to_string()
        };
        assert!(refused(&["polcy"]).contains("did you mean policy?"));
        assert!(refused(&["theory", "mm1kk"]).contains("no command of lab theory"));
        assert!(refused(&["nonsense"]).contains("the topics are app, policy, units, report, exit"));
    }
}
