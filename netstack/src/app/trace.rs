//! Recorded arrivals: the packets of a capture or of a table, read once, when the app's settings are parsed.
//!
//! A capture is a pcap file of Ethernet frames; pcapng is not read. A packet is as large as makes a frame of the recorded
//! length, headers included. A table is a CSV file with the line `time_ns,size` at its top: nanoseconds and bytes of
//! payload, both whole numbers. Times are relative to that of the first packet.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use pcap_file::pcap::PcapReader;
use pcap_file::{DataLink, PcapError};
use shared::units::{Bytes, Nanos, shown};
use xxhash_rust::xxh3::Xxh3Default;

/// The packets of a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Trace {
    file: PathBuf,
    /// At least one, in the order of their times.
    packets: Vec<Recorded>,
    /// How many were shorter than the smallest packet that an app can send, and got its size.
    raised: u64,
}

/// A recorded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Recorded {
    /// Time after the first packet.
    pub(super) at: Nanos,
    /// Bytes of payload.
    pub(super) size: u32,
}

/// A file from which no arrivals can be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("file={}{place}: {problem}", file.display())]
pub struct TraceError {
    file: PathBuf,
    place: Place,
    problem: TraceProblem,
}

/// Where in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    File,
    Line(u64),
    Packet(u64),
}

/// What is wrong with a file of recorded arrivals.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TraceProblem {
    /// It cannot be opened or read.
    #[error("cannot be read ({0}); name a pcap file, or a table with the line {HEADER} at its top")]
    Unreadable(String),
    /// Another format of captures.
    #[error("is pcapng, which is not read; convert it with editcap -F pcap")]
    PcapNg,
    /// A capture of something else.
    #[error("its frames are not Ethernet ({0}); capture on an Ethernet interface")]
    NotEthernet(String),
    /// A record of a capture is damaged or cut off.
    #[error("is not a whole record ({0}); repair the capture, or cut it before this packet")]
    Malformed(String),
    /// The first line of a table.
    #[error("{0} is not {HEADER}; write that as the first line, or name a pcap file")]
    NoHeader(String),
    /// A line of a table.
    #[error("{0} is not a time in nanoseconds and a size in bytes; write two whole numbers, such as 1500,64")]
    NotAPacket(String),
    /// A time before that of the packet ahead.
    #[error("its time is before that of the packet ahead of it; sort the packets by time (reordercap does for pcap)")]
    BackInTime,
    /// No packet.
    #[error("contains no packet; name a file with at least one")]
    Empty,
    /// More than memory is spent on.
    #[error("contains more than {} packets; split it", Trace::MOST)]
    TooMany,
}

/// The first line of a table.
const HEADER: &str = "time_ns,size";
/// Most bytes of a line. Two numbers of 64 bits take 41.
const LONGEST_LINE: u64 = 80;
/// The size of an app's smallest packet.
const SMALLEST: u32 = 1;

impl Trace {
    /// The most packets of a file. Each takes 16 bytes of memory.
    pub const MOST: usize = 4_000_000;

    /// Reads `file`. `headers` are the bytes in front of the payload in each frame that the app sends.
    ///
    /// # Errors
    /// [`TraceError`], which names file, line or packet, and remedy.
    pub fn read(file: &Path, headers: usize) -> Result<Self, TraceError> {
        let mut reader = Reader { file, packets: Vec::new(), raised: 0, first: 0, last: 0 };
        let bytes = File::open(file).map_err(|error| reader.unreadable(&error))?;
        let mut bytes = BufReader::new(bytes);
        let magic = bytes.fill_buf().map_err(|error| reader.unreadable(&error))?;
        match magic.get(..4) {
            Some([0x0a, 0x0d, 0x0d, 0x0a]) => return Err(reader.error(Place::File, TraceProblem::PcapNg)),
            Some(
                [0xa1, 0xb2, 0xc3, 0xd4]
                | [0xd4, 0xc3, 0xb2, 0xa1]
                | [0xa1, 0xb2, 0x3c, 0x4d]
                | [0x4d, 0x3c, 0xb2, 0xa1],
            ) => {
                reader.capture(bytes, headers as u64)?;
            }
            _ => reader.table(bytes)?,
        }
        if reader.packets.is_empty() {
            return Err(reader.error(Place::File, TraceProblem::Empty));
        }
        Ok(Self { file: file.to_owned(), packets: reader.packets, raised: reader.raised })
    }

    /// A hash of the packets: two files with the same one offer the same packets.
    pub fn digest(&self) -> u64 {
        let mut hash = Xxh3Default::new();
        for packet in &self.packets {
            hash.update(&packet.at.0.to_le_bytes());
            hash.update(&u64::from(packet.size).to_le_bytes());
        }
        hash.digest()
    }

