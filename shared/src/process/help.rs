//! How the help of every program is arranged: headings in one order, one line for each flag in `-h`, examples at the
//! end.
//!
//! Each flag names its heading where it is defined, and [`arranged`] puts the flags under them. Only the flags that a
//! newcomer needs should stand above [`RARE`].

use std::ffi::OsString;
use std::fmt::Write;

use clap::builder::{StyledStr, Styles};
use clap::{Arg, ArgAction, Command};

/// Limits that an answer must meet.
pub const LIMITS: &str = "Limits";
/// The parameters of a queueing model.
pub const MODEL: &str = "Model";
/// What the apps send.
pub const TRAFFIC: &str = "Traffic";
/// The connection of the processes, and what happens when the ring is full.
pub const RING: &str = "Ring and policy";
/// The hardware model.
pub const HARDWARE: &str = "Hardware";
/// Which runs are made, and how many.
pub const RUNS: &str = "Runs";
/// What is printed, written and judged.
pub const OUTPUT: &str = "Output";
/// What most users leave at its default.
pub const RARE: &str = "Rarely needed";

/// Every heading, in the order in which help shows them.
pub const HEADINGS: [&str; 8] = [LIMITS, MODEL, TRAFFIC, RING, HARDWARE, RUNS, OUTPUT, RARE];

/// The widest line of help, on a wider terminal too: longer ones are hard to read.
const WIDTH: usize = 100;

/// How `-h` is asked for; `--help` asks for the longer text.
const BRIEF: &str = "-h";

/// Returns `command` and its subcommands as people read them: flags in the order of [`HEADINGS`], and in the brief help
/// that `arguments` may ask for no variables of the environment, which would take a line for each flag.
pub fn arranged(command: Command, arguments: &[OsString]) -> Command {
    arrange(command, arguments.iter().any(|argument| argument == BRIEF))
}

fn arrange(command: Command, brief: bool) -> Command {
    let has_variables = command.get_arguments().any(|arg| arg.get_env().is_some());
    let version = command.get_version().is_some().then(version_flag);
    // The flags that clap adds itself have no heading.
    let mut command = command.disable_help_flag(true).disable_version_flag(true).max_term_width(WIDTH);
    command = command.arg(help_flag()).args(version);
    let mut sorted: Vec<Arg> = command.get_arguments().map(|arg| arg.clone().hide_env(brief)).collect();
    // clap shows headings in the order of their first flags. The sort keeps the order under each heading.
    sorted.sort_by_key(|arg| HEADINGS.iter().position(|heading| arg.get_help_heading() == Some(heading)));
    let mut sorted = sorted.into_iter();
    command = command.mut_args(|arg| sorted.next().unwrap_or(arg));
    if brief && has_variables {
        let before = command.get_after_help().cloned().unwrap_or_default();
        command = command.after_help(with_note(before));
    }
    command.mut_subcommands(|below| arrange(below, brief))
}

fn help_flag() -> Arg {
    let flag = Arg::new("help").short('h').long("help").action(ArgAction::Help).help_heading(OUTPUT);
    flag.help("Print this help; --help says more about each flag").long_help("Print this help; -h prints less")
}

fn version_flag() -> Arg {
    let flag = Arg::new("version").short('V').long("version").action(ArgAction::Version);
    flag.help_heading(OUTPUT).help("Print the version")
}

/// Adds the rule by which variables are named to the end of the brief help.
fn with_note(mut end: StyledStr) -> StyledStr {
    let gap = if end.to_string().is_empty() { "" } else { "\n\n" };
    let _ = write!(end, "{gap}Each flag has a variable: that of --hw-queue is PUSHBACK_HW_QUEUE.");
    end
}

/// The end of a command's help: what each example shows, and its command line, which a test runs as it is printed.
pub fn examples<'a>(examples: impl IntoIterator<Item = (&'a str, &'a str)>) -> StyledStr {
    let styles = Styles::default();
    let header = styles.get_header();
    let mut text = StyledStr::new();
    // Writing to a text cannot fail.
    let _ = write!(text, "{header}Examples:{header:#}");
    for (what, line) in examples {
        let colon = if what.ends_with('?') { "" } else { ":" };
        let _ = write!(text, "\n  {what}{colon}\n    {line}");
    }
    text
}

/// What [`examples`] put at the end of the help of `command`.
pub fn examples_of(command: &Command) -> Vec<(String, String)> {
    let end = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let lines: Vec<_> = end.lines().skip_while(|line| *line != "Examples:").skip(1).collect();
    let pairs = lines.chunks_exact(2).map(|pair| (pair[0].trim().to_owned(), pair[1].trim().to_owned()));
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// A program.
    #[derive(Debug, Parser)]
    #[command(name = "program", version, after_help = examples([("Twice as deep", "program --depth 2")]))]
    #[allow(dead_code, reason = "only its help is read")]
    struct Flags {
        /// Rare.
        #[arg(long, help_heading = RARE)]
        rare: bool,
        /// Slots.
        ///
        /// More about slots.
        #[arg(long, help_heading = RING, env = "PUSHBACK_DEPTH", default_value_t = 1, value_name = "N")]
        depth: u32,
        /// Apps.
        #[arg(long, help_heading = TRAFFIC)]
        app: bool,
    }

    fn help(flag: &str) -> String {
        let arguments = ["program".into(), flag.into()];
        let command = arranged(<Flags as clap::CommandFactory>::command(), &arguments).term_width(WIDTH);
        command.try_get_matches_from(arguments).unwrap_err().to_string()
    }

    #[test]
    fn brief_help_has_one_line_for_each_flag_under_headings_in_their_order() {
        insta::assert_snapshot!(help("-h"), @r"
        A program

        Usage: program [OPTIONS]

        Traffic:
              --app  Apps

        Ring and policy:
              --depth <N>  Slots [default: 1]

        Output:
          -h, --help     Print this help; --help says more about each flag
          -V, --version  Print the version

        Rarely needed:
              --rare  Rare

        Examples:
          Twice as deep:
            program --depth 2

        Each flag has a variable: that of --hw-queue is PUSHBACK_HW_QUEUE.
        ");
    }

    #[test]
    fn long_help_has_variables_and_explanations() {
        let long = help("--help");
        assert!(long.contains("[env: PUSHBACK_DEPTH=") && long.contains("More about slots"), "{long}");
        assert!(!long.contains("Each flag has a variable"), "{long}");
    }
}
