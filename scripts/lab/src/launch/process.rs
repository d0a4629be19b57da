//! One child process, which never outlives its owner.

use std::env;
use std::io;
use std::process::Stdio;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use shared::process::leftovers::{Leftover, Registered, register};
use tokio::process::{Child, ChildStdout, Command};

use super::Cpu;
use crate::verdict::Ended;

/// A child process. Dropped while it runs, it is killed; [`Process::reap`] also waits for that.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    /// It is killed with a lab that ends at once.
    _registered: Registered,
}

/// Keeps the settings in our environment from `command`.
pub(crate) fn without_settings(command: &mut std::process::Command) {
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PUSHBACK_")) {
        command.env_remove(name);
    }
}

impl Process {
    /// Starts `command`. It gets all settings by its arguments, and none by our part of the
    /// environment. With `stdin` or by itself, it is to end when the lab is killed: see [`shared::process::parent`].
    ///
    /// It gets a process group of its own: Ctrl-C at the terminal reaches the lab alone, which
    /// passes it on, so that no child receives it twice.
    pub(crate) fn start(mut command: Command, stdin: Stdio) -> io::Result<Self> {
        without_settings(command.as_std_mut());
        command.stdin(stdin).process_group(0).kill_on_drop(true);
        let (child, registered) = register(|| {
            let child = command.spawn()?;
            // It has not been waited for, so its number is its own.
            let pid = child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())).ok_or(Errno::SRCH)?;
            Ok::<_, io::Error>((child, Leftover::Child(pidfd_open(pid, PidfdFlags::empty())?)))
        })?;
        Ok(Self { child, _registered: registered })
    }

    /// Its process number, unless it has ended and was waited for.
    pub(crate) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Lets it run on `cpu` only. It has one thread, and that has hardly begun.
    pub(crate) fn keep_on(&self, cpu: Cpu) -> io::Result<()> {
        match self.pid() {
            Some(pid) => cpu.keep(pid),
            None => Ok(()),
        }
    }

    /// What it writes to standard output, if that was piped and is not taken yet.
    pub(crate) fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end. Returns how it ended, also when it has been waited for before.
    pub(crate) async fn ended(&mut self) -> io::Result<Ended> {
        self.child.wait().await.map(Ended::from)
    }

    /// Sends `signal`, unless it has ended.
    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            // It may end at this very moment.
            let _ = kill_process(pid, signal);
        }
    }

    /// `None` if it has ended, and been waited for.
    fn pid(&self) -> Option<Pid> {
        self.id().and_then(|pid| Pid::from_raw(pid.cast_signed()))
    }

    /// Makes sure that it is gone.
    pub(crate) async fn reap(&mut self) {
        // An error means that there is nothing to kill.
        let _ = self.child.kill().await;
    }
}
