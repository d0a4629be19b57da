//! How every binary starts, speaks and exits: flags in, text for people, a status out.
//!
//! A reader that left, or a full disk, is no reason to end a run: its results are still to be
//! written. So text that cannot be written ends nothing; but unless its reader left, the status says so.

use std::env;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap::Parser;

use crate::flags;
use crate::limits::check_descriptors;
use crate::report::JsonTarget;
use crate::signals::block_needless;

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

/// The first text that could not be written, because a device was full or failed.
static UNWRITTEN: OnceLock<String> = OnceLock::new();

/// Parses the flags of the binary `name`, runs it, and turns what comes out into a status. An error
/// is one line on standard error; `tip` may add to what is wrong with the flags.
pub fn run_main<A: Parser, E: Display>(
    name: &str,
    run: impl FnOnce(&A) -> Result<Status, E>,
    status_of: impl FnOnce(&E) -> Status,
    tip: impl FnOnce(&clap::Error) -> Option<String>,
) -> ExitCode {
    // Setting a mask of known signals cannot fail; if it could, the process would work all the same.
    let _ = block_needless();
    let arguments: Vec<_> = env::args_os().collect();
    let status = match flags::parse::<A>(arguments.iter().cloned()) {
        Ok(args) => {
            warn_of_variables(name);
            let ran = check_descriptors()
                .map_err(|error| (error.to_string(), Status::Failed))
                .and_then(|()| run(&args).map_err(|error| (error.to_string(), status_of(&error))));
            ran.unwrap_or_else(|(error, status)| {
                complain(format_args!("{name}: {error}"));
                status
            })
        }
        // Help and version are no errors, and are printed as they are.
        Err(error) if !error.use_stderr() => {
            notice(error.print());
            Status::Fine
        }
        Err(error) => {
            warn_of_variables(name);
            let complaint = flags::complaint::<A>(&error, &arguments);
            // A flag that is known elsewhere was not meant for one that looks like it.
            let complaint = match (tip(&error), complaint.split_once(" tip: ")) {
                (Some(tip), Some((complaint, _))) => format!("{complaint}; {tip}"),
                (Some(tip), None) => format!("{complaint}; {tip}"),
                (None, _) => complaint,
            };
            complain(format_args!("{name}: {complaint}; see {name} --help"));
            Status::Usage
        }
    };
    match UNWRITTEN.get() {
        Some(why) => {
            complain(format_args!("{name}: not all text could be written ({why}); make room, or redirect it"));
            // Whatever is worse says so by itself.
            if status == Status::Fine { Status::Failed } else { status }.into()
        }
        None => status.into(),
    }
}

fn warn_of_variables(name: &str) {
    for warning in flags::unknown_variables(env::vars_os().map(|(variable, _)| variable)) {
        complain(format_args!("{name}: warning: {warning}"));
    }
}

/// Says `text` to people: on standard output, or on standard error if `json` has the other to itself.
pub fn say(json: Option<&JsonTarget>, text: impl Display) {
    notice(match json {
        Some(JsonTarget::Stdout) => writeln!(io::stderr().lock(), "{text}"),
        Some(JsonTarget::File(_)) | None => print(io::stdout().lock(), &text),
    });
}

fn print(mut out: impl Write, text: &impl Display) -> io::Result<()> {
    writeln!(out, "{text}")?;
    // Not each standard output writes a line at its end.
    out.flush()
}

/// Keeps why text could not be written. A reader that has left is no failure: it has seen enough.
pub fn notice(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = UNWRITTEN.set(error.to_string());
    }
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
