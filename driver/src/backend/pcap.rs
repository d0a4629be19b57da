//! A capture of the sent frames, in a pcap file or a named pipe.
//!
//! A capture never blocks the data path and never fails the run. Records that the reader of a named pipe has not taken
//! are kept in memory, up to a bound. Beyond that bound, or if the file cannot be written, the capture ends with a
//! warning.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use shared::limits::remedy;
use shared::report::{Warning, WarningCode};
use shared::ring::MAX_FRAME;
use shared::units::Nanos;

use super::Backend;

/// How many bytes are collected before a write: some hundred full-size frames.
const WRITE_SIZE: usize = 256 * 1024;

/// Most bytes that are kept for the reader of a pipe. A reader that is further behind than that does not keep up.
const MOST_PENDING: usize = 16 << 20;

/// How long the end of a session may wait for the reader of a pipe. It must be less than the 2 s for which the stack
/// waits for the driver's farewell.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Writes frames to a file until that fails. Then it counts the frames that the file lacks. A regular file has whole
/// records only.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    file: File,
    /// Encodes frames as records, and puts them into `pending`.
    writer: PcapWriter<Pending>,
    pending: Pending,
    /// Where each piece ends that is not whole in the file, in bytes from the start of the file. A piece is the header
    /// of the file or one record.
    ends: VecDeque<u64>,
    /// Bytes written to the file.
    written: u64,
    /// Whole pieces in the file.
    pieces: u64,
    /// Bytes of those pieces.
    bytes: u64,
    /// How many bytes must be pending before the next write.
    next_write: usize,
    /// The time of the wall clock at the origin of the driver's clock.
    base: Duration,
    /// Frames that the hardware sent.
    sent: u64,
    /// Why the capture has ended, if it has.
    failure: Option<io::Error>,
}

/// A capture file that cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error(
    "--pcap {path}: cannot be written ({source}); name a file in a folder that exists and is writable",
    path = path.display()
)]
pub struct CaptureError {
    path: PathBuf,
    source: io::Error,
}

impl Capture {
    /// Opens a capture at `path`, and replaces the content of an existing file. `base` is the time of the wall clock at
    /// the origin of the clock of [`Backend::sent`].
    ///
    /// # Errors
    /// If the file cannot be opened. [`CaptureError::has_no_reader`] says that it is a named pipe which no program
    /// reads from yet.
    pub fn create(path: &Path, base: Duration) -> Result<Self, CaptureError> {
        let header = PcapHeader {
            snaplen: MAX_FRAME as u32,
            datalink: DataLink::ETHERNET,
            ts_resolution: TsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        let failed = |source| CaptureError { path: path.to_owned(), source };
        // Without O_NONBLOCK, opening a named pipe would wait for a reader, and a write to a full pipe would wait too.
        let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
        let mut options = File::options();
        options.write(true).create(true).truncate(true).custom_flags(nonblocking);
        let file = options.open(path).map_err(failed)?;
        let pending = Pending::default();
        let writer = PcapWriter::with_header(pending.clone(), header);
        let writer = writer.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            writer,
            ends: VecDeque::from([pending.with(|header| header.len()) as u64]),
            pending,
            written: 0,
            pieces: 0,
            bytes: 0,
            next_write: WRITE_SIZE,
            base,
            sent: 0,
            failure: None,
        })
    }

    /// Writes the pending bytes, as many as the file takes without waiting.
    fn write_pending(&mut self) {
        let (written, failure) = self.pending.with(|pending| write_some(&self.file, pending.unwritten()));
        self.note_written(written, failure);
    }

    /// Counts the pieces that are whole in the file after a write of `written` pending bytes. After a failure, cuts the
    /// file to its whole pieces.
    fn note_written(&mut self, written: usize, failure: Option<io::Error>) {
        self.written += written as u64;
        while let Some(end) = self.ends.front().copied().filter(|end| *end <= self.written) {
            self.ends.pop_front();
            (self.pieces, self.bytes) = (self.pieces + 1, end);
        }
        let left = self.pending.with(|pending| {
            pending.consume(written);
            pending.len()
        });
        self.next_write = left + WRITE_SIZE;
        let too_slow = || io::Error::other("its reader takes too little");
        if let Some(error) = failure.or_else(|| (left > MOST_PENDING).then(too_slow)) {
            // This fails for a pipe or a device; its reader has received part of a record already.
            let _ = self.file.set_len(self.bytes);
            self.pending.with(|pending| pending.consume(left));
            self.failure = Some(error);
        }
    }

    /// Whether records wait for the reader of a pipe.
    fn is_behind(&self) -> bool {
        self.failure.is_none() && self.pending.with(|pending| pending.len()) > 0
    }
}

