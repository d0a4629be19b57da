//! How every program starts and ends: flags in, a status out.
//!
//! A reader that left, or a full disk, is no reason to end a run: its results must still be written. So text that
//! cannot be written ends nothing; but unless its reader left, the status shows it. Text is queued; the process waits
//! for its readers at the end, after the run and its destructors.

use std::env;
use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;
use clap::builder::StyledStr;

use crate::limits;
use crate::process::exit::Status;
use crate::process::flags;
use crate::process::output::{self, Stream, complain, fail};
use crate::process::signals::block_needless;

/// Parses the flags of the program `name`, calls `run`, and returns the exit status. An error is one line on standard
/// error; `tip` may add to the error about a flag.
pub fn run_main<A: Parser, E: Display>(
    name: &str,
    run: impl FnOnce(&A) -> Result<Status, E>,
    status_of: impl FnOnce(&E) -> Status,
    tip: impl FnOnce(&clap::Error) -> Option<String>,
) -> ExitCode {
    // Setting a mask of known signals cannot fail; without the mask the process would work too.
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
        // Help and version are not errors.
        Err(error) if !error.use_stderr() => {
            output::text(Stream::Out, styled(&error.render()));
            Status::Fine
        }
        Err(error) => {
            warn_of_variables(name);
            let complaint = flags::complaint::<A>(&error, &arguments);
            // A flag of another program is not a misspelled flag of this one, so the tip replaces that of clap.
            let complaint = match (tip(&error), complaint.split_once(" tip: ")) {
                (Some(tip), Some((complaint, _))) => format!("{complaint}; {tip}"),
                (Some(tip), None) => format!("{complaint}; {tip}"),
                (None, _) => complaint,
            };
            fail(format_args!("{name}: {complaint}; see {name} --help"));
            Status::Usage
        }
    };
    finish_output(name, status).into()
}

/// Waits for the readers of all text. Returns `status`, or the status of a text that was not read if that is worse.
fn finish_output(name: &str, mut status: Status) -> Status {
    output::finish();
    if let Some(why) = output::unwritten() {
        fail(format_args!("{name}: not all text could be written ({why}); free some space, or redirect it"));
        status = status.or_worse(Status::Failed);
    }
    if output::gave_up() {
        complain(format_args!("{name}: interrupted before its text was read to the end; the reader took nothing more"));
        status = status.or_worse(Status::Interrupted);
    }
    output::finish();
    status
}

/// Help or version as standard output shows it: in colours, or without.
pub fn styled(text: &StyledStr) -> String {
    if output::shows_colours(Stream::Out) { text.ansi().to_string() } else { text.to_string() }
}

fn warn_of_variables(name: &str) {
    for warning in flags::unknown_variables(env::vars_os().map(|(variable, _)| variable)) {
        complain(format_args!("{name}: warning: {warning}"));
    }
}

impl Status {
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_keeps_its_status_only_if_the_results_were_written() {
        use Status::{Failed, Fine, Interrupted, PeerFailed};
        let unwritten = |status: Status| status.after("test", Err("no room"), |_| Failed);
        assert_eq!([Fine, Interrupted, PeerFailed].map(unwritten), [Failed, Failed, PeerFailed]);
    }
}
