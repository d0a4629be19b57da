//! A capture of what was sent, for a protocol analyser.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, TsResolution};
use shared::limits::remedy;
use shared::report::{Warning, WarningCode};
use shared::ring::MAX_FRAME;
use shared::units::Nanos;

use super::Backend;

/// What is written at once: some hundred full-size frames.
const BUFFER: usize = 256 * 1024;

/// Writes frames to a file, until that fails. A capture never fails the run: it ends with a
/// warning, and counts what it missed. The file has whole records only.
#[derive(Debug)]
pub struct Capture {
    path: PathBuf,
    file: File,
    /// Turns frames into records, which are collected in `pending`.
    writer: PcapWriter<Pending>,
    pending: Pending,
    /// Where each piece, which is the header or a record, ends among the pending bytes.
    ends: Vec<usize>,
    /// Whole pieces in the file, and their bytes.
    pieces: u64,
    bytes: u64,
    /// What the wall clock showed at the origin of the driver's clock.
    base: Duration,
    /// Frames that the hardware sent.
    sent: u64,
    /// Why nothing is written any more.
    failure: Option<io::Error>,
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
    /// If the file cannot be opened.
    pub fn create(path: &Path, base: Duration) -> Result<Self, CaptureError> {
        let header = PcapHeader {
            snaplen: MAX_FRAME as u32,
            datalink: DataLink::ETHERNET,
            ts_resolution: TsResolution::NanoSecond,
            ..PcapHeader::default()
        };
        let failed = |source| CaptureError { path: path.to_owned(), source };
        let file = File::create(path).map_err(failed)?;
        let pending = Pending::default();
        let writer = PcapWriter::with_header(pending.clone(), header);
        let writer = writer.map_err(|error| failed(io::Error::other(error)))?;
        Ok(Self {
            path: path.to_owned(),
            file,
            writer,
            ends: vec![pending.with(|header| header.len())],
            pending,
            pieces: 0,
            bytes: 0,
            base,
            sent: 0,
            failure: None,
        })
    }

    /// Writes what is pending.
    fn write_pending(&mut self) {
        let (written, failure) = self.pending.with(|bytes| write_all(&self.file, bytes));
        self.settle(written, failure);
    }

    /// Counts what is in the file now that `written` of the pending bytes are. After a failure, the file is
    /// cut back to what is whole.
    fn settle(&mut self, written: usize, failure: Option<io::Error>) {
        let whole = self.ends.partition_point(|end| *end <= written);
        let kept = if whole > 0 { self.ends[whole - 1] } else { 0 };
        self.pieces += whole as u64;
        self.bytes += kept as u64;
        self.ends.clear();
        self.pending.with(Vec::clear);
        if let Some(error) = failure {
            // A pipe or a device cannot be cut: what reads from it has the part of a record already.
            let _ = self.file.set_len(self.bytes);
            self.failure = Some(error);
        }
    }
}

impl Backend for Capture {
    fn sent(&mut self, frame: &[u8], at: Nanos) {
        self.sent += 1;
        if self.failure.is_some() {
            return;
        }
        let packet = PcapPacket::new(self.base + Duration::from_nanos(at.0), frame.len() as u32, frame);
        let failure = self.writer.write_packet(&packet).err();
        let end = self.pending.with(|bytes| bytes.len());
        if let Some(error) = failure {
            // Not of the file: the record cannot be made. The pieces before it are whole.
            self.write_pending();
            self.failure.get_or_insert(io::Error::other(error));
            return;
        }
        self.ends.push(end);
        if end >= BUFFER {
            self.write_pending();
        }
    }

    fn flush(&mut self) {
        if self.failure.is_none() {
            self.write_pending();
        }
    }

    fn warning(&self) -> Option<Warning> {
        let failure = self.failure.as_ref()?;
        let path = self.path.display();
        let frames = self.pieces.saturating_sub(1);
        let missed = self.sent - frames;
        let text = format!(
            "--pcap {path}: the capture has {frames} frames and misses the {missed} that were sent after them \
             ({failure}); {} and run again",
            remedy(failure, "name another file")
        );
        Some(Warning::new(WarningCode::CaptureIncomplete, text))
    }
}

/// Writes `bytes`, and returns how many of them were written, and why not all if so.
fn write_all(mut file: &File, bytes: &[u8]) -> (usize, Option<io::Error>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Some(ErrorKind::WriteZero.into())),
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return (written, Some(error)),
        }
    }
    (written, None)
}

/// Records that are not in the file yet. The library keeps its writer to itself; through this handle
/// what it wrote can still be taken.
#[derive(Debug, Clone, Default)]
struct Pending(Arc<Mutex<Vec<u8>>>);

impl Pending {
    fn with<T>(&self, act: impl FnOnce(&mut Vec<u8>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.with(|pending| pending.write(bytes))
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

    /// The length of a frame's record.
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

    /// What was written when writing failed is cut back to whole records, and counted.
    #[test]
    fn a_capture_that_ends_early_has_whole_records_and_true_counts() {
        let header = 24;
        for (room, whole) in [(0, 0), (header, 0), (header + RECORD - 1, 0), (header + 3 * RECORD, 3), (5_000, 6)] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("sent.pcap");
            let mut capture = Capture::create(&path, Duration::ZERO).unwrap();
            for _ in 0..9 {
                capture.sent(&[7; 700], Nanos(1));
            }
            // As a disk with so much room does it.
            let bytes = capture.pending.with(|bytes| bytes.clone());
            capture.file.write_all(&bytes[..room as usize]).unwrap();
            capture.settle(room as usize, Some(ErrorKind::StorageFull.into()));
            capture.sent(&[7; 700], Nanos(2));
            capture.flush();
            let said = capture.warning().unwrap().text;
            assert!(said.contains(&format!("has {whole} frames and misses the {} that", 10 - whole)), "{said}");
            let length = std::fs::metadata(&path).unwrap().len();
            assert_eq!(length, if room < header { 0 } else { header + whole * RECORD }, "room for {room}");
        }
    }

    #[test]
    fn a_capture_that_cannot_be_begun_says_so_at_once() {
        let error = Capture::create(Path::new("/missing/sent.pcap"), Duration::ZERO).unwrap_err().to_string();
        assert!(error.contains("--pcap /missing/sent.pcap") && error.contains("folder"), "{error}");
    }
}