impl CaptureError {
    /// Whether the path is a named pipe that no program reads from.
    pub fn has_no_reader(&self) -> bool {
        Errno::from_io_error(&self.source) == Some(Errno::NXIO)
    }
}

impl Backend for Capture {
    fn kind(&self) -> &'static str {
        "model"
    }

    /// Takes every frame: a capture that has failed must not stop the traffic.
    fn sent(&mut self, frame: &[u8], at: Nanos) -> bool {
        self.sent += 1;
        if self.failure.is_some() {
            return true;
        }
        let packet = PcapPacket::new(self.base + Duration::from_nanos(at.0), frame.len() as u32, frame);
        let failure = self.writer.write_packet(&packet).err();
        let end = self.pending.with(|pending| pending.len());
        if let Some(error) = failure {
            // The record cannot be encoded, so the file is not at fault: write the pieces before it.
            self.write_pending();
            self.failure.get_or_insert(io::Error::other(error));
            return true;
        }
        self.ends.push_back(self.written + end as u64);
        if end >= self.next_write {
            self.write_pending();
        }
        true
    }

    fn flush(&mut self) {
        let deadline = Instant::now() + FLUSH_TIMEOUT;
        while self.is_behind() {
            self.write_pending();
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.is_behind() || left.is_zero() {
                return;
            }
            // At most FLUSH_TIMEOUT, so the cast of the seconds is exact.
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            // The result does not matter: the loop writes again and looks at the time.
            let _ = poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&timeout));
        }
    }

    fn warning(&self) -> Option<Warning> {
        let path = self.path.display();
        let frames = self.pieces.saturating_sub(1);
        let missed = self.sent - frames;
        let Some(failure) = &self.failure else {
            let text = format!("--pcap {path}: its reader has not taken the last {missed} frames that were sent yet");
            return self.is_behind().then(|| Warning::new(WarningCode::CaptureIncomplete, text));
        };
        let text = format!(
            "--pcap {path}: the capture has {frames} frames and misses the {missed} that were sent after them \
             ({failure}); {} and run again",
            remedy(failure, "name another file")
        );
        Some(Warning::new(WarningCode::CaptureIncomplete, text))
    }
}

