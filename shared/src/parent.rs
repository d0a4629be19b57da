//! How a child process ends with its parent, however that one dies: killed, it can tell its children nothing.
//!
//! A child that has something to finish watches its standard input, the reading end of a pipe
//! ([`pipe_until_our_end`]). Only the parent holds the writing end, so the end of file is the end of the parent,
//! through every tool that may stand between the two. The child takes it as it takes SIGTERM: see
//! [`Signals::of`](crate::signals::Signals::of).
//!
//! Any other program is killed by the system, which has to be asked for that between `fork` and `exec`: it is
//! started through a hidden command of its parent's own program ([`bound`], [`Bound`]).

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

/// The name of the hidden command that [`bound`] calls.
const COMMAND: &str = "end-with-parent";

/// Both ends of the pipe. No child inherits either by itself, and nothing is ever written.
static PIPE: LazyLock<Result<(OwnedFd, OwnedFd), Errno>> = LazyLock::new(|| pipe_with(PipeFlags::CLOEXEC));

/// Standard input for children that watch it: it ends when this process does.
///
/// # Errors
/// If there are no descriptors for it.
pub fn pipe_until_our_end() -> io::Result<Stdio> {
    match &*PIPE {
        Ok((reading, _writing)) => Ok(reading.try_clone()?.into()),
        Err(error) => Err((*error).into()),
    }
}

/// Ready when standard input ends. What arrives there before is read and ignored.
///
/// A thread waits for it, since standard input may be a file or a terminal too, on which no runtime can wait.
pub(crate) fn stdin_ends() -> io::Result<oneshot::Receiver<()>> {
    let (tell, ends) = oneshot::channel::<()>();
    thread::Builder::new().name("stdin".to_owned()).spawn(move || {
        while may_go_on() {}
        // Dropped, it is heard.
        drop(tell);
    })?;
    Ok(ends)
}

/// Waits for input and takes it. False at the end of it, and where it cannot be read at all.
fn may_go_on() -> bool {
    // Another process that shares the descriptor may have made it non-blocking.
    let taken =
        poll(&mut [PollFd::new(&io::stdin(), PollFlags::IN)], None).and_then(|_| read(io::stdin(), &mut [0; 4096]));
    !matches!(taken, Ok(0)) && !taken.is_err_and(|error| error != Errno::AGAIN && error != Errno::INTR)
}

/// A command that runs `program` and is killed when this process ends, or the thread that starts it.
///
/// # Errors
/// If this process cannot tell where its own program is.
pub fn bound(program: impl AsRef<OsStr>) -> io::Result<Command> {
    let mut command = Command::new(env::current_exe()?);
    command.args([COMMAND, &id().to_string(), "--"]).arg(program);
    Ok(command)
}

/// The hidden command that [`bound`] calls: each program that uses that has it.
#[derive(Debug, clap::Args)]
pub struct Bound {
    /// The process that the program must not outlive.
    parent: u32,
    /// The program, and its arguments.
    #[arg(required = true, last = true)]
    words: Vec<OsString>,
}

/// A program that was not started.
#[derive(Debug, thiserror::Error)]
pub enum BoundError {
    /// The system says no.
    #[error("{} does not start ({source}); install it, or put its folder on the PATH", program.display())]
    Start {
        /// The program.
        program: OsString,
        /// What the system said.
        source: io::Error,
    },
    /// There is nothing left to do.
    #[error("the process {0} has ended, and nothing is started without it")]
    Orphan(u32),
}

impl Bound {
    /// Becomes the program. Returns only if that is not possible.
    pub fn exec(&self) -> BoundError {
        let (program, arguments) =
            self.words.split_first().map_or((OsStr::new(""), &[][..]), |(first, rest)| (first, rest));
        let failed = |source| BoundError::Start { program: program.to_owned(), source };
        if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
            return failed(error.into());
        }
        // A parent that died before the call above is never heard of.
        if getppid().map(|parent| parent.as_raw_pid().cast_unsigned()) != Some(self.parent) {
            return BoundError::Orphan(self.parent);
        }
        failed(Command::new(program).args(arguments).exec())
    }
}
