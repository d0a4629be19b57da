//! A driver process and an honest stack, for the tests.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::rc::Rc;

use rustix::process::{Pid, Signal as OsSignal, kill_process};
use shared::control::{Bye, ByeReason, Control};
use shared::exec::{Clock, IdleMode, Interrupt, RealPark, Signal, monotonic_now, run};
use shared::ring::socket::{SocketProducer, Tables};
use shared::ring::{Completion, Depth, Descriptor, Producer, ProducerPort};
use shared::testing::Stack;
use tempfile::TempDir;

/// A driver that listens. It is killed if it still runs when the test ends.
pub(crate) struct Driver {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: BufReader<ChildStderr>,
    pub(crate) socket: PathBuf,
}

/// How a driver ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// The binary, without the variables of the environment that set its flags.
pub(crate) fn command(flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_driver"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PUSHBACK_")) {
        command.env_remove(name);
    }
    command.args(flags).stdin(Stdio::null());
    command
}

impl Driver {
    /// Starts a driver at `socket`, and waits until it reports that it listens.
    pub(crate) fn start(socket: &Path, flags: &[&str]) -> Self {
        Self::start_as(command(flags), socket)
    }

    /// Starts a driver at `socket`, and waits until it reports that it listens. `None` if it ended instead.
    pub(crate) fn try_start(socket: &Path, flags: &[&str]) -> Option<Self> {
        let (driver, ready) = Self::spawn(command(flags), socket);
        (!ready.is_empty()).then_some(driver)
    }

    /// Starts a driver at `socket` with `command`, and waits until it reports that it listens.
    pub(crate) fn start_as(command: Command, socket: &Path) -> Self {
        let (driver, ready) = Self::spawn(command, socket);
        assert_eq!(ready, format!("driver: ready on {}\n", socket.display()));
        driver
    }

    /// Starts a driver, and returns its first line.
    fn spawn(mut command: Command, socket: &Path) -> (Self, String) {
        command.arg("--socket").arg(socket).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut ready = String::new();
        stdout.read_line(&mut ready).unwrap();
        (Self { child, stdout, stderr, socket: socket.to_owned() }, ready)
    }

    pub(crate) fn signal(&self, signal: OsSignal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the next line on its standard error.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line
    }

    pub(crate) fn wait(mut self) -> Exit {
        let mut exit = Exit { status: None, stdout: String::new(), stderr: String::new() };
        self.stdout.read_to_string(&mut exit.stdout).unwrap();
        self.stderr.read_to_string(&mut exit.stderr).unwrap();
        exit.status = self.child.wait().unwrap().code();
        exit
    }

    /// Interrupts it, and waits for its end.
    pub(crate) fn stop(self) -> Exit {
        self.signal(OsSignal::INT);
        self.wait()
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends `frames` as a stack does, waits for all completions, and sends the farewell. Returns the completions and the
/// driver's farewell.
pub(crate) fn transmit(stack: Stack, depth: u32, frames: Vec<Vec<u8>>) -> (Vec<Completion>, Bye) {
    let depth = Depth::new(depth).unwrap();
    let port = SocketProducer::new(OwnedFd::from(stack.0), Tables::producer(depth).unwrap()).unwrap();
    let connection = Rc::clone(port.connection());
    let clock = Clock::starting_at(monotonic_now());
    let park = RealPark::new(vec![Rc::clone(&connection) as _], Rc::new(Interrupt::never()), IdleMode::Hybrid);
    let ring = Rc::new(Producer::new(port, depth, clock.clone()));
    let inner = clock.clone();
    run(&clock, park, |tasks| async move {
        let total = frames.len();
        let (done, count) = (Rc::new(Signal::default()), Rc::new(RefCell::new(Vec::new())));
        let (taker, tell, log) = (Rc::clone(&ring), Rc::clone(&done), Rc::clone(&count));
        tasks.spawn(async move {
            while log.borrow().len() < total {
                let completion = taker.connection().arrived().wait_for(|| taker.next_completion()).await;
                log.borrow_mut().push(completion);
                tell.notify();
            }
        });
        for (sequence, frame) in frames.iter().enumerate() {
            let submitted = inner.now();
            let descriptor = Descriptor { len: frame.len() as u32, flow: 0, sequence: sequence as u64, submitted };
            ring.reserve().await.submit(descriptor, frame, b"");
        }
        done.wait_for(|| (count.borrow().len() == total).then_some(())).await;
        let bye = Bye { reason: ByeReason::Finished, frames: total as u64, report: None };
        connection.send_control(&Control::Bye(Box::new(bye)));
        match connection.arrived().wait_for(|| connection.next_control()).await {
            Control::Bye(bye) => (count.take(), *bye),
            other => panic!("no farewell: {other:?}"),
        }
    })
    .unwrap()
}
