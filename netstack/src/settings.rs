//! The stack's own flags. Those it shares with the driver are in `shared::settings`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::ring::{Depth, WakePoint, WakePointError};
use shared::settings::MAX_EXACT;
use shared::units::{Nanos, parse_accepted};
use shared::wire::TransportKind;

use crate::app::{AppSpec, Traffic};
use crate::dispatch::Dispatch;
use crate::stack::{MacAddr, Policy};

/// What only the stack takes, in real and in virtual time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
pub struct StackSettings {
    /// What the device does when the ring is full: wait, drop-newest, drop-oldest, deadline=TIME.
    #[arg(long, env = "PUSHBACK_POLICY", default_value_t)]
    pub policy: Policy,

    /// What is sent, and how it goes down.
    #[command(flatten)]
    #[serde(flatten)]
    pub sending: SendSettings,

    /// How long.
    #[command(flatten)]
    #[serde(flatten)]
    pub length: LengthSettings,

    /// The rest.
    #[command(flatten)]
    #[serde(flatten)]
    pub layers: LayerSettings,
}

/// What is sent, and how it goes down: what a model of queueing theory has to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
pub struct SendSettings {
    /// Traffic, as KIND:key=value,...; repeatable. KIND is bulk, cbr, poisson, onoff or reqresp;
    /// keys are name, size, burst, rate, load, budget, when-blocked, on, off, think, distribution and to.
    #[arg(
        long = "app",
        value_name = "KIND:KEY=VALUE,...",
        env = "PUSHBACK_APP",
        value_delimiter = ';',
        default_value = "bulk"
    )]
    pub apps: Vec<AppSpec>,

    /// How the layers call each other: what an `async fn` in each of them costs.
    #[arg(long, value_name = "WAY", env = "PUSHBACK_DISPATCH", value_enum, default_value_t)]
    #[serde(default)]
    pub dispatch: Dispatch,

    /// How many slots must be free before senders that wait for room are served: each (1), half (of the depth) or N.
    ///
    /// Each keeps the ring full and wakes the stack for each packet; half wakes it once for half a ring, and
    /// shortens the time that a packet spends in the ring. [default: half under the policy wait, each under others]
    #[arg(long, value_name = "each|half|N", env = "PUSHBACK_WAKE")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<WakePoint>,
}

/// How much the apps offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct LengthSettings {
    /// How long the apps offer packets. [default: 5s, unless --packets is given]
    #[arg(long, value_name = "TIME", env = "PUSHBACK_DURATION", conflicts_with = "packets", value_parser = some_time)]
    pub duration: Option<Nanos>,

    /// How many packets each app offers.
    #[arg(long, value_name = "N", env = "PUSHBACK_PACKETS", value_parser = clap::value_parser!(u64).range(1..=MAX_EXACT))]
    pub packets: Option<u64>,
}

/// What the layers know, and when they are looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Args)]
pub struct LayerSettings {
    /// Places of the queue in front of the ring, for drop-oldest.
    #[arg(long, value_name = "N", env = "PUSHBACK_TXQUEUE", default_value_t = DEFAULT_TXQUEUE, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub txqueue: u32,

    /// How long the ring may drain after the last packet was offered.
    #[arg(long, value_name = "TIME", env = "PUSHBACK_DRAIN_TIMEOUT", default_value = "10s")]
    pub drain_timeout: Nanos,

    /// Time between two lines on the terminal, and between two samples in the report as long as they are not too many.
    #[arg(long, value_name = "TIME", env = "PUSHBACK_INTERVAL", default_value = "1s", value_parser = interval)]
    pub interval: Nanos,

    /// Our address and its network, IPv4 or IPv6; repeatable.
    #[arg(long, value_name = "IP/PREFIX", env = "PUSHBACK_ADDRESS", value_delimiter = ',', default_values = ["10.0.0.1/24", "fd00::1/64"])]
    pub address: Vec<Network>,

    /// Where packets for other networks go; repeatable.
    #[arg(long, value_name = "IP", env = "PUSHBACK_GATEWAY", value_delimiter = ',', value_parser = ip)]
    #[serde(default)]
    pub gateway: Vec<IpAddr>,

    /// Ethernet address of a neighbour; repeatable. A send to an unknown one waits.
    #[arg(
        long,
        value_name = "IP=MAC",
        env = "PUSHBACK_NEIGHBOUR",
        value_delimiter = ',',
        default_values = ["10.0.0.2=02:00:00:00:00:02", "fd00::2=02:00:00:00:00:02"]
    )]
    pub neighbour: Vec<Neighbour>,
}

impl StackSettings {
    /// Slots that must be free before senders that wait for room are served, in a ring of `depth` slots.
    ///
    /// # Errors
    /// [`WakePointError::AboveDepth`].
    pub fn wake_point(&self, depth: Depth) -> Result<u32, WakePointError> {
        self.wake().slots(depth)
    }

    fn wake(&self) -> WakePoint {
        self.sending.wake.unwrap_or(self.policy.default_wake())
    }

    /// The wake point that the driver hears of: [`WakePoint::Each`] if anything but waiting for room can depend on
    /// a single completion, so that the driver must not hold any back.
    pub fn greeted_wake(&self) -> WakePoint {
        // Only an app that always has more to send waits as soon as the ring is full. Any other one may come when a slot
        // is free again and no sender waits, and then it need not wait for the wake point.
        let always_waits = |app: &AppSpec| matches!(app.traffic(), Traffic::Bulk { .. }) && app.budget().is_none();
        // A sender that gives up leaves the room to others in the same way.
        let all_wait = self.policy == Policy::Wait && self.sending.apps.iter().all(always_waits);
        if all_wait { self.wake() } else { WakePoint::Each }
    }
}