    /// The file.
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// How many packets it has.
    pub fn count(&self) -> u64 {
        self.packets.len() as u64
    }

    /// How many packets were shorter than the smallest one that an app can send, and have its size.
    pub fn raised(&self) -> u64 {
        self.raised
    }

    /// The largest payload.
    pub fn largest(&self) -> Bytes {
        Bytes(self.packets.iter().map(|packet| packet.size.into()).max().unwrap_or_default())
    }

    /// The sum over all packets of `of` its size.
    pub fn sum(&self, of: impl Fn(Bytes) -> u64) -> u128 {
        self.packets.iter().map(|packet| u128::from(of(Bytes(packet.size.into())))).sum()
    }

    /// From the first packet to the last.
    pub fn span(&self) -> Nanos {
        self.packets.last().map_or(Nanos::ZERO, |last| last.at)
    }

    /// The packet with number `sequence`, if there are so many.
    pub(super) fn packet(&self, sequence: u64) -> Option<Recorded> {
        self.packets.get(usize::try_from(sequence).ok()?).copied()
    }

    /// How many packets have a time before `end`.
    pub(super) fn count_before(&self, end: u128) -> u64 {
        self.packets.partition_point(|packet| u128::from(packet.at.0) < end) as u64
    }
}

/// Reads packets, and checks them in turn.
struct Reader<'a> {
    file: &'a Path,
    packets: Vec<Recorded>,
    raised: u64,
    /// The times of the first and of the last packet, as recorded.
    first: u128,
    last: u128,
}

impl Reader<'_> {
    fn error(&self, place: Place, problem: TraceProblem) -> TraceError {
        TraceError { file: self.file.to_owned(), place, problem }
    }

    fn unreadable(&self, error: &io::Error) -> TraceError {
        self.error(Place::File, TraceProblem::Unreadable(error.to_string()))
    }

    fn add(&mut self, place: Place, time: u128, size: u64) -> Result<(), TraceError> {
        if self.packets.len() == Trace::MOST {
            return Err(self.error(Place::File, TraceProblem::TooMany));
        }
        if self.packets.is_empty() {
            (self.first, self.last) = (time, time);
        }
        if time < self.last {
            return Err(self.error(place, TraceProblem::BackInTime));
        }
        self.last = time;
        let at = u64::try_from(time - self.first).unwrap_or(u64::MAX);
        // What does not fit into 32 bits does not fit into a frame either, which is checked later.
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.raised += u64::from(size < SMALLEST);
        self.packets.push(Recorded { at: Nanos(at), size: size.max(SMALLEST) });
        Ok(())
    }

    fn capture(&mut self, bytes: impl Read, headers: u64) -> Result<(), TraceError> {
        let malformed = |error: PcapError| match error {
            PcapError::IoError(error) => TraceProblem::Malformed(error.to_string()),
            other => TraceProblem::Malformed(other.to_string()),
        };
        let mut records = PcapReader::new(bytes).map_err(|error| self.error(Place::File, malformed(error)))?;
        let datalink = records.header().datalink;
        if datalink != DataLink::ETHERNET {
            return Err(self.error(Place::File, TraceProblem::NotEthernet(format!("{datalink:?}"))));
        }
        let mut number = 0;
        while let Some(record) = records.next_packet() {
            number += 1;
            let place = Place::Packet(number);
            let record = record.map_err(|error| self.error(place, malformed(error)))?;
            // The length on the wire, also if the capture kept only the beginning of the frame.
            self.add(place, record.timestamp.as_nanos(), u64::from(record.orig_len).saturating_sub(headers))?;
        }
        Ok(())
    }

    fn table(&mut self, mut bytes: impl BufRead) -> Result<(), TraceError> {
        let (mut line, mut number) = (Vec::new(), 0);
        loop {
            line.clear();
            let read = (&mut bytes).take(LONGEST_LINE).read_until(b'\n', &mut line);
            if read.map_err(|error| self.unreadable(&error))? == 0 {
                break;
            }
            number += 1;
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            let place = Place::Line(number);
            if number == 1 {
                if text != HEADER {
                    return Err(self.error(place, TraceProblem::NoHeader(shown(text, 40))));
                }
                continue;
            }
            let packet = text.split_once(',').and_then(|(at, size)| Some((number_in(at)?, number_in(size)?)));
            let Some((at, size)) = packet else {
                return Err(self.error(place, TraceProblem::NotAPacket(shown(text, 40))));
            };
            self.add(place, at.into(), size)?;
        }
        if number == 0 { Err(self.error(Place::Line(1), TraceProblem::NoHeader(shown("", 40)))) } else { Ok(()) }
    }
}

