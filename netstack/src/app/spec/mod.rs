//! The settings of an app: `KIND:key=value,key=value`.

mod error;
mod keys;
mod parse;

pub use error::{SpecError, SpecProblem};
pub use keys::Kind;

use std::fmt;
use std::net::SocketAddr;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::units::{BitRate, Bytes, Nanos, PacketRate, Phase, Ratio};

use super::schedule::Phases;
use super::sizes::Sizes;
use super::spans::Shape;

/// How many packets an app sends without waiting before it yields to other tasks. It also limits `burst`.
pub const MOST_IN_A_TURN: u32 = 64;

/// The settings of an app. Spelled `KIND:key=value,...`, and printed with every setting that has a value, so that a
/// report contains the defaults too.
///
/// A value of this type is valid in itself; whether it fits the link is checked by [`AppSpec::resolve`].
#[derive(Debug, Clone, PartialEq, SerializeDisplay, DeserializeFromStr)]
pub struct AppSpec {
    pub(super) name: Option<String>,
    pub(super) sizes: Sizes,
    pub(super) budget: Option<Bytes>,
    pub(super) to: SocketAddr,
    pub(super) traffic: Traffic,
}

/// When an app sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Traffic {
    /// As fast as the stack accepts.
    Bulk {
        /// Most packets that it passes to the stack in one call, and for which it waits for room at once, from 1 to
        /// [`MOST_IN_A_TURN`]. One call or wait for many costs less. It does not change how any packet is treated;
        /// beside other apps that wait, it changes whose packets come first.
        burst: u32,
    },
    /// Open loop: by a schedule that does not depend on how its packets settle.
    Open {
        /// The schedule.
        process: Process,
        /// How much it sends.
        pace: Pace,
        /// What it does when it is blocked.
        when_blocked: WhenBlocked,
    },
    /// One request at a time; the next one after the completion of the last and the think time.
    ReqResp {
        /// Mean think time.
        think: Nanos,
        /// The distribution of think times.
        shape: Shape,
    },
}

/// The schedule of an open-loop app.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Process {
    /// At a constant rate.
    Cbr,
    /// A Poisson process: independent, exponentially distributed gaps.
    Poisson,
    /// At a constant rate in on phases, nothing in the off phases between them.
    OnOff(Phases),
}

/// How much an open-loop app sends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// UDP payload bits per second, as iperf3 counts.
    Bits(BitRate),
    /// Packets per second.
    Packets(PacketRate),
    /// Share of the link's time that the frames take.
    Load(Ratio),
}

/// What an open-loop app does when a send would have to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenBlocked {
    /// It waits, and may fall behind its schedule.
    Wait,
    /// It skips the packet, which is refused, and keeps to its schedule.
    Skip,
}

impl WhenBlocked {
    /// Both values.
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

    /// Whether its arrivals depend on the seed.
    pub fn is_random(&self) -> bool {
        let timing = match self.traffic {
            Traffic::Bulk { .. } | Traffic::Open { process: Process::Cbr, .. } => false,
            Traffic::Open { process: Process::Poisson, .. } => true,
            Traffic::Open { process: Process::OnOff(phases), .. } => phases.are_random(),
            Traffic::ReqResp { think, shape } => shape.is_random() && think > Nanos::ZERO,
        };
        timing || self.sizes.only().is_none()
    }

    /// Its kind of traffic, with the settings of that kind.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// UDP payload of each packet.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Send budget in bytes of payload; `None` is unlimited.
    pub fn budget(&self) -> Option<Bytes> {
        self.budget
    }

    /// Destination of its packets.
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
        write!(f, "size={}", self.sizes)?;
        match self.traffic {
            Traffic::Bulk { burst } => write!(f, ",burst={burst}")?,
            Traffic::Open { process, pace, when_blocked } => {
                match pace {
                    Pace::Bits(rate) => write!(f, ",rate={rate}")?,
                    Pace::Packets(rate) => write!(f, ",rate={rate}")?,
                    Pace::Load(load) => write!(f, ",load={load}")?,
                }
                if let Process::OnOff(Phases { on, off, shape, phase }) = process {
                    write!(f, ",on={on},off={off},{shape}")?;
                    if phase != Phase::default() {
                        write!(f, ",phase={phase}")?;
                    }
                }
                write!(f, ",when-blocked={}", when_blocked.name())?;
            }
            Traffic::ReqResp { think, shape } => write!(f, ",think={think},{shape}")?,
        }
        if let Some(budget) = self.budget {
            write!(f, ",budget={budget}")?;
        }
        write!(f, ",to={}", self.to)
    }
}
