//! How every binary starts, speaks and exits: flags in, text for people, a status out.
//!
//! A reader that left, or a full disk, is no reason to end a run: its results are still to be
//! written, and the status still tells. So whatever is said here ends nothing if it is not heard.

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::report::JsonTarget;

/// What a process exits with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// All is well.
    Fine = 0,
    /// A threshold or a comparison failed, or the machine did.
    Failed = 1,
    /// The flags make no sense.
    Usage = 2,
    /// The peer failed.
    PeerFailed = 3,
    /// The ledger does not balance.
    Unbalanced = 4,
    /// Interrupted; partial results were written.
    Interrupted = 130,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

/// Parses the flags of the binary `name`, runs it, and turns what comes out into a status. An error
/// is one line on standard error.
pub fn run_main<A: Parser, E: Display>(
    name: &str,
    run: impl FnOnce(&A) -> Result<Status, E>,
    status_of: impl FnOnce(&E) -> Status,
) -> ExitCode {
    let args = match A::try_parse() {
        Ok(args) => args,
        // Help and version are no errors, and are printed as they are.
        Err(error) if !error.use_stderr() => error.exit(),
        Err(error) => {
            complain(format_args!("{name}: {}; see {name} --help", one_line(&error.to_string())));
            return Status::Usage.into();
        }
    };
    match run(&args) {
        Ok(status) => status.into(),
        Err(error) => {
            complain(format_args!("{name}: {error}"));
            status_of(&error).into()
        }
    }
}

/// Says `text` to people: on standard output, or on standard error if `json` has the other to itself.
pub fn say(json: Option<&JsonTarget>, text: impl Display) {
    let _ = match json {
        Some(JsonTarget::Stdout) => writeln!(io::stderr().lock(), "{text}"),
        Some(JsonTarget::File(_)) | None => writeln!(io::stdout().lock(), "{text}"),
    };
}

/// Says one line of trouble on standard error.
pub fn complain(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(&line.to_string()));
}

/// One line that moves no cursor: part of it may be a peer's words.
pub fn harmless(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// What is wrong and what to do, without the usage around it.
pub fn one_line(error: &str) -> String {
    let said = error.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let said: Vec<_> = said.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    said.join(" ").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_says_stays_on_its_line() {
        assert_eq!(harmless("refused: no\nway\x1b[31m, café"), "refused: no way [31m, café");
    }

    #[test]
    fn an_error_of_several_lines_becomes_one() {
        let error = "error: invalid value 'x' for '--depth <N>': use a number\n\n  tip: 5\n\nUsage: driver\n";
        assert_eq!(one_line(error), "invalid value 'x' for '--depth <N>': use a number tip: 5");
    }
}
