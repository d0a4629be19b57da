//! What a process writes to its standard streams. A reader that stops reading stops nothing else.
//!
//! Each stream has a queue and a thread that writes. A *line* shows progress (an interval line, a log line); it is
//! dropped, and counted, when [`MOST_LINES`] lines are queued. A *text* is a result; it is always queued, behind the
//! lines before it. Neither blocks its caller. The process waits for its readers once, with [`finish`] at
//! its end. Before a signal, it waits for the reader of a text without limit. After a signal, or if only lines are
//! queued, it gives up when the reader takes nothing for 2 s.
//!
//! ```
//! use shared::process::output::{Stream, finish, line, lines_dropped, text};
//!
//! line(Stream::Err, "half of it is done\n");
//! text(Stream::Out, "all of it is done\n");
//! finish();
//! assert_eq!(lines_dropped(), 0);
//! ```

use std::collections::VecDeque;
use std::env;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, ErrorKind, IsTerminal};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::{Errno, ioctl_fionread, write};

use crate::exec::monotonic_now;
use crate::process::signals;
use crate::units::Nanos;

/// Lines that may be queued for one stream. The producer of a line bounds its length.
pub const MOST_LINES: usize = 1024;

/// How long a reader may take nothing before a limited wait ends.
const READER_TIMEOUT: Nanos = Nanos::from_secs(2);

/// How often a wait checks for signals and for progress of the reader.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// Bytes of one write: a terminal of 9600 baud takes them in about a second, so that its progress is seen.
const CHUNK: usize = 1024;

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// A text that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signal came, and the reader took nothing for {READER_TIMEOUT}")]
struct Unread;

/// Whether `error` says that the text was given up after a signal, because its reader took nothing more.
pub fn is_unread(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unread>())
}

/// Queues `bytes`, with their line feed, or drops and counts them if [`MOST_LINES`] lines are queued.
pub fn line(stream: Stream, bytes: impl Into<Vec<u8>>) {
    // Once a text was given up, the reader gets nothing more, so a line is dropped too.
    let _ = writer(stream).push(Kind::Line, bytes.into());
}

/// Queues `bytes`, which are not dropped. [`finish`] waits for their reader.
pub fn text(stream: Stream, bytes: impl Into<Vec<u8>>) {
    if !writer(stream).push(Kind::Text, bytes.into()) {
        UNREAD.store(true, Ordering::Relaxed);
    }
}

/// Writes `bytes` behind all that is queued, and waits until the reader has taken them.
///
/// # Errors
/// The error of the stream, or one for which [`is_unread`] is true.
pub fn write_whole(stream: Stream, bytes: Vec<u8>) -> io::Result<()> {
    writer(stream).write_whole(bytes, signals::one_has_come)
}

/// The same for `file`, a pipe or a device, whose reader may sleep.
///
/// # Errors
/// As [`write_whole`].
pub(crate) fn write_to_reader(file: File, bytes: Vec<u8>) -> io::Result<()> {
    QueuedWriter::new(file, false).write_whole(bytes, signals::one_has_come)
}

/// Queues one line about a problem for standard error. It is dropped if [`MOST_LINES`] lines are queued.
pub fn complain(trouble: impl Display) {
    line(Stream::Err, harmless(&trouble.to_string()) + "\n");
}

/// Queues the reason why the process fails for standard error: one line, whose reader the process waits for at the end.
pub(crate) fn fail(why: impl Display) {
    text(Stream::Err, harmless(&why.to_string()) + "\n");
}

