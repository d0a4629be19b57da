//! What a person asks of an app: `KIND:key=value,key=value`.

mod error;
mod keys;
mod parse;

pub use error::{SpecError, SpecProblem};
pub use keys::Kind;

use std::fmt;
use std::net::SocketAddr;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::units::{BitRate, Bytes, Nanos, PacketRate, Ratio};

use super::schedule::{Phases, Shape};

/// After so many packets, an app that never had to wait lets others have their turn.
pub const MOST_IN_A_TURN: u32 = 64;

/// An app, as it was asked for. Spelled `KIND:key=value,...`, and printed with every setting that
/// has a value, so that a report says what was left to a default.
///
/// There is one only if it makes sense in itself; whether it fits the link is for
/// [`AppSpec::resolve`] to say.
#[derive(Debug, Clone, PartialEq, SerializeDisplay, DeserializeFromStr)]
pub struct AppSpec {
    pub(super) name: Option<String>,
    pub(super) size: Bytes,
    pub(super) budget: Option<Bytes>,
    pub(super) to: SocketAddr,
    pub(super) traffic: Traffic,
}

/// When an app sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Traffic {
    /// As fast as it may.
    Bulk {
        /// Packets that it hands to the stack in one call, at most: from 1 to [`MOST_IN_A_TURN`]. What becomes of
        /// each is the same; a call for many costs less.
        burst: u32,
    },
    /// By a schedule of its own, whatever becomes of the packets.
    Open {
        /// The schedule.
        process: Process,
        /// How much of it.
        pace: Pace,
        /// What it does when it would have to wait.
        when_blocked: WhenBlocked,
    },
    /// The next request when the one before has completed and been thought about.
    ReqResp {
        /// Mean think time.
        think: Nanos,
        /// Whether each is the same.
        shape: Shape,
    },
}

/// The schedule of an open-loop app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// At a constant rate.
    Cbr,
    /// At random, independently of each other.
    Poisson,
    /// At a constant rate in on phases, not at all in the off phases between them.
    OnOff(Phases),
}

/// How much an open-loop app sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// UDP payload bits a second, as iperf3 counts.
    Bits(BitRate),
    /// Packets a second.
    Packets(PacketRate),
    /// Share of the link's time that the frames take on the wire.
    Load(Ratio),
}

/// What an open-loop app does when a send would have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBlocked {
    /// It waits, and falls behind its schedule.
    Wait,
    /// It keeps the packet, and its schedule.
    Skip,
}

impl WhenBlocked {
    /// Both ways.
    pub const ALL: [Self; 2] = [Self::Wait, Self::Skip];

    /// The spelling in flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Skip => "skip",
        }
    }
}

impl AppSpec {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        match self.traffic {
            Traffic::Bulk { .. } => Kind::Bulk,
            Traffic::Open { process: Process::Cbr, .. } => Kind::Cbr,
            Traffic::Open { process: Process::Poisson, .. } => Kind::Poisson,
            Traffic::Open { process: Process::OnOff(_), .. } => Kind::OnOff,
            Traffic::ReqResp { .. } => Kind::ReqResp,
        }
    }

    /// Whether what it sends depends on the seed.
    pub fn is_random(&self) -> bool {
        match self.traffic {
            Traffic::Bulk { .. } | Traffic::Open { process: Process::Cbr, .. } => false,
            Traffic::Open { process: Process::Poisson, .. } => true,
            Traffic::Open { process: Process::OnOff(phases), .. } => phases.shape == Shape::Exponential,
            Traffic::ReqResp { think, shape } => shape == Shape::Exponential && think > Nanos::ZERO,
        }
    }

    /// When it sends.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// UDP payload of each packet.
    pub fn size(&self) -> Bytes {
        self.size
    }

    /// Payload bytes that may be under way; `None` is unlimited.
    pub fn budget(&self) -> Option<Bytes> {
        self.budget
    }

    /// Where the packets go.
    pub fn to(&self) -> SocketAddr {
        self.to
    }
}

impl fmt::Display for AppSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.kind().name())?;
        if let Some(name) = &self.name {
            write!(f, "name={name},")?;
        }
        write!(f, "size={}", self.size)?;
        match self.traffic {
            Traffic::Bulk { burst } => write!(f, ",burst={burst}")?,
            Traffic::Open { process, pace, when_blocked } => {
                match pace {
                    Pace::Bits(rate) => write!(f, ",rate={rate}")?,
                    Pace::Packets(rate) => write!(f, ",rate={rate}")?,
                    Pace::Load(load) => write!(f, ",load={load}")?,
                }
                if let Process::OnOff(Phases { on, off, shape }) = process {
                    write!(f, ",on={on},off={off},distribution={shape}")?;
                }
                write!(f, ",when-blocked={}", when_blocked.name())?;
            }
            Traffic::ReqResp { think, shape } => write!(f, ",think={think},distribution={shape}")?,
        }
        if let Some(budget) = self.budget {
            write!(f, ",budget={budget}")?;
        }
        write!(f, ",to={}", self.to)
    }
}
