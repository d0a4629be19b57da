//! The signals that end a process: in good order first, and then at once.
//!
//! A thread of its own receives them, so that a process that is stuck in a write, in a wait for a child or in a loop
//! still ends at the second signal.

use std::fs;
use std::future::{Future, pending, poll_fn};
use std::io;
use std::pin::Pin;
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::thread;

use nix::sys::signal::{SigSet, Signal as Number};
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

use crate::exec::{StopHandle, monotonic_now};
use crate::process::exit::Status;
use crate::process::leftovers;
use crate::process::parent::{Lifetime, stdin_ends};
use crate::units::Nanos;

/// Signals that arrive within this time of the first are the same request: `timeout -s INT` signals its child and then
/// the group of the child, and a terminal signals a whole group.
pub const SAME_REQUEST: Nanos = Nanos::from_secs(1);

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// To end in good order, with partial results.
    End,
    /// The same as the first signal.
    Same,
    /// To end at once.
    AtOnce,
}

/// Decides what each signal asks for, from the times at which they arrive.
///
/// ```
/// use shared::process::signals::{Request, Requests};
/// use shared::units::Nanos;
///
/// let mut requests = Requests::default();
/// assert_eq!(requests.next(Nanos::from_millis(7_000)), Request::End);
/// assert_eq!(requests.next(Nanos::from_millis(7_001)), Request::Same);
/// assert_eq!(requests.next(Nanos::from_millis(9_500)), Request::AtOnce);
/// ```
#[derive(Debug, Default)]
pub struct Requests {
    first: Option<Nanos>,
}

impl Requests {
    /// What the signal that arrives at `at` asks for.
    pub fn next(&mut self, at: Nanos) -> Request {
        match self.first {
            None => {
                self.first = Some(at);
                Request::End
            }
            Some(first) if at.since(first) <= SAME_REQUEST => Request::Same,
            Some(_) => Request::AtOnce,
        }
    }
}

/// Blocks the signals that would stop or kill this process where the system call can return an error instead.
///
/// A write beyond `ulimit -f` then fails (SIGXFSZ), and a write to a terminal under `stty tostop` succeeds in the
/// background too (SIGTTOU; a handler would not help, because the kernel repeats the write and the signal). SIGUSR1 and
/// SIGUSR2 have no meaning here. Threads and children inherit the mask.
pub(crate) fn block_needless() -> io::Result<()> {
    let needless: SigSet = [Number::SIGXFSZ, Number::SIGTTOU, Number::SIGUSR1, Number::SIGUSR2].into_iter().collect();
    Ok(needless.thread_block()?)
}

/// Whether the first signal has arrived, for code that has no [`Signals`].
static COME: AtomicBool = AtomicBool::new(false);

/// Whether a signal has asked this process to end.
pub(crate) fn one_has_come() -> bool {
    COME.load(Ordering::Relaxed)
}

/// The signals that ask this process to end.
#[derive(Debug, Clone)]
pub struct Signals {
    /// Whether the first has arrived, for tasks of the runtime.
    asked: watch::Receiver<bool>,
    /// The same for an executor, and for code that computes.
    stop: StopHandle,
}

impl Signals {
    /// Starts to receive signals. The first one is only reported; the first that arrives more than [`SAME_REQUEST`]
    /// later ends the process at once, with status 130: children are killed, temporary files are removed, and no
    /// destructor runs. SIGQUIT always does that.
    ///
    /// # Errors
    /// If the system has no resources for it.
    pub fn new() -> io::Result<Self> {
        Self::of(Lifetime::default())
    }

    /// The same for a process with this `lifetime`: the end of standard input may count as a signal.
    ///
    /// # Errors
    /// As [`Signals::new`].
    pub fn of(lifetime: Lifetime) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let received = {
            let _context = runtime.enter();
            Received::new(lifetime.end_with_stdin.then(stdin_ends).transpose()?)?
        };
        let (tell, asked) = watch::channel(false);
        let stop = StopHandle::new()?;
        let stops = stop.clone();
        let work = move || listen(&runtime, received, &tell, &stops);
        thread::Builder::new().name("signals".to_owned()).spawn(work)?;
        Ok(Self { asked, stop })
    }

    /// A handle that is asked to stop when the first signal arrives.
    pub fn stop(&self) -> StopHandle {
        self.stop.clone()
    }

    /// Waits for the first signal; later calls never return. A call that is dropped before it returns loses no signal.
    pub async fn next(&mut self) {
        if self.asked.changed().await.is_err() {
            // The thread lives as long as the process.
            pending().await
        }
    }

    /// Whether a signal has arrived.
    pub fn have_come(&self) -> bool {
        self.stop.is_asked()
    }
}