/// Places of the queue of `drop-oldest`, unless others are asked for.
pub const DEFAULT_TXQUEUE: u32 = 64;

/// How the stack reaches the driver. A simulation is one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Args)]
pub struct SessionSettings {
    /// How frames travel to the driver.
    #[arg(long, env = "PUSHBACK_TRANSPORT", value_enum, default_value_t)]
    pub transport: TransportKind,

    /// How long to wait for a driver to listen and to answer.
    #[arg(long, value_name = "TIME", env = "PUSHBACK_CONNECT_TIMEOUT", default_value_t = DEFAULT_CONNECT_TIMEOUT)]
    pub connect_timeout: Nanos,
}

const DEFAULT_CONNECT_TIMEOUT: Nanos = Nanos::from_secs(2);

impl Default for SessionSettings {
    fn default() -> Self {
        Self { transport: TransportKind::default(), connect_timeout: DEFAULT_CONNECT_TIMEOUT }
    }
}

/// What is printed while a run goes on.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, Args)]
pub struct LineSettings {
    /// No line per interval.
    #[arg(long, env = "PUSHBACK_QUIET")]
    #[serde(default)]
    pub quiet: bool,
}

/// The least time between samples: below it, sampling is all that a run does.
const LEAST_INTERVAL: Nanos = Nanos::from_millis(1);

/// A time that something takes: a run, or a measurement.
///
/// # Errors
/// What is wrong with `text`, and how to write it.
pub fn some_time(text: &str) -> Result<Nanos, String> {
    parse_accepted(text, |time| *time > Nanos::ZERO, "there is nothing to measure; use a time above zero, as in 5s")
}

fn interval(text: &str) -> Result<Nanos, String> {
    let remedy = format!("samples need time between them; use at least {LEAST_INTERVAL}, as in 1s");
    parse_accepted(text, |interval| *interval >= LEAST_INTERVAL, &remedy)
}

/// The standard library's message names no remedy.
fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "write an address, as in 10.0.0.254 or fd00::254".to_owned())
}

/// An address with the length of its network's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Network {
    /// Our address.
    pub address: IpAddr,
    /// Bits that neighbours share with it.
    pub prefix: u8,
}

/// A neighbour whose Ethernet address is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Neighbour {
    /// Its IP address.
    pub ip: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddr,
}

/// Text that is no address of the kind that a flag takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `IP/PREFIX`.
    #[error("{0} is not an address with a prefix length; write it as in 10.0.0.1/24 or fd00::1/64")]
    Network(String),
    /// Not `IP=MAC`.
    #[error("{0} is not a neighbour; write it as in 10.0.0.2=02:00:00:00:00:02")]
    Neighbour(String),
}

impl FromStr for Network {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError::Network(text.to_owned());
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Neighbour {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parsed = text.split_once('=').and_then(|(ip, mac)| Some((ip.parse().ok()?, mac.parse().ok()?)));
        parsed.map(|(ip, mac)| Self { ip, mac }).ok_or_else(|| AddressError::Neighbour(text.to_owned()))
    }
}

impl fmt::Display for Neighbour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.ip, self.mac)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn times_that_have_a_least_value_suggest_nothing_below_it() {
        let said = |parse: fn(&str) -> Result<Nanos, String>, text| parse(text).unwrap_err();
        assert_eq!(some_time("40ms"), Ok(Nanos::from_millis(40)));
        for none in ["0", "0s", "0.0ms"] {
            assert!(said(some_time, none).contains("above zero, as in 5s"), "{}", said(some_time, none));
        }
        assert!(said(some_time, "0.4ns").ends_with("write 1ns for a time"));
        assert!(said(interval, "7").ends_with("write 7s or 7ms for a time"));
        for short in ["999us", "0.3ns", "12.5ns", "0"] {
            assert!(said(interval, short).contains("at least 1ms, as in 1s"), "{}", said(interval, short));
        }
    }

    #[test]
    fn addresses_round_trip_and_nonsense_is_refused() {
        for text in ["10.0.0.1/24", "fd00::1/64", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
        for bad in ["10.0.0.1", "10.0.0.1/33", "fd00::1/129", "/24", "10.0.0.1/-1"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
        let text = "10.0.0.2=02:00:00:00:00:02";
        assert_eq!(text.parse::<Neighbour>().unwrap().to_string(), text);
        assert!("10.0.0.2".parse::<Neighbour>().is_err());
    }
    #[test]
    fn the_driver_hears_each_if_a_single_completion_can_matter() {
        let greeted = |flags: &[&str]| {
            let named = [&["netstack"], flags].concat();
            crate::process::Args::try_parse_from(named).unwrap().stack.greeted_wake().to_string()
        };
        assert_eq!(greeted(&[]), "half");
        assert_eq!(greeted(&["--wake=7", "--app=bulk", "--app=bulk:size=64B"]), "7");
        for alone in ["--policy=deadline=5ms", "--app=reqresp", "--app=bulk:budget=3kB", "--app=cbr:load=2"] {
            assert_eq!(greeted(&["--wake=7", "--app=bulk", alone]), "each", "{alone}");
        }
    }
}
