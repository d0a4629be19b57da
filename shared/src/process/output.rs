//! What a process writes to its standard streams. A reader that stops reading stops nothing else.
//!
//! Each stream has a queue and a thread that writes. A *line* tells how something goes on (an interval line, a log
//! line); it is dropped, and counted, when [`MOST_LINES`] lines are queued. A *text* is a result; it is kept, behind
//! the lines that are queued. Neither blocks its caller. The process waits for its readers once, with [`finish`] at
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

/// How long a reader may take nothing before a limited wait gives up.
const PATIENCE: Nanos = Nanos::from_secs(2);

/// How often a wait looks at signals and at what the reader has taken.
const BEAT: Duration = Duration::from_millis(20);

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
#[error("a signal came, and the reader took nothing for {PATIENCE}")]
struct Unread;

/// Whether `error` says that the text was given up after a signal, because its reader took nothing more.
pub fn is_unread(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<Unread>())
}

/// Queues `bytes`, with their line feed, or drops and counts them if [`MOST_LINES`] lines are queued.
pub fn line(stream: Stream, bytes: impl Into<Vec<u8>>) {
    // After a text was given up, lines are of no use.
    let _ = speaker(stream).push(Kind::Line, bytes.into());
}

/// Queues `bytes`, which are not dropped. [`finish`] waits for their reader.
pub fn text(stream: Stream, bytes: impl Into<Vec<u8>>) {
    if !speaker(stream).push(Kind::Text, bytes.into()) {
        UNREAD.store(true, Ordering::Relaxed);
    }
}

/// Writes `bytes` behind all that is queued, and waits until the reader has taken them.
///
/// # Errors
/// That of the stream, or one of which [`is_unread`] holds.
pub fn whole(stream: Stream, bytes: Vec<u8>) -> io::Result<()> {
    speaker(stream).whole(bytes, signals::one_has_come)
}

/// The same for `file`, which is no regular one: a pipe or a device, whose reader may sleep.
///
/// # Errors
/// As [`whole`].
pub(crate) fn pour(file: File, bytes: Vec<u8>) -> io::Result<()> {
    Speaker::new(file, false).whole(bytes, signals::one_has_come)
}

/// Says one line of trouble on standard error. It is dropped if the reader lets too many wait.
pub fn complain(trouble: impl Display) {
    line(Stream::Err, harmless(&trouble.to_string()) + "\n");
}

/// Says why the process fails: in one line, which the process waits for at the end.
pub(crate) fn fail(why: impl Display) {
    text(Stream::Err, harmless(&why.to_string()) + "\n");
}

