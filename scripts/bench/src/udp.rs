//! The peer that everybody has: UDP over loopback, a plain send loop against a plain receive loop.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use crate::Tally;

/// Silence that means that nothing follows.
const SILENCE: Duration = Duration::from_millis(300);

/// How long the receiver waits for the first packet.
const PATIENCE: Duration = Duration::from_secs(10);

/// Packets between two looks at the clock: a look costs a tenth of a send.
const BATCH: usize = 64;

/// Sends payloads of `size` bytes to `port` for `time`, as fast as the kernel takes them.
///
/// # Errors
/// If the socket cannot be used.
pub fn source(port: u16, size: usize, time: Duration) -> io::Result<()> {
    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    socket.connect(SocketAddrV4::new(Ipv4Addr::LOCALHOST, port))?;
    let (payload, end) = (vec![0x5a; size], Instant::now() + time);
    while Instant::now() < end {
        for _ in 0..BATCH {
            // A full buffer or a receiver that is not there is what UDP is about.
            let _ = socket.send(&payload);
        }
    }
    Ok(())
}

/// Says on which port it listens, counts what arrives, and prints packets and nanoseconds from the
/// first to the last.
///
/// # Errors
/// If the socket cannot be used, or nothing comes.
#[expect(clippy::disallowed_methods, reason = "the program that started it reads the pipe")]
pub fn sink() -> io::Result<()> {
    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    // Whoever started it reads both lines, or it is of no use.
    let mut out = io::stdout().lock();
    writeln!(out, "{}", socket.local_addr()?.port())?;
    let mut buffer = [0; 2048];
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.recv(&mut buffer)?;
    socket.set_read_timeout(Some(SILENCE))?;
    let first = Instant::now();
    let (mut packets, mut last) = (1_u64, first);
    while socket.recv(&mut buffer).is_ok() {
        packets += 1;
        if packets.is_multiple_of(BATCH as u64) {
            last = Instant::now();
        }
    }
    writeln!(out, "{}", Tally { packets, took: last.duration_since(first) })
}
