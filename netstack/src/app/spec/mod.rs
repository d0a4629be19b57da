//! The settings of an app: `KIND:key=value,key=value`.

mod error;
mod keys;
mod parse;

pub use error::{SpecError, SpecProblem};
pub use keys::{Key, Kind};

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::text_schema;
use shared::units::{BitRate, Bytes, Nanos, PacketRate, Phase, Ratio, shown};

use super::schedule::Phases;
use super::sizes::Sizes;
use super::spans::Shape;
use super::trace::Trace;
use error::LONGEST_SHOWN;

/// How many packets an app sends without waiting before it yields to other tasks. It also limits `burst`.
pub const MOST_IN_A_TURN: u32 = 64;

/// The settings of an app. Spelled `KIND:key=value,...`, and printed with every setting that has a value, so that a
/// report contains the defaults too.
///
/// A value of this type is valid in itself; whether it fits the link is checked by [`AppSpec::resolve`].
#[derive(Debug, Clone, PartialEq, SerializeDisplay, DeserializeFromStr)]
pub struct AppSpec {
    pub(super) name: Option<String>,
    /// Of a trace, its largest size.
    pub(super) sizes: Sizes,
    /// The packets of a `trace`, and of no other kind.
    pub(super) trace: Option<Arc<Trace>>,
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
    /// Open loop: recorded packets, each at its time and with its size.
    Trace {
        /// What it does when it is blocked.
        when_blocked: WhenBlocked,
    },
    /// One request at a time; the next one after the completion of the last and the think time.
    ReqResp {
        /// Mean think time.
        think: Nanos,
        /// The distribution of think times.
        shape: Shape,
        /// What the response is.
        via: Via,
    },
    /// Receives, and checks what comes.
    Sink(Listen),
    /// Receives, and sends each datagram back.
    Echo(Listen),
}

/// How an app receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listen {
    /// Its UDP port.
    pub port: u16,
    /// How many datagrams wait for it at most.
    pub queue: u32,
}

/// What the response to a request is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Its completion by the hardware.
    Completion,
    /// The datagram that an echo at the far end sends back.
    Echo,
}

impl Via {
    /// Both values.
    pub const ALL: [Self; 2] = [Self::Completion, Self::Echo];

