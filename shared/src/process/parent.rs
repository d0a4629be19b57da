//! Ending child processes together with their parent, also if the parent is killed and cannot signal them.
//!
//! A child that must finish its work watches its standard input, the reading end of a pipe
//! ([`stdin_until_exit`]). Only the parent holds the writing end, so end of file means that the parent has ended,
//! also through a tool (taskset, perf) between the two. The child handles it like SIGTERM: see
//! [`Signals::of`](crate::process::signals::Signals::of).
//!
//! Any other program is killed by the kernel. That must be set between `fork` and `exec`, so the program is
//! started through a hidden command of its parent's own program ([`killed_on_exit`], [`EndWithParent`]).

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio, id};
use std::sync::LazyLock;
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, read};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::sync::oneshot;

use crate::process::help::RARE;

/// When a process ends. The lab sets it itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::Args)]
pub struct Lifetime {
    /// End as on SIGTERM when standard input ends.
    ///
    /// Input before that is ignored. For a program that starts this one: it must keep the writing end of a pipe and
    /// never write to it. The pipe ends with that program, also if it is killed.
    #[arg(long, help_heading = RARE, env = "PUSHBACK_END_WITH_STDIN")]
    pub end_with_stdin: bool,
}

/// The name of the hidden command that [`killed_on_exit`] calls.
const COMMAND: &str = "end-with-parent";

/// Both ends of the pipe. No child inherits them (CLOEXEC), and nothing is ever written.
static PIPE: LazyLock<Result<(OwnedFd, OwnedFd), Errno>> = LazyLock::new(|| pipe_with(PipeFlags::CLOEXEC));

/// Standard input for children that watch it: it ends when this process does.
///
/// # Errors
/// If this process may open no more descriptors.
pub fn stdin_until_exit() -> io::Result<Stdio> {
    match &*PIPE {
        Ok((reading, _writing)) => Ok(reading.try_clone()?.into()),
        Err(error) => Err((*error).into()),
    }
}

/// Ready when standard input ends. Input before that is read and ignored.
///
/// A thread waits for it, because standard input may also be a file or a terminal, on which the runtime cannot wait.
pub(crate) fn stdin_ends() -> io::Result<oneshot::Receiver<()>> {
    let (sender, ends) = oneshot::channel::<()>();
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        while discard_input() {}
        // Nothing is sent: dropping the sender makes the receiver ready.
        drop(sender);
    })?;
    Ok(ends)
}

/// Waits for input and discards it. Returns `false` at the end of the input, and if it cannot be read.
fn discard_input() -> bool {
    // Another process that shares the descriptor may have made it non-blocking.
    let taken =
        poll(&mut [PollFd::new(&io::stdin(), PollFlags::IN)], None).and_then(|_| read(io::stdin(), &mut [0; 4096]));
    !matches!(taken, Ok(0)) && !taken.is_err_and(|error| error != Errno::AGAIN && error != Errno::INTR)
}

/// A command that runs `program` and that the kernel kills when this process ends, or the thread that started it.
///
/// # Errors
/// If the path of this process's own program cannot be read.
pub fn killed_on_exit(program: impl AsRef<OsStr>) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args([COMMAND, &id().to_string(), "--"]).arg(program);
    Ok(command)
}

/// The hidden command that [`killed_on_exit`] calls. Each program that uses `killed_on_exit` must have it.
#[derive(Debug, clap::Args)]
pub struct EndWithParent {
    /// The process with which the program must end.
    parent: u32,
    /// The program, and its arguments.
    #[arg(required = true, last = true)]
    words: Vec<OsString>,
}

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub enum EndWithParentError {
    /// The system could not start it.
    #[error("{} does not start ({source}); install it, or put its folder on the PATH", program.display())]
    Start {
        /// The program.
        program: OsString,
        /// The system's error.
        source: io::Error,
    },
    /// The parent has ended already.
    #[error("the process {0} has ended, and nothing is started without it")]
    Orphan(u32),
}

impl EndWithParent {
    /// Replaces this process with the program. Returns only if that fails.
    pub fn exec(&self) -> EndWithParentError {
        let (program, arguments) =
            self.words.split_first().map_or((OsStr::new(""), &[][..]), |(first, rest)| (first, rest));
        let failed = |source| EndWithParentError::Start { program: program.to_owned(), source };
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            return failed(error.into());
        }
        // The kernel does not send the signal for a parent that ended before the call above, so check now.
        if getppid().map(|parent| parent.as_raw_pid().cast_unsigned()) != Some(self.parent) {
            return EndWithParentError::Orphan(self.parent);
        }
        failed(Command::new(program).args(arguments).exec())
    }
}
