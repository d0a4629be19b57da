//! A child process, which never outlives its owner: its start, its CPU and its exit.

use std::env;
use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use shared::process::exit::Status;
use shared::process::leftovers::{Leftover, Registered, register};
use tokio::process::{Child, ChildStdout, Command};

/// A child process. If this is dropped while it runs, it is killed; [`Process::kill`] also waits for its end.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// A lab that ends at once kills it.
    _registered: Registered,
}

/// Removes the settings in the lab's environment from that of `command`.
pub(crate) fn without_settings(command: &mut std::process::Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PUSHBACK_")) {
        command.env_remove(name);
    }
}

impl Process {
    /// Starts `command`. The child gets all settings by its arguments, and none from the environment of the lab. It
    /// must end when the lab is killed, because of `stdin` or by itself: see [`shared::process::parent`].
    ///
    /// The child has its own process group: Ctrl-C at the terminal reaches only the lab, which passes it on, so that no
    /// child receives it twice.
    pub(crate) fn start(mut command: Command, stdin: Stdio) -> io::Result<Self> {
        without_settings(command.as_std_mut());
        command.stdin(stdin).process_group(0).kill_on_drop(true);
        let (child, registered) = register(|| {
            let child = command.spawn()?;
            // The child has not been waited for, so its process id cannot be reused yet.
            let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).ok_or(Errno::SRCH)?;
            Ok::<_, io::Error>((child, Leftover::Child(pidfd_open(pid, PidfdFlags::empty())?)))
        })?;
        Ok(Self { child, _registered: registered })
    }

    /// Its process id, unless it has ended and was waited for.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Restricts it to `cpu`. Call this right after the start, while it has only one thread.
    pub(crate) fn pin_to(&self, cpu: Cpu) -> io::Result<()> {
        match self.pid() {
            Some(pid) => cpu.pin(pid),
            None => Ok(()),
        }
    }

    /// Its standard output, if that was piped and is not taken yet.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end and returns its exit; works again after the first time.
    pub(crate) async fn exited(&mut self) -> io::Result<ChildExit> {
        self.child.wait().await.map(ChildExit::from)
    }

    /// Sends `signal`, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // An error means that it has just ended.
            let _ = kill_process(pid, signal);
        }
    }

    /// `None` if it has ended, and been waited for.
    fn pid(&self) -> Option<Pid> {
        self.id().and_then(|pid| Pid::from_raw(pid.cast_signed()))
    }

    /// Kills it if it runs, and waits for its end.
    pub(crate) async fn kill(&mut self) {
        // An error means that there is nothing to kill.
        let _ = self.child.kill().await;
    }
}

/// The numbers of the signals that ask a process to end.
const INTERRUPT: i32 = rustix::process::Signal::INT.as_raw();
const TERMINATE: i32 = rustix::process::Signal::TERM.as_raw();

/// The exit of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChildExit {
    /// With a status of its own choice.
    Status(Status),
    /// With a status that no program of this project chooses: most likely it panicked.
    Unknown(i32),
    /// By a signal that it did not handle.
    Killed(i32),
}

impl ChildExit {
    /// The status that it counts as: a process that crashed or was killed has failed its peer.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Status(status) => status,
            Self::Unknown(_) | Self::Killed(_) => Status::PeerFailed,
        }
    }
}

impl From<ExitStatus> for ChildExit {
    fn from(status: ExitStatus) -> Self {
        let known =
            [Status::Fine, Status::Failed, Status::Usage, Status::PeerFailed, Status::Unbalanced, Status::Interrupted];
        match (status.code(), status.signal()) {
            (Some(code), _) => {
                let status = known.into_iter().find(|known| i32::from(*known as u8) == code);
                status.map_or(Self::Unknown(code), Self::Status)
            }
            // It ended before it had a handler for them.
            (None, Some(INTERRUPT | TERMINATE)) => Self::Status(Status::Interrupted),
            (None, signal) => Self::Killed(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for ChildExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "exit status {}", *status as u8),
            Self::Unknown(code) => write!(f, "exit status {code}, which it never chooses itself"),
            Self::Killed(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

/// A CPU, as the system numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cpu(usize);

/// A CPU for each of two processes that are measured, so that neither waits for the other's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CpuPair {
    /// For the stack, or for the sender of a benchmark.
    pub(crate) producer: Cpu,
    /// For the driver, or for the receiver of a benchmark.
    pub(crate) consumer: Cpu,
}

impl CpuPair {
    /// The first two CPUs that this process may use; `None` if there is only one.
    pub(crate) fn here() -> Option<Self> {
        Self::of(&sched_getaffinity(None).ok()?)
    }

    /// One CPU for both, for counts of instructions: each process then runs until it must wait, and the sizes of
    /// batches do not depend on which process was faster.
    pub(crate) fn shared() -> Option<Self> {
        let cpu = *Self::allowed(&sched_getaffinity(None).ok()?).first()?;
        Some(Self { producer: cpu, consumer: cpu })
    }

    fn of(allowed: &CpuSet) -> Option<Self> {
        match Self::allowed(allowed)[..] {
            [producer, consumer, ..] => Some(Self { producer, consumer }),
            _ => None,
        }
    }

    fn allowed(set: &CpuSet) -> Vec<Cpu> {
        (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).map(Cpu).collect()
    }
}

impl Cpu {
    /// Restricts `process` to this CPU, unless it has ended.
    pub(super) fn pin(self, process: Pid) -> io::Result<()> {
        let mut only = CpuSet::new();
        only.set(self.0);
        match sched_setaffinity(Some(process), &only) {
            Err(Errno::SRCH) => Ok(()),
            kept => Ok(kept?),
        }
    }
}

impl fmt::Display for Cpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_process_is_read_from_its_status() {
        let code = |code: i32| ChildExit::from(ExitStatus::from_raw(code << 8));
        assert_eq!(code(0), ChildExit::Status(Status::Fine));
        assert_eq!(code(130), ChildExit::Status(Status::Interrupted));
        assert_eq!((code(101), code(101).status()), (ChildExit::Unknown(101), Status::PeerFailed));
        let killed = ChildExit::from(ExitStatus::from_raw(9));
        assert_eq!((killed, killed.status()), (ChildExit::Killed(9), Status::PeerFailed));
        assert_eq!(killed.to_string(), "killed by signal 9");
    }

    #[test]
    fn each_side_has_its_own_or_none_has() {
        let mut allowed = CpuSet::new();
        assert_eq!(CpuPair::of(&allowed), None);
        allowed.set(3);
        assert_eq!(CpuPair::of(&allowed), None);
        allowed.set(8);
        allowed.set(9);
        assert_eq!(CpuPair::of(&allowed), Some(CpuPair { producer: Cpu(3), consumer: Cpu(8) }));
    }
}