/// Writes `bytes`, as many as `file` takes without waiting. Returns how many were written, and the error after which no
/// more can be, if there was one.
fn write_some(mut file: &File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

/// The bytes of records that are not in the file yet. The pcap library owns the writer to which it encodes, so that
/// writer and [`Capture`] share the bytes.
#[derive(Debug, Clone, Default)]
struct Pending(Arc<Mutex<Bytes>>);

#[derive(Debug, Default)]
struct Bytes {
    all: Vec<u8>,
    /// The bytes before this index are written.
    start: usize,
}

impl Bytes {
    fn unwritten(&self) -> &[u8] {
        &self.all[self.start..]
    }

    fn len(&self) -> usize {
        self.all.len() - self.start
    }

    /// Removes the first `len` bytes, which are written.
    fn consume(&mut self, len: usize) {
        self.start += len;
        // `drain` moves the rest to the front. It runs only when at least as many bytes are removed as are moved, so a
        // byte is moved once on average.
        if self.start >= self.len() {
            self.all.drain(..self.start);
            self.start = 0;
        }
    }
}

impl Pending {
    fn with<T>(&self, act: impl FnOnce(&mut Bytes) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|pending| pending.all.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcap::PcapReader;

    #[test]
    fn sent_frames_can_be_read_back_with_their_times() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sent.pcap");
        let mut capture = Capture::create(&path, Duration::from_secs(1_000)).unwrap();
        for n in 1..=3u8 {
            capture.sent(&[n; 60], Nanos(u64::from(n)));
        }
        capture.flush();
        let mut reader = PcapReader::new(File::open(&path).unwrap()).unwrap();
        assert_eq!(reader.header().ts_resolution, TsResolution::NanoSecond);
        for n in 1..=3u8 {
            let packet = reader.next_packet().unwrap().unwrap();
            assert_eq!((packet.timestamp, &*packet.data), (Duration::new(1_000, n.into()), &[n; 60][..]));
        }
        assert!(reader.next_packet().is_none());
        assert_eq!(capture.warning(), None);
    }

    /// The length of the record of a frame of 700 B.
    const RECORD: u64 = 16 + 700;

    #[test]
    fn a_full_disk_ends_the_capture_and_nothing_else() {
        let mut capture = Capture::create(Path::new("/dev/full"), Duration::ZERO).unwrap();
        for _ in 0..1_000 {
            capture.sent(&[0; 700], Nanos(0));
        }
        capture.flush();
        let warning = capture.warning().unwrap();
        assert_eq!(warning.code, WarningCode::CaptureIncomplete);
        let counts = "--pcap /dev/full: the capture has 0 frames and misses the 1000 that";
        assert!(warning.text.contains(counts), "{warning}");
    }

    /// When a write fails, the file is cut to its whole records, and they are counted.
    #[test]
    fn a_capture_that_ends_early_has_whole_records_and_true_counts() {
        let header = 24;
        for (space, whole) in [(0, 0), (header, 0), (header + RECORD - 1, 0), (header + 3 * RECORD, 3), (5_000, 6)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("sent.pcap");
            let mut capture = Capture::create(&path, Duration::ZERO).unwrap();
            for _ in 0..9 {
                capture.sent(&[7; 700], Nanos(1));
            }
            // A disk with `space` free bytes would accept as much, and then fail.
            let bytes = capture.pending.with(|pending| pending.unwritten().to_vec());
            capture.file.write_all(&bytes[..space as usize]).unwrap();
            capture.note_written(space as usize, Some(ErrorKind::StorageFull.into()));
            capture.sent(&[7; 700], Nanos(2));
            capture.flush();
            let said = capture.warning().unwrap().text;
            assert!(said.contains(&format!("has {whole} frames and misses the {} that", 10 - whole)), "{said}");
            let length = std::fs::metadata(&path).unwrap().len();
            assert_eq!(length, if space < header { 0 } else { header + whole * RECORD }, "{space} B free");
        }
    }

    /// A capture into a pipe, and its reader.
    fn into_pipe() -> (std::io::PipeReader, Capture) {
        let (reader, writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        let capture = Capture::create(Path::new(&path), Duration::ZERO).unwrap();
        (reader, capture)
    }

    #[test]
    fn a_reader_that_is_behind_gets_all_frames_in_the_end() {
        let (reader, mut capture) = into_pipe();
        // Much more than a pipe holds.
        for n in 0..2_000_u32 {
            capture.sent(&[n as u8; 1_000], Nanos(0));
        }
        let text = capture.warning().unwrap().text;
        assert!(text.contains("has not taken the last"), "{text}");
        let reads = std::thread::spawn(move || {
            let mut reader = PcapReader::new(reader).unwrap();
            std::iter::from_fn(|| reader.next_packet().map(|packet| packet.unwrap().data[0])).collect::<Vec<_>>()
        });
        while capture.is_behind() {
            capture.flush();
        }
        assert_eq!(capture.warning(), None);
        drop(capture);
        assert!(reads.join().unwrap().into_iter().eq((0..2_000_u32).map(|n| n as u8)));
    }

    #[test]
    fn a_reader_that_takes_nothing_ends_the_capture_and_blocks_nothing() {
        let (_reader, mut capture) = into_pipe();
        for _ in 0..40_000 {
            capture.sent(&[0; 1_000], Nanos(0));
        }
        let text = capture.warning().unwrap().text;
        assert!(text.contains("its reader takes too little") && text.contains("were sent after them"), "{text}");
        assert!(capture.pending.with(|pending| pending.all.capacity()) < 3 * MOST_PENDING);
    }

    #[test]
    fn a_capture_that_cannot_be_opened_is_an_error_at_once() {
        let error = Capture::create(Path::new("/missing/sent.pcap"), Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("--pcap /missing/sent.pcap") && error.contains("folder"), "{error}");
    }
}
