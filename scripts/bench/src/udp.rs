//! UDP over loopback, which every system has: a plain send loop and a plain receive loop.

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::time::{Duration, Instant};

use crate::Tally;

/// How long no packet must arrive for the stream to count as ended.
const SILENCE: Duration = Duration::from_millis(300);

/// How long the receiver waits for the first packet.
const FIRST_PACKET_TIMEOUT: Duration = Duration::from_secs(10);

/// Packets between two reads of the clock, each of which takes a tenth of a send.
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
            // Ignored: a full buffer or a missing receiver loses packets, as UDP does; only received ones count.
            let _ = socket.send(&payload);
        }
    }
    Ok(())
}

/// Prints its port, counts the packets that arrive, and prints their number and the nanoseconds from the first to the
/// last.
///
/// # Errors
/// If the socket cannot be used, or no packet arrives.
#[expect(clippy::disallowed_methods, reason = "the program that started it reads the pipe")]
pub fn sink() -> io::Result<()> {
    let socket = UdpSocket::bind(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0))?;
    // The lab reads both lines; without it, there is nothing to measure, so an error ends the process.
    let mut out = io::stdout().lock();
    writeln!(out, "{}", socket.local_addr()?.port())?;
    let mut buffer = [0; 2048];
    socket.set_read_timeout(Some(FIRST_PACKET_TIMEOUT))?;
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
