//! What goes on right now: one line that is replaced on a terminal, and a line from time to time elsewhere.

use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use shared::exit::complain;
use shared::output::{Stream, is_terminal, line};

/// How often a line is written where none can be replaced, as in a file.
const FROM_TIME_TO_TIME: Duration = Duration::from_secs(10);

/// Back to the first column, and nothing more on this line.
const CLEAR: &str = "\r\x1b[2K";

/// Says on standard error what goes on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    /// Nothing on a terminal, where each change is shown at once.
    ticker: Option<Ticker>,
}

/// A thread that repeats the last text: what goes on may take so long that nothing changes meanwhile.
#[derive(Debug)]
struct Ticker {
    text: Arc<Mutex<String>>,
    /// Dropped to end the thread.
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    pub(crate) fn new() -> Self {
        if is_terminal(Stream::Err) {
            return Self { ticker: None };
        }
        let began = Instant::now();
        let say = move |text: &str| complain(format_args!("lab: {text} ({} s so far)", began.elapsed().as_secs()));
        Self { ticker: Ticker::start(FROM_TIME_TO_TIME, say) }
    }

    /// Says what goes on now.
    pub(crate) fn now(&self, what: &str) {
        match &self.ticker {
            Some(ticker) => what.clone_into(&mut ticker.text.lock().unwrap_or_else(PoisonError::into_inner)),
            None => replace(what),
        }
    }
}

/// Replaces the line at the bottom of the terminal.
fn replace(what: &str) {
    line(Stream::Err, format!("{CLEAR}{what}"));
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.ticker.is_none() {
            replace("");
        }
    }
}

impl Ticker {
    /// Says the text every `period`. Where no thread can be had, there is no sign of life, and all else works.
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
        // What it says may not be mixed with what comes next.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_text_is_repeated_until_the_end() {
        let (said, heard) = channel();
        let ticker = Ticker::start(Duration::from_millis(1), move |text| said.send(text.to_owned()).unwrap()).unwrap();
        let progress = Progress { ticker: Some(ticker) };
        for text in ["run 3", "run 4"] {
            progress.now(text);
            let mut repeated = heard.iter().skip_while(|heard| heard != text);
            assert_eq!([repeated.next(), repeated.next()], [Some(text.to_owned()), Some(text.to_owned())]);
        }
        drop(progress);
        assert!(heard.iter().all(|heard| heard == "run 4"), "the thread has ended, or this would wait");
    }
}