/// Replaces control characters and line feeds of `line` by blanks: part of it may come from a peer.
pub fn harmless(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Waits for the readers of both streams, and drops what a reader does not take in time.
pub fn finish() {
    for stream in [Stream::Out, Stream::Err] {
        if writer(stream).settle(signals::one_has_come).is_err() {
            UNREAD.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether [`finish`] gave up a text.
pub(crate) fn gave_up() -> bool {
    UNREAD.load(Ordering::Relaxed)
}

static UNREAD: AtomicBool = AtomicBool::new(false);

/// Why a text could not be written: the device is full, or failed. A reader that closed its end is no failure.
pub(crate) fn unwritten() -> Option<String> {
    [Stream::Out, Stream::Err].into_iter().find_map(|stream| {
        let state = writer(stream).lock();
        state.failure.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(io::Error::to_string)
    })
}

/// Lines that were dropped so far on both streams, because the queue or the device was full.
pub fn lines_dropped() -> u64 {
    [Stream::Out, Stream::Err].into_iter().map(|stream| writer(stream).lock().queue.dropped).sum()
}

/// Whether `stream` is a terminal.
#[expect(clippy::disallowed_methods, reason = "nothing is written here")]
fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Out => io::stdout().is_terminal(),
        Stream::Err => io::stderr().is_terminal(),
    }
}

/// Whether `stream` is a terminal that understands escape sequences, such as those that move the cursor.
pub fn understands_escapes(stream: Stream) -> bool {
    is_terminal(stream) && env::var_os("TERM").is_some_and(|terminal| terminal != "dumb")
}

/// Whether text on `stream` is in colours: on a terminal, unless `NO_COLOR` is set (see <https://no-color.org>).
pub(crate) fn shows_colours(stream: Stream) -> bool {
    understands_escapes(stream) && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// The writer of `stream`.
#[expect(clippy::disallowed_methods, reason = "this module owns the standard streams")]
fn writer(stream: Stream) -> &'static Arc<QueuedWriter> {
    static OUT: LazyLock<Arc<QueuedWriter>> = LazyLock::new(|| QueuedWriter::new(io::stdout(), true));
    static ERR: LazyLock<Arc<QueuedWriter>> = LazyLock::new(|| QueuedWriter::new(io::stderr(), true));
    match stream {
        Stream::Out => &OUT,
        Stream::Err => &ERR,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Line,
    Text,
}

/// Lines and texts that are not written yet, and the rule of which are dropped.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Kind, Vec<u8>)>,
    /// Lines that are queued or being written.
    lines: usize,
    /// Texts that are queued or being written.
    texts: usize,
    dropped: u64,
}

impl Queue {
    fn push(&mut self, kind: Kind, bytes: Vec<u8>) {
        match kind {
            Kind::Line if self.lines == MOST_LINES => return self.dropped += 1,
            Kind::Line => self.lines += 1,
            Kind::Text => self.texts += 1,
        }
        self.waiting.push_back((kind, bytes));
    }

    /// Takes the next to write. It counts as queued until [`Queue::settle`].
    fn next(&mut self) -> Option<(Kind, Vec<u8>)> {
        self.waiting.pop_front()
    }

    /// Counts one of this `kind` as written, or as dropped if the device did not take it (`lost`).
    fn settle(&mut self, kind: Kind, lost: bool) {
        match kind {
            Kind::Line => {
                self.lines -= 1;
                self.dropped += u64::from(lost);
            }
            Kind::Text => self.texts -= 1,
        }
    }

    /// Drops everything except what is being written.
    fn give_up(&mut self) {
        let lines = self.waiting.iter().filter(|(kind, _)| *kind == Kind::Line).count();
        (self.lines, self.texts) = (self.lines - lines, self.texts - (self.waiting.len() - lines));
        self.dropped += lines as u64;
        self.waiting.clear();
    }

    fn is_empty(&self) -> bool {
        self.lines + self.texts == 0
    }
}

/// The wait for a reader, limited or not.
#[derive(Debug, Default)]
struct ReaderWait<P> {
    /// The progress of the reader at the last check.
    progress: Option<P>,
    /// Since when a limited wait has seen no progress.
    since: Nanos,
}

impl<P: PartialEq> ReaderWait<P> {
    /// Whether the wait goes on at `now`, given the `progress` of the reader: always if the wait is not `limited`.
    fn goes_on(&mut self, now: Nanos, progress: P, limited: bool) -> bool {
        let progress = Some(progress);
        if !limited || self.progress != progress {
            (self.progress, self.since) = (progress, now);
        }
        now.since(self.since) < READER_TIMEOUT
    }
}

/// A descriptor, its queue, and the thread that writes to it.
struct QueuedWriter {
    descriptor: Box<dyn AsFd + Send + Sync>,
    /// Whether the thread waits for more when the queue is empty.
    lasting: bool,
    state: Mutex<State>,
    changed: Condvar,
    /// Bytes that were written.
    taken: AtomicU64,
}

#[derive(Default)]
struct State {
    queue: Queue,
    has_thread: bool,
    /// Whether a text was given up. Nothing is queued after that.
    given_up: bool,
    /// The error of the first text that could not be written.
    failure: Option<io::Error>,
}

impl QueuedWriter {
    fn new(descriptor: impl AsFd + Send + Sync + 'static, lasting: bool) -> Arc<Self> {
        Arc::new(Self {
            descriptor: Box::new(descriptor),
            lasting,
            state: Mutex::default(),
            changed: Condvar::new(),
            taken: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues `bytes`. Returns `false` if a text was given up before, so that nothing is written any more.
    fn push(self: &Arc<Self>, kind: Kind, bytes: Vec<u8>) -> bool {
        let mut state = self.lock();
        if state.given_up {
            return false;
        }
        state.queue.push(kind, bytes);
        if !state.has_thread {
            let writer = Arc::clone(self);
            let work = move || while writer.write_next(writer.lasting) {};
            // If the system has no thread left, lines stay queued until `settle` writes them.
            state.has_thread = thread::Builder::new().name("output".to_owned()).spawn(work).is_ok();
        }
        self.changed.notify_all();
        true
    }

    /// Writes the next line or text in the queue. If it is empty, waits for more if `lasting`, and returns `false`
    /// otherwise.
    fn write_next(&self, lasting: bool) -> bool {
        let mut state = self.lock();
        let (kind, bytes) = loop {
            match state.queue.next() {
                Some(next) => break next,
                None if !lasting => {
                    state.has_thread = false;
                    return false;
                }
                None => state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(state);
        // Without the lock, because a write blocks for as long as the reader sleeps.
        let written = self.write(&bytes);
        let mut state = self.lock();
        let left = |error: &io::Error| error.kind() == ErrorKind::BrokenPipe;
        state.queue.settle(kind, written.as_ref().is_err_and(|error| !left(error)));
        if let (Err(error), Kind::Text, None) = (written, kind, &state.failure) {
            state.failure = Some(error);
        }
        self.changed.notify_all();
        true
    }

    fn write(&self, mut bytes: &[u8]) -> io::Result<()> {
        let descriptor = self.descriptor.as_fd();
        while !bytes.is_empty() {
            match write(descriptor, &bytes[..bytes.len().min(CHUNK)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => {
                    self.taken.fetch_add(written as u64, Ordering::Relaxed);
                    bytes = &bytes[written..];
                }
                Err(Errno::INTR) => {}
                // Another process that shares the open file may have made it non-blocking.
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&descriptor, PollFlags::OUT)], None) {
                    Ok(_) | Err(Errno::INTR) => {}
                    Err(error) => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn write_whole(self: &Arc<Self>, bytes: Vec<u8>, hurry: impl Fn() -> bool) -> io::Result<()> {
        let settled = if self.push(Kind::Text, bytes) { self.settle(hurry) } else { Err(Unread) };
        settled.map_err(|unread| io::Error::new(ErrorKind::TimedOut, unread))?;
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    /// Waits until the queue is empty; once `hurry` returns true, only while the reader makes progress.
    fn settle(&self, hurry: impl Fn() -> bool) -> Result<(), Unread> {
        if !self.lock().has_thread {
            // Without a thread that writes, this thread does. Only a second signal ends its write, which is better than
            // no text at all.
            while self.write_next(false) {}
        }
        let mut wait = ReaderWait::default();
        let mut state = self.lock();
        while !state.queue.is_empty() && !state.given_up {
            let limited = state.queue.texts == 0 || hurry();
            if !wait.goes_on(monotonic_now(), self.progress(), limited) {
                // If only lines are dropped, a later text may still be queued.
                state.given_up = state.queue.texts > 0;
                state.queue.give_up();
                return if state.given_up { Err(Unread) } else { Ok(()) };
            }
            state = self.changed.wait_timeout(state, CHECK_INTERVAL).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// A value that changes when the reader takes something. A pipe takes the next write only after its reader has
    /// emptied a whole page, so the bytes in the pipe count as well.
    fn progress(&self) -> (u64, Option<u64>) {
        let descriptor = self.descriptor.as_fd();
        let pipe = fstat(descriptor).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo);
        (self.taken.load(Ordering::Relaxed), pipe.then(|| ioctl_fionread(descriptor).ok()).flatten())
    }
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, Read, Write};
    use std::os::fd::OwnedFd;
    use std::sync::atomic::AtomicUsize;

    use super::Kind::{Line, Text};
    use super::*;

    #[test]
    fn text_from_a_peer_stays_on_one_line() {
        assert_eq!(harmless("refused: no\nway\x1b[31m, café"), "refused: no way [31m, café");
    }

    #[test]
    fn lines_are_dropped_when_the_queue_is_full_and_texts_are_not() {
        let mut queue = Queue::default();
        for number in 0..MOST_LINES + 3 {
            queue.push(Line, number.to_string().into());
        }
        queue.push(Text, "report".into());
        queue.push(Line, "late".into());
        assert_eq!((queue.waiting.len(), queue.dropped), (MOST_LINES + 1, 4));
        assert_eq!(queue.next(), Some((Line, "0".into())));
        // The line that is being written still counts.
        queue.push(Line, "late".into());
        assert_eq!(queue.dropped, 5);
        queue.settle(Line, false);
        queue.push(Line, "last".into());
        assert_eq!(queue.dropped, 5);
        let mut rest = std::iter::from_fn(|| queue.next()).skip(MOST_LINES - 1);
        assert_eq!([rest.next(), rest.next()], [Some((Text, "report".into())), Some((Line, "last".into()))]);
    }

    #[test]
    fn a_line_that_the_device_does_not_take_is_dropped_too() {
        let mut queue = Queue::default();
        for (kind, lost) in [(Line, true), (Line, false), (Text, true)] {
            queue.push(kind, Vec::new());
            queue.next();
            queue.settle(kind, lost);
        }
        assert!(queue.is_empty());
        assert_eq!(queue.dropped, 1);
    }

    #[test]
    fn giving_up_drops_and_counts_all_lines_but_not_the_text_that_is_being_written() {
        let mut queue = Queue::default();
        for kind in [Text, Line, Line, Text] {
            queue.push(kind, Vec::new());
        }
        queue.next();
        queue.give_up();
        assert_eq!((queue.lines, queue.texts, queue.dropped), (0, 1, 2));
        queue.settle(Text, false);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_limited_wait_lasts_as_long_as_the_reader_takes_something() {
        let at = |millis: u64, progress: u64, limited: bool| (Nanos::from_millis(millis), progress, limited);
        let lasts = |looks: &[(Nanos, u64, bool)]| {
            let mut wait = ReaderWait::default();
            looks.iter().map(|(now, progress, limited)| wait.goes_on(*now, *progress, *limited)).collect::<Vec<_>>()
        };
        assert_eq!(lasts(&[at(5000, 0, true), at(6999, 0, true), at(7000, 0, true)]), [true, true, false]);
        assert_eq!(lasts(&[at(5000, 0, true), at(6999, 1, true), at(8998, 1, true)]), [true; 3]);
        // No limit for a day without a signal; after the signal, the usual one.
        let day = 86_400_000;
        assert_eq!(lasts(&[at(0, 7, false), at(day, 7, false), at(day + 1999, 7, true)]), [true; 3]);
        assert_eq!(lasts(&[at(0, 7, false), at(day, 7, false), at(day + 2000, 7, true)]), [true, true, false]);
    }

    /// A writer whose pipe is full.
    fn stuck() -> (PipeReader, Arc<QueuedWriter>) {
        let (reader, end) = io::pipe().unwrap();
        let mut end = File::from(OwnedFd::from(end));
        let size = rustix::pipe::fcntl_setpipe_size(&end, 4096).unwrap();
        end.write_all(&vec![b'.'; size]).unwrap();
        (reader, QueuedWriter::new(end, false))
    }

    #[test]
    fn a_reader_that_sleeps_blocks_no_line_and_gets_the_whole_text_behind_those_that_were_kept() {
        let (mut reader, writer) = stuck();
        for number in 0..2000 {
            writer.push(Line, format!("{number}\n").into());
        }
        let long = "report ".repeat(10_000);
        writer.push(Text, long.clone().into());
        let reading = thread::spawn(move || {
            let mut read = String::new();
            reader.read_to_string(&mut read).map(|_| read)
        });
        assert_eq!(writer.settle(|| false), Ok(()));
        let dropped = writer.lock().queue.dropped;
        // The thread ends when the queue is empty, and closes the pipe.
        drop(writer);
        let read = reading.join().unwrap().unwrap();
        let kept: String = (0..MOST_LINES).map(|number| format!("{number}\n")).collect();
        assert!(read.trim_start_matches('.') == kept + &long, "{read}");
        assert_eq!(dropped, 2000 - MOST_LINES as u64);
    }

    #[test]
    fn a_signal_ends_the_wait_for_a_reader_that_takes_nothing() {
        let (_reader, writer) = stuck();
        writer.push(Line, "line\n".into());
        let looks = AtomicUsize::new(0);
        // The signal arrives during the wait.
        let given_up = writer.write_whole("report\n".into(), || looks.fetch_add(1, Ordering::Relaxed) > 3).unwrap_err();
        assert!(is_unread(&given_up) && given_up.to_string().contains("2s"), "{given_up}");
        // A text that is queued later has no reader either: `settle` does not wait for it.
        writer.push(Text, "error\n".into());
        assert_eq!(writer.settle(|| false), Ok(()));
    }

    #[test]
    fn lines_alone_are_given_up_without_a_signal() {
        let (_reader, writer) = stuck();
        (0..5).for_each(|_| assert!(writer.push(Line, "line\n".into())));
        assert_eq!(writer.settle(|| false), Ok(()));
        let dropped = writer.lock().queue.dropped;
        assert!((4..=5).contains(&dropped), "{dropped} are dropped; the thread may be writing one");
    }

    #[test]
    fn a_reader_that_left_is_no_loss_and_a_full_device_is_one() {
        let (reader, end) = io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for (writer, kind, dropped) in [
            (QueuedWriter::new(end, false), ErrorKind::BrokenPipe, 0),
            (QueuedWriter::new(full, false), ErrorKind::StorageFull, 1),
        ] {
            writer.push(Line, "line\n".into());
            assert_eq!(writer.write_whole("report\n".into(), || false).unwrap_err().kind(), kind);
            assert_eq!(writer.lock().queue.dropped, dropped);
        }
    }

    #[test]
    fn without_a_thread_settle_itself_writes() {
        let (mut reader, end) = io::pipe().unwrap();
        let writer = QueuedWriter::new(end, false);
        let mut state = writer.lock();
        state.queue.push(Line, "line\n".into());
        state.queue.push(Text, "report\n".into());
        drop(state);
        assert_eq!(writer.settle(|| false), Ok(()));
        drop(writer);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "line\nreport\n");
    }
}