/// Digits only: no sign, no blank.
fn number_in(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File => Ok(()),
            Self::Line(number) => write!(f, " line {number}"),
            Self::Packet(number) => write!(f, " packet {number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
    use proptest::prelude::*;

    use super::*;

    fn read(content: &[u8]) -> Result<Trace, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trace");
        std::fs::write(&path, content).unwrap();
        let said = |error: TraceError| error.to_string().replace(path.to_str().unwrap(), "F");
        Trace::read(&path, 42).map_err(said)
    }

    fn packets(trace: &Trace) -> Vec<(u64, u32)> {
        trace.packets.iter().map(|packet| (packet.at.0, packet.size)).collect()
    }

    fn capture(datalink: DataLink, frames: &[(u64, u32)]) -> Vec<u8> {
        let header =
            PcapHeader { datalink, ts_resolution: pcap_file::TsResolution::NanoSecond, ..PcapHeader::default() };
        let mut writer = PcapWriter::with_header(Vec::new(), header).unwrap();
        for (at, length) in frames {
            // Cut off after 20 bytes.
            let packet = PcapPacket::new(Duration::from_nanos(*at), *length, &[0; 20]);
            writer.write_packet(&packet).unwrap();
        }
        writer.into_writer()
    }

    #[test]
    fn a_table_is_read_relative_to_its_first_packet() {
        let trace = read(b"time_ns,size\n1000,64\n1000,1\r\n1234567890123,0\n2234567890123,1472").unwrap();
        assert_eq!(packets(&trace), [(0, 64), (0, 1), (1_234_567_889_123, 1), (2_234_567_889_123, 1472)]);
        assert_eq!((trace.count(), trace.raised(), trace.largest()), (4, 1, Bytes(1472)));
        assert_eq!((trace.count_before(0), trace.count_before(1), trace.count_before(u128::MAX)), (0, 2, 4));
    }

    #[test]
    fn a_capture_is_read_by_the_lengths_on_the_wire() {
        let frames = [(5_000_000_007, 1514), (5_000_000_007, 43), (5_000_001_000, 42), (6_000_000_000, 20)];
        let trace = read(&capture(DataLink::ETHERNET, &frames)).unwrap();
        assert_eq!(packets(&trace), [(0, 1472), (0, 1), (993, 1), (999_999_993, 1)]);
        assert_eq!(trace.raised(), 2);
    }

    #[test]
    fn every_mistake_names_its_place_and_the_remedy() {
        let cut = capture(DataLink::ETHERNET, &[(1, 60), (2, 60)]);
        let files: [&[u8]; 13] = [
            b"",
            b"time_ns,size\n",
            b"time,size\n1,2\n",
            b"1,2\n",
            b"time_ns,size\n1,2\n3\n",
            b"time_ns,size\n1,2,3\n",
            b"time_ns,size\n-1,2\n",
            b"time_ns,size\n1, 2\n",
            b"time_ns,size\n5,2\n4,2\n",
            b"\x0a\x0d\x0d\x0a rest",
            &cut[..cut.len() - 1],
            &capture(DataLink::RAW, &[(1, 60)]),
            &capture(DataLink::ETHERNET, &[(2, 60), (1, 60)]),
        ];
        let messages = files.map(|content| read(content).unwrap_err());
        insta::assert_snapshot!(messages.join("\n"));
        let long = [&b"time_ns,size\n"[..], &[b'1'; 10_000]].concat();
        assert!(read(&long).unwrap_err().starts_with("file=F line 2: 1111"));
        let missing = Trace::read(Path::new("/missing/trace"), 42).unwrap_err().to_string();
        assert!(
            missing.contains("/missing/trace: cannot be read") && missing.contains("name a pcap file"),
            "{missing}"
        );
    }

    #[test]
    fn the_number_of_packets_is_bounded() {
        let mut table = b"time_ns,size\n".to_vec();
        (0..=Trace::MOST).for_each(|_| table.extend(b"1,1\n"));
        assert!(read(&table).unwrap_err().contains("more than 4000000 packets; split it"));
        assert_eq!(read(&table[..table.len() - 4]).unwrap().count(), Trace::MOST as u64);
    }

    proptest! {
        #[test]
        fn no_content_makes_the_reader_panic(
            start in proptest::sample::select(vec![&b"time_ns,size\n"[..], b"\xd4\xc3\xb2\xa1\x02\0\x04\0", b""]),
            rest in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let _ = read(&[start, &rest].concat());
        }
    }
}