    /// The spelling in flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completion => "completion",
            Self::Echo => "echo",
        }
    }
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
            Traffic::Trace { .. } => Kind::Trace,
            Traffic::Sink(_) => Kind::Sink,
            Traffic::Echo(_) => Kind::Echo,
        }
    }

    /// The port on which it receives, if it is a `sink` or an `echo`.
    pub fn listens(&self) -> Option<Listen> {
        match self.traffic {
            Traffic::Sink(listen) | Traffic::Echo(listen) => Some(listen),
            _ => None,
        }
    }

    /// Whether it needs a way up: it receives, or waits for datagrams that come back.
    pub fn needs_way_up(&self) -> bool {
        self.listens().is_some() || matches!(self.traffic, Traffic::ReqResp { via: Via::Echo, .. })
    }

    /// Whether its arrivals depend on the seed.
    pub fn is_random(&self) -> bool {
        let timing = match self.traffic {
            Traffic::Bulk { .. } | Traffic::Trace { .. } | Traffic::Open { process: Process::Cbr, .. } => false,
            Traffic::Open { process: Process::Poisson, .. } => true,
            Traffic::Open { process: Process::OnOff(phases), .. } => phases.are_random(),
            Traffic::ReqResp { think, shape, .. } => shape.is_random() && think > Nanos::ZERO,
            Traffic::Sink(_) | Traffic::Echo(_) => false,
        };
        timing || self.sizes.only().is_none()
    }

    /// Its kind of traffic, with the settings of that kind.
    pub fn traffic(&self) -> Traffic {
        self.traffic
    }

    /// The same app with `key` set to `value`, as its settings spell both. An app has one pace: `load` replaces `rate`,
    /// and `rate` replaces `load`. Returns `None` if apps of this kind have no such key.
    ///
    /// # Errors
    /// [`SpecError`] if there is no such key at all, or the app does not accept the value.
    pub fn with(&self, key: &str, value: &str) -> Result<Option<Self>, SpecError> {
        let text = self.to_string();
        let Some(known) = Key::ALL.into_iter().find(|known| known.name() == key) else {
            let unknown = SpecProblem::UnknownKey { key: shown(key, LONGEST_SHOWN), kind: self.kind() };
            return Err(SpecError::new(&text, unknown));
        };
        if !known.belongs_to(self.kind()) {
            return Ok(None);
        }
        let paces = [Key::Rate, Key::Load];
        let replaced =
            |name: &str| name == key || (paces.contains(&known) && paces.iter().any(|pace| pace.name() == name));
        let (kind, pairs) = text.split_once(':').unwrap_or((&text, ""));
        let kept = pairs.split(',').filter(|pair| !pair.split('=').next().is_some_and(replaced));
        let set = format!("{key}={value}");
        let pairs: Vec<_> = kept.chain([set.as_str()]).collect();
        format!("{kind}:{}", pairs.join(",")).parse().map(Some)
    }

    /// The name that was set; without one, [`AppSpec::name`] makes one up.
    pub fn given_name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The packets of a `trace`.
    pub fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// Whether it skips a packet that it cannot send at once.
    pub fn skips(&self) -> bool {
        match self.traffic {
            Traffic::Open { when_blocked, .. } | Traffic::Trace { when_blocked } => when_blocked == WhenBlocked::Skip,
            Traffic::Bulk { .. } | Traffic::ReqResp { .. } | Traffic::Sink(_) | Traffic::Echo(_) => false,
        }
    }

    /// UDP payload of each packet; of a trace, the largest.
    pub fn sizes(&self) -> &Sizes {
        &self.sizes
    }

    /// Send budget in bytes of payload; `None` is unlimited.
    pub fn budget(&self) -> Option<Bytes> {
        self.budget
    }

    /// Destination of its packets; of no importance for an app that has none of its own, see [`AppSpec::listens`].
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
        match (&self.trace, self.listens()) {
            (_, Some(Listen { port, queue })) => write!(f, "port={port},queue={queue}")?,
            (Some(trace), None) => write!(f, "file={}", trace.file().display())?,
            (None, None) => write!(f, "size={}", self.sizes)?,
        }
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
            Traffic::Trace { when_blocked } => write!(f, ",when-blocked={}", when_blocked.name())?,
            Traffic::ReqResp { think, shape, via } => {
                write!(f, ",think={think},{shape},via={}", via.name())?;
            }
            Traffic::Sink(_) | Traffic::Echo(_) => {}
        }
        if let Some(budget) = self.budget {
            write!(f, ",budget={budget}")?;
        }
        if self.listens().is_none() {
            write!(f, ",to={}", self.to)?;
        }
        Ok(())
    }
}

text_schema! {
    AppSpec: "An app, as `--app` takes it, with every setting that has a value: KIND:key=value,...";
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(app: &str, key: &str, value: &str) -> Result<Option<String>, SpecError> {
        Ok(app.parse::<AppSpec>()?.with(key, value)?.map(|app| app.to_string()))
    }

    #[test]
    fn a_key_is_replaced_or_added_and_a_kind_without_it_is_left() {
        let poisson = |rest: &str| Ok(Some(format!("poisson:size=22B,{rest},to=10.0.0.2:9")));
        let app = "poisson:size=22B,load=0.5";
        assert_eq!(with(app, "load", "90%"), poisson("load=0.9,when-blocked=wait"));
        assert_eq!(with(app, "rate", "1Mpps"), poisson("rate=1Mpps,when-blocked=wait"), "an app has one pace");
        assert_eq!(with(app, "budget", "64KiB"), poisson("load=0.5,when-blocked=wait,budget=64KiB"));
        assert_eq!(with(app, "burst", "8"), Ok(None));
    }

    #[test]
    fn an_unknown_key_and_a_refused_value_are_errors() {
        assert!(matches!(with("bulk", "laod", "1").unwrap_err().problem(), SpecProblem::UnknownKey { .. }));
        assert!(with("bulk", "size", "0B").unwrap_err().to_string().contains("empty payload"));
    }
}
