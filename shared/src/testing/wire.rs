//! Reads records from a socket one at a time, without the bytes that follow.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv};

use crate::control::{Control, DOORBELL_RECORD, Parsed, encode_control, parse};
use crate::ring::Completion;

/// Timeout of each read and write: long enough for the slowest machine; only a failing test waits that long.
const IO_TIMEOUT: Duration = Duration::from_secs(60);

/// The bare socket of a connection, with which a test reads and writes records itself.
#[derive(Debug)]
pub struct Wire {
    stream: UnixStream,
    /// The beginning of an incomplete record.
    begun: Vec<u8>,
    /// Lengths of the received frames that are not completed yet.
    pub(super) frames: VecDeque<u32>,
    /// How many ALIVE messages were received.
    pub alive: u32,
}

/// A received record.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// A frame, over the socket transport.
    Frame,
    /// A completion, over the socket transport.
    Completion(Completion),
    /// A control message.
    Control(Control),
    /// A doorbell.
    Doorbell,
}

impl Wire {
    /// A connection over `stream`.
    pub fn new(stream: UnixStream) -> Self {
        stream.set_read_timeout(Some(IO_TIMEOUT)).unwrap();
        stream.set_write_timeout(Some(IO_TIMEOUT)).unwrap();
        Self { stream, begun: Vec::new(), frames: VecDeque::new(), alive: 0 }
    }

    /// Sends any bytes. Not an error if the peer has closed the connection.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        match self.stream.write_all(bytes) {
            Err(error) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {}
            written => written.unwrap(),
        }
    }

    /// Sends a control message.
    pub fn send_control(&mut self, message: &Control) {
        self.send_bytes(&encode_control(message).unwrap());
    }

    /// Sends a control message twice in one write.
    pub fn send_control_twice(&mut self, message: &Control) {
        self.send_bytes(&encode_control(message).unwrap().repeat(2));
    }

    /// Sends `count` doorbells.
    pub fn doorbells(&mut self, count: usize) {
        self.send_bytes(&DOORBELL_RECORD.repeat(count));
    }

    /// Fills `into` with the next bytes.
    pub fn read(&mut self, into: &mut [u8]) {
        self.stream.read_exact(into).unwrap();
    }

    /// The next record other than ALIVE, which is counted; `None` once the peer has closed the connection. The bytes
    /// behind the record stay in the socket for the next read.
    pub fn receive(&mut self) -> Option<Received> {
        let mut ahead = vec![0; 128 * 1024];
        loop {
            let came = retry_on_intr(|| recv(&self.stream, &mut ahead[..], RecvFlags::PEEK));
            let came = match came {
                Ok((_, 0)) | Err(rustix::io::Errno::CONNRESET) => {
                    assert!(self.begun.is_empty(), "the peer hung up in the middle of a record");
                    return None;
                }
                Ok((_, came)) => came,
                Err(error) => panic!("no record arrived: {error}"),
            };
            let known = self.begun.len();
            self.begun.extend_from_slice(&ahead[..came]);
            let whole = parse(&self.begun).unwrap().map(|(record, len)| {
                if let Parsed::Frame(descriptor, _) = &record {
                    self.frames.push_back(descriptor.len);
                }
                (Received::from(record), len)
            });
            let take = whole.as_ref().map_or(came, |(_, len)| len - known);
            self.stream.read_exact(&mut ahead[..take]).unwrap();
            if let Some((received, _)) = whole {
                self.begun.clear();
                match received {
                    Received::Control(Control::Alive) => self.alive += 1,
                    received => return Some(received),
                }
            }
        }
    }

    /// The same connection for another thread, which only sends.
    pub fn try_clone(&self) -> Self {
        Self::new(self.stream.try_clone().unwrap())
    }

    /// Reads `times` ALIVE messages, and fails if anything else arrives.
    pub fn wait_for_alive(&mut self, times: u32) {
        let one = encode_control(&Control::Alive).unwrap();
        let mut came = vec![0; one.len()];
        for _ in 0..times {
            self.read(&mut came);
            assert_eq!(came, one);
        }
    }

    /// The next control message; other records before it are discarded.
    pub fn control(&mut self) -> Option<Control> {
        loop {
            if let Received::Control(message) = self.receive()? {
                return Some(message);
            }
        }
    }

    /// Waits until the peer has closed the connection, without reading.
    pub fn wait_for_hang_up(&self) {
        let mut gone = [PollFd::new(&self.stream, PollFlags::RDHUP)];
        let timeout = Timespec { tv_sec: IO_TIMEOUT.as_secs() as i64, tv_nsec: 0 };
        let hung_up = retry_on_intr(|| poll(&mut gone, Some(&timeout))).unwrap();
        assert_eq!(hung_up, 1, "the peer does not hang up");
    }

    /// Discards records until the peer has closed the connection.
    pub fn read_to_end(&mut self) {
        while self.receive().is_some() {}
    }
}

impl From<Parsed<'_>> for Received {
    fn from(record: Parsed<'_>) -> Self {
        match record {
            Parsed::Frame(..) => Self::Frame,
            Parsed::Completion(completion) => Self::Completion(completion),
            Parsed::Control(message) => Self::Control(message),
            Parsed::Doorbell => Self::Doorbell,
        }
    }
}

impl AsFd for Wire {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl From<Wire> for OwnedFd {
    fn from(wire: Wire) -> Self {
        wire.stream.into()
    }
}