/// One line without control characters: part of it may come from a peer.
pub fn harmless(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Waits for the readers of both streams, and gives up what a reader does not take in time.
pub fn finish() {
    for stream in [Stream::Out, Stream::Err] {
        if speaker(stream).settle(signals::one_has_come).is_err() {
            UNREAD.store(true, Ordering::Relaxed);
        }
    }
}

/// Whether [`finish`] gave up a text.
pub(crate) fn gave_up() -> bool {
    UNREAD.load(Ordering::Relaxed)
}

static UNREAD: AtomicBool = AtomicBool::new(false);

/// Why a text could not be written: the device is full, or failed. A reader that has left is no failure: it has
/// seen enough.
pub(crate) fn unwritten() -> Option<String> {
    [Stream::Out, Stream::Err].into_iter().find_map(|stream| {
        let state = speaker(stream).lock();
        state.failure.as_ref().filter(|error| error.kind() != ErrorKind::BrokenPipe).map(io::Error::to_string)
    })
}

/// Lines that were dropped so far, on both streams: no place was free for them, or the device was full.
pub fn lines_dropped() -> u64 {
    [Stream::Out, Stream::Err].into_iter().map(|stream| speaker(stream).lock().queue.dropped).sum()
}

/// Whether `stream` is a terminal.
#[expect(clippy::disallowed_methods, reason = "nothing is written here")]
pub fn is_terminal(stream: Stream) -> bool {
    match stream {
        Stream::Out => io::stdout().is_terminal(),
        Stream::Err => io::stderr().is_terminal(),
    }
}

/// The one for `stream`.
#[expect(clippy::disallowed_methods, reason = "this is the place for it")]
fn speaker(stream: Stream) -> &'static Arc<Speaker> {
    static OUT: LazyLock<Arc<Speaker>> = LazyLock::new(|| Speaker::new(io::stdout(), true));
    static ERR: LazyLock<Arc<Speaker>> = LazyLock::new(|| Speaker::new(io::stderr(), true));
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

/// What waits for its reader, and the rule of what is dropped.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Kind, Vec<u8>)>,
    /// Lines that are queued or being written.
    lines: usize,
    /// Texts, likewise.
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

    /// The next to be written. It counts as queued until [`Queue::settle`].
    fn next(&mut self) -> Option<(Kind, Vec<u8>)> {
        self.waiting.pop_front()
    }

    /// One of this `kind` is over; `lost` if the device did not take it.
    fn settle(&mut self, kind: Kind, lost: bool) {
        match kind {
            Kind::Line => {
                self.lines -= 1;
                self.dropped += u64::from(lost);
            }
            Kind::Text => self.texts -= 1,
        }
    }

    /// Drops all but the one that is being written.
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

/// How long to wait for a reader.
#[derive(Debug, Default)]
struct Patience<P> {
    /// Of the reader, when it was last looked at.
    progress: Option<P>,
    /// Since when there was none, within a limited wait.
    since: Nanos,
}

impl<P: PartialEq> Patience<P> {
    /// Whether to wait longer at `now`, when the reader has come to `progress`: always if the wait is not `limited`.
    fn lasts(&mut self, now: Nanos, progress: P, limited: bool) -> bool {
        let progress = Some(progress);
        if !limited || self.progress != progress {
            (self.progress, self.since) = (progress, now);
        }
        now.since(self.since) < PATIENCE
    }
}

/// A descriptor, what is queued for it, and the thread that writes.
struct Speaker {
    descriptor: Box<dyn AsFd + Send + Sync>,
    /// Whether the thread waits for more when all is written.
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
    /// From here on, nothing is queued: the reader takes nothing.
    given_up: bool,
    /// Of the first text that could not be written.
    failure: Option<io::Error>,
}

impl Speaker {
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

    /// Queues `bytes`. Returns whether they may still be written: once a text was given up, nothing is.
    fn push(self: &Arc<Self>, kind: Kind, bytes: Vec<u8>) -> bool {
        let mut state = self.lock();
        if state.given_up {
            return false;
        }
        state.queue.push(kind, bytes);
        if !state.has_thread {
            let speaker = Arc::clone(self);
            let work = move || while speaker.write_next(speaker.lasting) {};
            // Where the system has no thread left, lines stay queued until `settle` writes them.
            state.has_thread = thread::Builder::new().name("output".to_owned()).spawn(work).is_ok();
        }
        self.changed.notify_all();
        true
    }

    /// Writes what is next; if nothing is, returns `false`, or waits for it if `lasting`.
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
        // It may block for as long as the reader sleeps: without the lock.
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

    fn whole(self: &Arc<Self>, bytes: Vec<u8>, hurry: impl Fn() -> bool) -> io::Result<()> {
        let settled = if self.push(Kind::Text, bytes) { self.settle(hurry) } else { Err(Unread) };
        settled.map_err(|unread| io::Error::new(ErrorKind::TimedOut, unread))?;
        self.lock().failure.take().map_or(Ok(()), Err)
    }

    /// Waits until nothing is queued; once `hurry` holds, only while the reader takes something.
    fn settle(&self, hurry: impl Fn() -> bool) -> Result<(), Unread> {
        if !self.lock().has_thread {
            // Nothing but a second signal ends a write of this thread, which is better than no text at all.
            while self.write_next(false) {}
        }
        let mut patience = Patience::default();
        let mut state = self.lock();
        while !state.queue.is_empty() && !state.given_up {
            let limited = state.queue.texts == 0 || hurry();
            if !patience.lasts(monotonic_now(), self.progress(), limited) {
                // A line alone is no reason to give up a text that may come.
                state.given_up = state.queue.texts > 0;
                state.queue.give_up();
                return if state.given_up { Err(Unread) } else { Ok(()) };
            }
            state = self.changed.wait_timeout(state, BEAT).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    /// Changes when the reader takes something. A pipe takes the next write only after its reader has emptied a whole
    /// page, so what lies in it counts as well.
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
    fn what_a_peer_says_stays_on_its_line() {
        assert_eq!(harmless("refused: no\nway\x1b[31m, café"), "refused: no way [31m, café");
    }

    #[test]
    fn lines_are_dropped_where_there_is_no_place_and_texts_are_not() {
        let mut queue = Queue::default();
        for number in 0..MOST_LINES + 3 {
            queue.push(Line, number.to_string().into());
        }
        queue.push(Text, "report".into());
        queue.push(Line, "late".into());
        assert_eq!((queue.waiting.len(), queue.dropped), (MOST_LINES + 1, 4));
        assert_eq!(queue.next(), Some((Line, "0".into())));
        // The one that is being written has its place still.
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
    fn what_is_given_up_is_counted_but_for_what_is_being_written() {
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
            let mut patience = Patience::default();
            looks.iter().map(|(now, progress, limited)| patience.lasts(*now, *progress, *limited)).collect::<Vec<_>>()
        };
        assert_eq!(lasts(&[at(5000, 0, true), at(6999, 0, true), at(7000, 0, true)]), [true, true, false]);
        assert_eq!(lasts(&[at(5000, 0, true), at(6999, 1, true), at(8998, 1, true)]), [true; 3]);
        // A day without a signal, and from the signal on the same as everybody else.
        let day = 86_400_000;
        assert_eq!(lasts(&[at(0, 7, false), at(day, 7, false), at(day + 1999, 7, true)]), [true; 3]);
        assert_eq!(lasts(&[at(0, 7, false), at(day, 7, false), at(day + 2000, 7, true)]), [true, true, false]);
    }

    /// A speaker on a pipe that is full.
    fn stuck() -> (PipeReader, Arc<Speaker>) {
        let (reader, writer) = io::pipe().unwrap();
        let mut writer = File::from(OwnedFd::from(writer));
        let size = rustix::pipe::fcntl_setpipe_size(&writer, 4096).unwrap();
        writer.write_all(&vec![b'.'; size]).unwrap();
        (reader, Speaker::new(writer, false))
    }

    #[test]
    fn a_reader_that_sleeps_blocks_no_line_and_gets_the_whole_text_behind_those_that_were_kept() {
        let (mut reader, speaker) = stuck();
        for number in 0..2000 {
            speaker.push(Line, format!("{number}\n").into());
        }
        let long = "report ".repeat(10_000);
        speaker.push(Text, long.clone().into());
        let reading = thread::spawn(move || {
            let mut read = String::new();
            reader.read_to_string(&mut read).map(|_| read)
        });
        assert_eq!(speaker.settle(|| false), Ok(()));
        let dropped = speaker.lock().queue.dropped;
        // The thread ends when all is written, and closes the pipe.
        drop(speaker);
        let read = reading.join().unwrap().unwrap();
        let kept: String = (0..MOST_LINES).map(|number| format!("{number}\n")).collect();
        assert!(read.trim_start_matches('.') == kept + &long, "{read}");
        assert_eq!(dropped, 2000 - MOST_LINES as u64);
    }

    #[test]
    fn a_signal_ends_the_wait_for_a_reader_that_takes_nothing() {
        let (_reader, speaker) = stuck();
        speaker.push(Line, "line\n".into());
        let looks = AtomicUsize::new(0);
        // The signal comes during the wait.
        let given_up = speaker.whole("report\n".into(), || looks.fetch_add(1, Ordering::Relaxed) > 3).unwrap_err();
        assert!(is_unread(&given_up) && given_up.to_string().contains("2s"), "{given_up}");
        // What comes later has no reader either, and is not waited for.
        speaker.push(Text, "error\n".into());
        assert_eq!(speaker.settle(|| false), Ok(()));
    }

    #[test]
    fn lines_alone_are_given_up_without_a_signal() {
        let (_reader, speaker) = stuck();
        (0..5).for_each(|_| assert!(speaker.push(Line, "line\n".into())));
        assert_eq!(speaker.settle(|| false), Ok(()));
        let dropped = speaker.lock().queue.dropped;
        assert!((4..=5).contains(&dropped), "{dropped} are dropped; one may be in the hands of the thread");
    }

    #[test]
    fn a_reader_that_left_is_no_loss_and_a_full_device_is_one() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let full = File::options().write(true).open("/dev/full").unwrap();
        for (speaker, kind, dropped) in [
            (Speaker::new(writer, false), ErrorKind::BrokenPipe, 0),
            (Speaker::new(full, false), ErrorKind::StorageFull, 1),
        ] {
            speaker.push(Line, "line\n".into());
            assert_eq!(speaker.whole("report\n".into(), || false).unwrap_err().kind(), kind);
            assert_eq!(speaker.lock().queue.dropped, dropped);
        }
    }

    #[test]
    fn without_a_thread_the_one_that_waits_writes() {
        let (mut reader, writer) = io::pipe().unwrap();
        let speaker = Speaker::new(writer, false);
        let mut state = speaker.lock();
        state.queue.push(Line, "line\n".into());
        state.queue.push(Text, "report\n".into());
        drop(state);
        assert_eq!(speaker.settle(|| false), Ok(()));
        drop(speaker);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "line\nreport\n");
    }
}
