//! Packets a second between two processes, ours and others', measured in turn in the same run.
//!
//! A machine's speed drifts within an hour, so each repetition runs every contestant once, and what
//! counts is the ratio of the medians.

mod rows;
pub(crate) mod udp;

pub(crate) use rows::{BENCH_SCHEMA, BenchReport, Row, table};

/// Ethernet, IPv4 and UDP headers: what a frame is longer than its payload.
pub(crate) const HEADERS: u64 = 42;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The whole stack and the driver, over the socket transport.
    Socket,
    /// A plain send loop and a plain receive loop on UDP over loopback: what arrives, not what is
    /// sent.
    UdpLoopback,
}

impl Contestant {
    /// Everybody, in the order of each repetition.
    pub(crate) const ALL: [Self; 2] = [Self::Socket, Self::UdpLoopback];

    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Socket => "pushback-socket",
            Self::UdpLoopback => "udp-loopback",
        }
    }
}
