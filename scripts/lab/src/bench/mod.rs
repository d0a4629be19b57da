//! Packets a second between two processes, ours and others', measured in turn in the same run.
//!
//! A machine's speed drifts within an hour, so each repetition runs every contestant once, and what
//! counts is the ratio of the medians.

mod rows;
pub(crate) mod udp;

use shared::wire::TransportKind;

pub(crate) use rows::{BENCH_SCHEMA, BenchReport, Row, table};

/// Ethernet, IPv4 and UDP headers: what a frame is longer than its payload.
pub(crate) const HEADERS: u64 = 42;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Contestant {
    /// The whole stack and the driver, over this transport.
    Pushback(TransportKind),
    /// A plain send loop and a plain receive loop on UDP over loopback: what arrives, not what is
    /// sent.
    UdpLoopback,
}

impl Contestant {
    /// Everybody, in the order of each repetition.
    pub(crate) const ALL: [Self; 3] =
        [Self::Pushback(TransportKind::Shm), Self::Pushback(TransportKind::Socket), Self::UdpLoopback];

    /// The name in reports.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pushback(TransportKind::Shm) => "pushback-shm",
            Self::Pushback(TransportKind::Socket) => "pushback-socket",
            Self::UdpLoopback => "udp-loopback",
        }
    }
}