/// The thread that receives signals.
fn listen(runtime: &Runtime, mut received: Received, tell: &watch::Sender<bool>, stop: &StopHandle) {
    let mut requests = Requests::default();
    loop {
        let request = match runtime.block_on(received.next()) {
            Kind::Ends => requests.next(monotonic_now()),
            Kind::EndsAtOnce => Request::AtOnce,
        };
        match request {
            Request::End => {
                COME.store(true, Ordering::Relaxed);
                stop.stop();
                tell.send_replace(true);
            }
            Request::Same => {}
            Request::AtOnce => {
                // Held until the exit, so that no other thread creates a leftover meanwhile.
                let _removed = leftovers::remove_all();
                process::exit(i32::from(Status::Interrupted as u8));
            }
        }
    }
}

enum Kind {
    Ends,
    EndsAtOnce,
}

/// Signals that would kill a process without a handler, and leave its socket behind: Ctrl-C, a request of another
/// process, timers of the process that started it, and the end of the CPU time that `ulimit -t` grants.
const ENDING: [Number; 7] = [
    Number::SIGINT,
    Number::SIGTERM,
    Number::SIGALRM,
    Number::SIGVTALRM,
    Number::SIGPROF,
    Number::SIGXCPU,
    Number::SIGIO,
];

/// The streams of the signals.
#[derive(Debug)]
struct Received {
    ending: Vec<Signal>,
    quit: Signal,
    /// The end of standard input, if it counts as a signal.
    stdin: Option<oneshot::Receiver<()>>,
}

impl Received {
    fn new(stdin: Option<oneshot::Receiver<()>>) -> io::Result<Self> {
        let stream = |number: Number| signal(SignalKind::from_raw(number as i32));
        let mut ending = ENDING.into_iter().map(stream).collect::<io::Result<Vec<_>>>()?;
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        // Under `nohup`, the process must survive the end of its terminal.
        if !ignores_hangup(&status) {
            ending.push(stream(Number::SIGHUP)?);
        }
        Ok(Self { ending, quit: stream(Number::SIGQUIT)?, stdin })
    }

    async fn next(&mut self) -> Kind {
        let Self { ending, quit, stdin } = self;
        poll_fn(|cx| {
            if quit.poll_recv(cx).is_ready() {
                return Poll::Ready(Kind::EndsAtOnce);
            }
            if stdin.as_mut().is_some_and(|ends| Pin::new(ends).poll(cx).is_ready()) {
                *stdin = None;
                return Poll::Ready(Kind::Ends);
            }
            // Each stream that is not ready has registered the waker.
            let ends = ending.iter_mut().any(|stream| stream.poll_recv(cx).is_ready());
            if ends { Poll::Ready(Kind::Ends) } else { Poll::Pending }
        })
        .await
    }
}

/// Whether the set of ignored signals in `status`, as `/proc` shows it, has the first signal, which
/// is the hangup.
fn ignores_hangup(status: &str) -> bool {
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    ignored.is_some_and(|set| set & 1 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hangup_is_the_first_of_the_set() {
        assert!(ignores_hangup("Name:\tlab\nSigIgn:\t0000000000000001\n"));
        assert!(!ignores_hangup("SigIgn:\t0000000000001000\n"));
        assert!(!ignores_hangup(""));
    }

    #[test]
    fn signals_within_a_second_of_the_first_are_one_request() {
        use Request::{AtOnce, End, Same};
        let asked = |times: &[u64]| {
            let mut requests = Requests::default();
            times.iter().map(|at| requests.next(Nanos(*at))).collect::<Vec<_>>()
        };
        let second = 1_000_000_000;
        assert_eq!(asked(&[5, 6, 5 + second]), [End, Same, Same]);
        assert_eq!(asked(&[5, 6 + second]), [End, AtOnce]);
        // Counted from the first, not from the one before: holding Ctrl-C down ends it too.
        let held = asked(&[0, 400_000_000, 800_000_000, 1_200_000_000]);
        assert_eq!(held, [End, Same, Same, AtOnce]);
        assert_eq!(asked(&[0, 90 * second, 90 * second + 1]), [End, AtOnce, AtOnce]);
    }
}
