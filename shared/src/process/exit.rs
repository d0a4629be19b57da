//! How every binary starts, speaks and exits: flags in, text for people, a status out.
//!
//! A reader that left, or a full disk, is no reason to end a run: its results are still to be
//! written. So text that cannot be written ends nothing; but unless its reader left, the status shows it.
//! Text is queued; the process waits for its readers at the end, when all else is over and its
//! destructors have run.

use std::env;
use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;

use crate::process::flags;
use crate::process::limits;
use crate::process::output::{self, Stream};
use crate::process::signals::block_needless;
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

impl Status {
    /// The one of the two that a process exits with. Without the right flags there was no run to judge, and numbers
    /// that do not add up are worse than none. A peer that failed explains an interrupt or a threshold better than
    /// they explain it.
    #[must_use]
    pub fn or_worse(self, other: Self) -> Self {
        if other.severity() > self.severity() { other } else { self }
    }

    /// The status after one more step of the program `name`: `self`, or that of the step if it failed and that is
    /// worse. The error is written to standard error.
    pub fn after<E: Display>(self, name: &str, step: Result<(), E>, status_of: impl Fn(&E) -> Self) -> Self {
        match step {
            Ok(()) => self,
            Err(error) => {
                fail(format_args!("{name}: {error}"));
                match (self, status_of(&error)) {
                    // An interrupt has its status only if the partial results were written.
                    (Self::Interrupted, Self::Failed) => Self::Failed,
                    (before, failed) => before.or_worse(failed),
                }
            }
        }
    }

    fn severity(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::Failed => 1,
            Self::Interrupted => 2,
            Self::PeerFailed => 3,
            Self::Unbalanced => 4,
            Self::Usage => 5,
        }
    }
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        Self::from(status as u8)
    }
}

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
            let ran = limits::check()
                .map_err(|error| (error.to_string(), Status::Failed))
                .and_then(|()| run(&args).map_err(|error| (error.to_string(), status_of(&error))));
            ran.unwrap_or_else(|(error, status)| {
                fail(format_args!("{name}: {error}"));
                status
            })
        }
        // Help and version are no errors, and are printed as they are.
        Err(error) if !error.use_stderr() => {
            output::text(Stream::Out, rendered(&error));
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
            fail(format_args!("{name}: {complaint}; see {name} --help"));
            Status::Usage
        }
    };
    heard(name, status).into()
}

/// Waits for the readers of all text. Returns `status`, or that of a text that was not read if it is worse.
fn heard(name: &str, mut status: Status) -> Status {
    output::finish();
    if let Some(why) = output::unwritten() {
        fail(format_args!("{name}: not all text could be written ({why}); make room, or redirect it"));
        status = status.or_worse(Status::Failed);
    }
    if output::gave_up() {
        complain(format_args!("{name}: interrupted before its text was read to the end; the reader took nothing more"));
        status = status.or_worse(Status::Interrupted);
    }
    output::finish();
    status
}

/// The text of clap that is no error (help, version), in colours on a terminal, as clap itself prints it.
fn rendered(said: &clap::Error) -> String {
    let set = |variable| env::var_os(variable).is_some_and(|value| !value.is_empty());
    let dumb = env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    let text = said.render();
    if output::is_terminal(Stream::Out) && !set("NO_COLOR") && !dumb {
        text.ansi().to_string()
    } else {
        text.to_string()
    }
}

fn warn_of_variables(name: &str) {
    for warning in flags::unknown_variables(env::vars_os().map(|(variable, _)| variable)) {
        complain(format_args!("{name}: warning: {warning}"));
    }
}

/// Says `text`, a result, to people: on standard output, or on standard error if `json` has the other to itself.
/// It is never dropped, and the process waits for its reader at the end.
pub fn say(json: Option<&JsonTarget>, text: impl Display) {
    output::text(beside(json), format!("{text}\n"));
}

/// Says in the same place how something goes on. The line is dropped if the reader lets too many wait.
pub fn say_line(json: Option<&JsonTarget>, line: impl Display) {
    output::line(beside(json), format!("{line}\n"));
}

fn beside(json: Option<&JsonTarget>) -> Stream {
    if json == Some(&JsonTarget::Stdout) { Stream::Err } else { Stream::Out }
}

/// Says one line of trouble on standard error. It is dropped if the reader lets too many wait.
pub fn complain(line: impl Display) {
    output::line(Stream::Err, harmless(&line.to_string()) + "\n");
}

/// Says why the process fails: in one line, which the process waits for at the end.
fn fail(why: impl Display) {
    output::text(Stream::Err, harmless(&why.to_string()) + "\n");
}

/// One line without control characters: part of it may come from a peer.
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
    fn statuses_have_a_fixed_precedence() {
        use Status::{Failed, Fine, Interrupted, PeerFailed, Unbalanced, Usage};
        let order = [Fine, Failed, Interrupted, PeerFailed, Unbalanced, Usage];
        for (at, worse) in order.into_iter().enumerate() {
            for better in &order[..=at] {
                assert_eq!((worse.or_worse(*better), better.or_worse(worse)), (worse, worse));
            }
        }
        let unwritten = |status: Status| status.after("test", Err("no room"), |_| Failed);
        assert_eq!([Fine, Interrupted, PeerFailed].map(unwritten), [Failed, Failed, PeerFailed]);
    }

    #[test]
    fn an_error_of_several_lines_becomes_one() {
        let error = "error: invalid value 'x' for '--depth <N>': use a number\n\n  tip: 5\n\nUsage: driver\n";
        assert_eq!(one_line(error), "invalid value 'x' for '--depth <N>': use a number tip: 5");
    }
}
