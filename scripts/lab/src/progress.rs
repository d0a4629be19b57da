//! Shows the current step on standard error: on a terminal in one line that is replaced, elsewhere every ten seconds,
//! and not at all with --quiet.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use shared::process::output::{Stream, complain, line, understands_escapes};

/// How often the current step is written where a line cannot be replaced, such as a file.
const REPEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Moves the cursor to the first column and clears the line (ANSI erase-in-line).
const CLEAR: &str = "\r\x1b[2K";

/// Whether the command is quiet. There is one standard error, and one command that a process runs.
static SILENT: AtomicBool = AtomicBool::new(false);

/// Lets no step be shown from now on if the command is `quiet`.
pub(crate) fn silence(quiet: bool) {
    SILENT.store(quiet, Ordering::Relaxed);
}

/// Shows the current step on standard error until it is dropped.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Nothing is shown.
    Silent,
    /// On a terminal each change is shown at once.
    Terminal,
    /// Elsewhere the current step is repeated; `None` if the system has no thread left for that.
    Repeated(Option<Ticker>),
}

/// A thread that repeats the last text, because one step may take minutes.
#[derive(Debug)]
pub(crate) struct Ticker {
    text: Arc<Mutex<String>>,
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        if SILENT.load(Ordering::Relaxed) {
            return Self::Silent;
        }
        if understands_escapes(Stream::Err) {
            return Self::Terminal;
        }
        let began = Instant::now();
        let say = move |text: &str| complain(format_args!("lab: {text} ({} s so far)", began.elapsed().as_secs()));
        Self::Repeated(Ticker::start(REPEAT_INTERVAL, say))
    }

    /// Sets the current step to `what`.
    pub(crate) fn now(&self, what: &str) {
        match self {
            Self::Silent | Self::Repeated(None) => {}
            Self::Terminal => replace(what),
            Self::Repeated(Some(ticker)) => {
                what.clone_into(&mut ticker.text.lock().unwrap_or_else(PoisonError::into_inner));
            }
        }
    }
}

/// Replaces the last line of the terminal.
fn replace(what: &str) {
    line(Stream::Err, format!("{CLEAR}{what}"));
}

impl Drop for Progress {
    fn drop(&mut self) {
        if matches!(self, Self::Terminal) {
            replace("");
        }
    }
}

impl Ticker {
    /// Calls `say` with the text every `period`. Returns `None` if the system has no thread left: then no progress is
    /// shown, and everything else works.
    fn start(period: Duration, say: impl Fn(&str) + Send + 'static) -> Option<Self> {
        let (end, ended) = channel();
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let tick = move || tick(&ended, period, || say(&shared.lock().unwrap_or_else(PoisonError::into_inner).clone()));
        let thread = thread::Builder::new().name("progress".to_owned()).spawn(tick).ok()?;
        Some(Self { text, end: Some(end), thread: Some(thread) })
    }
}

fn tick(ended: &Receiver<()>, period: Duration, say: impl Fn()) {
    while ended.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
        say();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        drop(self.end.take());
        // Wait for the thread, so that its line is not mixed with what is printed next.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // It fails only if the thread panicked; there is nothing to undo.
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_is_repeated_until_the_end() {
        let (sender, receiver) = channel();
        let ticker =
            Ticker::start(Duration::from_millis(1), move |text| sender.send(text.to_owned()).unwrap()).unwrap();
        let progress = Progress::Repeated(Some(ticker));
        for text in ["run 3", "run 4"] {
            progress.now(text);
            let mut repeated = receiver.iter().skip_while(|repeated| repeated != text);
            assert_eq!([repeated.next(), repeated.next()], [Some(text.to_owned()), Some(text.to_owned())]);
        }
        drop(progress);
        assert!(receiver.iter().all(|repeated| repeated == "run 4"), "the thread has ended, or this would wait");
    }
}
