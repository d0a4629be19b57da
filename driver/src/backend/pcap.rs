//! A capture of what was sent, for a protocol analyser.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, PcapError, TsResolution};
use shared::ring::MAX_FRAME;
use shared::units::Nanos;

use super::Backend;

/// What is written at once: some hundred full-size frames.
const BUFFER: usize = 256 * 1024;

/// Writes frames to a file, until that fails. A capture never fails the run: it ends with a
/// warning, and counts what it missed.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    buffer: Buffer,
    /// `None` once writing has failed.
    writer: Option<PcapWriter<Buffer>>,
    /// What the wall clock showed at the origin of the driver's clock.
    base: Duration,
    written: u64,
    missed: u64,
    failure: Option<String>,
}

/// A capture that cannot be begun.
#[derive(Debug, thiserror::Error)]
#[error("--pcap {path}: cannot be written ({source}); name a file in a folder that exists and is writable", path = path.display())]
pub struct CaptureError {
    path: PathBuf,
    source: io::Error,
}

impl Capture {
    /// Begins a capture in `path`, replacing what is there. `base` is what the wall clock showed at
    /// the origin of the clock that frames' times come from.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn create(path: &Path, base: Duration) -> Result<Self, CaptureError> {
        let header = PcapHeader {
            snaplen: MAX_FRAME as u32,
            datalink: DataLink::ETHERNET,
            ts_resolution: TsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        let begin = || {
            let file = BufWriter::with_capacity(BUFFER, File::create(path)?);
            let buffer = Buffer(Arc::new(Mutex::new(file)));
            let writer = PcapWriter::with_header(buffer.clone(), header).map_err(io_error)?;
            Ok((buffer, Some(writer)))
        };
        let (buffer, writer) = begin().map_err(|source| CaptureError { path: path.to_owned(), source })?;
        Ok(Self { path: path.to_owned(), buffer, writer, base, written: 0, missed: 0, failure: None })
    }

    /// What went wrong, if anything did.
    pub fn warning(&self) -> Option<String> {
        let failure = self.failure.as_ref()?;
        let (path, written, missed) = (self.path.display(), self.written, self.missed);
        Some(format!("--pcap {path}: the capture ends after about {written} frames, {missed} are missing ({failure})"))
    }

    fn fail(&mut self, error: &io::Error) {
        self.failure = Some(error.to_string());
        self.writer = None;
    }
}

impl Backend for Capture {
    fn sent(&mut self, frame: &[u8], at: Nanos) {
        let Some(writer) = &mut self.writer else {
            self.missed += 1;
            return;
        };
        let packet = PcapPacket::new(self.base + Duration::from_nanos(at.0), frame.len() as u32, frame);
        match writer.write_packet(&packet).map_err(io_error) {
            Ok(_) => self.written += 1,
            Err(error) => {
                self.missed += 1;
                self.fail(&error);
            }
        }
    }

    fn flush(&mut self) {
        if let Err(error) = self.buffer.flush() {
            self.fail(&error);
        }
    }
}

/// The library keeps its writer to itself; through this handle it can still be flushed.
#[derive(Debug, Clone)]
struct Buffer(Arc<Mutex<BufWriter<File>>>);

impl Buffer {
    fn with<T>(&self, act: impl FnOnce(&mut BufWriter<File>) -> io::Result<T>) -> io::Result<T> {
        match self.0.lock() {
            Ok(mut file) => act(&mut file),
            Err(_) => Err(io::Error::other("a session panicked while it was written")),
        }
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|file| file.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.with(Write::flush)
    }
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pcap_file::pcap::PcapReader;

    #[test]
    fn what_was_sent_can_be_read_back_with_its_times() {
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

    #[test]
    fn a_full_disk_ends_the_capture_and_nothing_else() {
        let mut capture = Capture::create(Path::new("/dev/full"), Duration::ZERO).unwrap();
        for _ in 0..1_000 {
            capture.sent(&[0; 1_500], Nanos(0));
        }
        capture.flush();
        let warning = capture.warning().unwrap();
        assert!(warning.contains("--pcap /dev/full") && warning.contains("missing"), "{warning}");
    }

    #[test]
    fn a_capture_that_cannot_be_begun_says_so_at_once() {
        let error = Capture::create(Path::new("/missing/sent.pcap"), Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("--pcap /missing/sent.pcap") && error.contains("folder"), "{error}");
    }
}
