//! The flags of the stack. Those that the driver has too are in `shared::process::settings`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::control::TransportKind;
use shared::process::help::{OUTPUT, RARE, RING, TRAFFIC};
use shared::process::settings::MAX_EXACT;
use shared::ring::{Depth, WakePoint, WakePointError};
use shared::text_schema;
use shared::units::{Nanos, parse_accepted};

use crate::app::{AppSpec, Traffic};
use crate::device::Policy;
use crate::dispatch::Dispatch;
use crate::layers::MacAddr;

/// Settings of the stack in real and in virtual time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Args)]
pub struct StackSettings {
    /// What happens when the ring is full: wait, drop-newest, drop-oldest, deadline=TIME.
    ///
    /// wait lets the senders wait for room. drop-newest drops the packet that finds none, drop-oldest the oldest of a
    /// queue in front of the ring (--txqueue). deadline=5ms lets a sender wait for up to that time, and then drops its
    /// packet. See lab help policy.
    #[arg(long, help_heading = RING, env = "PUSHBACK_POLICY", default_value_t)]
    pub policy: Policy,

    /// The apps, and how their packets descend.
    #[command(flatten)]
    #[serde(flatten)]
    pub sending: SendSettings,

    /// The length of the run.
    #[command(flatten)]
    #[serde(flatten)]
    pub length: LengthSettings,

    /// Addresses, the transmit queue and timing.
    #[command(flatten)]
    #[serde(flatten)]
    pub layers: LayerSettings,
}

/// The apps, and how their packets descend: the settings that a queueing model depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Args)]
pub struct SendSettings {
    /// An app, such as cbr:load=0.5; repeatable; see lab help app.
    ///
    /// KIND is bulk, cbr, poisson, onoff, reqresp or trace; keys are name, file, size, burst, rate, load, budget,
    /// when-blocked, on, off, think, distribution, shape, phase and to.
    ///
    /// size is one payload, or a mix with weights such as 64B:7/576B:4/1472B:1, of which rate and load count the mean.
    /// distribution is fixed, exponential or pareto, which needs a shape such as 1.5; phase is where in its on/off
    /// period an app begins, as a time or random. trace sends the packets of file, a pcap file of Ethernet frames or a
    /// table with the line time_ns,size at its top, at their times relative to the first; it has at most 4000000.
    #[arg(
        long = "app",
        help_heading = TRAFFIC,
        value_name = "KIND:KEY=VALUE,...",
        env = "PUSHBACK_APP",
        value_delimiter = ';',
        default_value = "bulk"
    )]
    pub apps: Vec<AppSpec>,

    /// How the layers call each other.
    ///
    /// It sets the cost of an `async fn` in each of them, and changes no other figure; lab dispatch measures it.
    #[arg(long, help_heading = RARE, value_name = "WAY", env = "PUSHBACK_DISPATCH", value_enum, default_value_t)]
    #[serde(default)]
    pub dispatch: Dispatch,

    /// How many slots must be free before waiting senders are served.
    ///
    /// each is 1, half is half of the depth. `each` keeps the ring full and wakes the stack for each packet; `half`
    /// wakes it once per half a ring, and shortens the time that a packet spends in the ring. [default: half under the
    /// policy wait, each under others]
    #[arg(long, help_heading = RING, value_name = "each|half|N", env = "PUSHBACK_WAKE")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wake: Option<WakePoint>,
}

/// How much the apps offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Args)]
pub struct LengthSettings {
    /// How long the apps offer packets [default: 5s without --packets]
    #[arg(long, help_heading = TRAFFIC, value_name = "TIME", env = "PUSHBACK_DURATION", conflicts_with = "packets", value_parser = some_time)]
    pub duration: Option<Nanos>,

    /// How many packets each app offers.
    #[arg(long, help_heading = TRAFFIC, value_name = "N", env = "PUSHBACK_PACKETS", value_parser = clap::value_parser!(u64).range(1..=MAX_EXACT))]
    pub packets: Option<u64>,
}

/// Addresses, the transmit queue, the drain and the sampling interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Args)]
pub struct LayerSettings {
    /// Places of the queue in front of the ring, for drop-oldest.
    #[arg(long, help_heading = RING, value_name = "N", env = "PUSHBACK_TXQUEUE", default_value_t = DEFAULT_TXQUEUE, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub txqueue: u32,

    /// How long the ring may drain at the end of a run.
    ///
    /// From the time at which the last packet was offered. Packets that are under way then are reported as in flight.
    #[arg(long, help_heading = RARE, value_name = "TIME", env = "PUSHBACK_DRAIN_TIMEOUT", default_value = "10s")]
    pub drain_timeout: Nanos,

    /// Time between two lines, and between two samples in the report.
    ///
    /// In the report it is doubled as often as needed to keep at most 100 000 samples.
    #[arg(long, help_heading = OUTPUT, value_name = "TIME", env = "PUSHBACK_INTERVAL", default_value = "1s", value_parser = interval)]
    pub interval: Nanos,

    /// Address of the stack and its prefix length; repeatable.
    #[arg(long, help_heading = RARE, value_name = "IP/PREFIX", env = "PUSHBACK_ADDRESS", value_delimiter = ',', default_values = ["10.0.0.1/24", "fd00::1/64"])]
    pub address: Vec<Network>,

    /// Gateway for packets to other networks; repeatable.
    #[arg(long, help_heading = RARE, value_name = "IP", env = "PUSHBACK_GATEWAY", value_delimiter = ',', value_parser = ip)]
    #[serde(default)]
    pub gateway: Vec<IpAddr>,

    /// Ethernet address of a neighbour; repeatable.
    ///
    /// A send to an unknown neighbour waits for up to 1 s. With a way up, neighbours are asked for their addresses, three
    /// times in 3 s, and the defaults of this flag do not count.
    #[arg(
        long,
        help_heading = RARE,
        value_name = "IP=MAC",
        env = "PUSHBACK_NEIGHBOUR",
        value_delimiter = ',',
        default_values = DEFAULT_NEIGHBOURS
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

    /// The wake point that the greeting sends to the driver, which may hold completions back until it is reached.
    /// [`WakePoint::Each`] if anything except a waiter for room can depend on a single completion.
    pub fn greeted_wake(&self) -> WakePoint {
        // Only an app that always has more to send waits whenever the ring is full. Any other app may send when slots
        // are free and no sender waits; it then needs no wake point, only the completions of those slots.
        let always_waits = |app: &AppSpec| matches!(app.traffic(), Traffic::Bulk { .. }) && app.budget().is_none();
        // Under a deadline a sender may stop waiting before the wake point, and then the same applies.
        let all_wait = self.policy == Policy::Wait && self.sending.apps.iter().all(always_waits);
        if all_wait { self.wake() } else { WakePoint::Each }
    }
}

/// The neighbours that are known without a flag, on hardware without a way up: nothing could answer there.
pub const DEFAULT_NEIGHBOURS: [&str; 2] = ["10.0.0.2=02:00:00:00:00:02", "fd00::2=02:00:00:00:00:02"];

/// Default number of places of the transmit queue of `drop-oldest`.
pub const DEFAULT_TXQUEUE: u32 = 64;

/// How the stack connects to the driver. A simulation has no such settings, because it is one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Args)]
pub struct SessionSettings {
    /// The transport of frames to the driver.
    #[arg(long, help_heading = RING, value_name = "KIND", env = "PUSHBACK_TRANSPORT", value_enum, default_value_t)]
    pub transport: TransportKind,

    /// How long to wait for a driver to listen and to answer.
    #[arg(long, help_heading = RARE, value_name = "TIME", env = "PUSHBACK_CONNECT_TIMEOUT", default_value_t = DEFAULT_CONNECT_TIMEOUT)]
    pub connect_timeout: Nanos,
}

const DEFAULT_CONNECT_TIMEOUT: Nanos = Nanos::from_secs(2);

impl Default for SessionSettings {
    fn default() -> Self {
        Self { transport: TransportKind::default(), connect_timeout: DEFAULT_CONNECT_TIMEOUT }
    }
}

/// What is printed during and after a run.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema, Args)]
pub struct LineSettings {
    /// Print only warnings and what failed, on standard error.
    ///
    /// No progress, no line for each interval, and no report. What --json and --out write is the same.
    #[arg(long, help_heading = OUTPUT, env = "PUSHBACK_QUIET")]
    #[serde(default)]
    pub quiet: bool,
}

/// The least time between samples. With less, sampling itself would take most of a run's time.
const LEAST_INTERVAL: Nanos = Nanos::from_millis(1);

/// Parses the duration of a run or a measurement, which must be above zero.
///
/// # Errors
/// What is wrong with `text`, and how to write it.
pub fn some_time(text: &str) -> Result<Nanos, String> {
    parse_accepted(text, |time| *time > Nanos::ZERO, "a time of zero measures nothing; use a time above zero, as in 5s")
}

fn interval(text: &str) -> Result<Nanos, String> {
    let remedy = format!("the interval is too short; use at least {LEAST_INTERVAL}, as in 1s");
    parse_accepted(text, |interval| *interval >= LEAST_INTERVAL, &remedy)
}

/// Parses an address. The message of the standard library names no remedy.
fn ip(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "write an address, as in 10.0.0.254 or fd00::254".to_owned())
}

/// An address of the stack, with the prefix length of its network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Network {
    /// The stack's address.
    pub address: IpAddr,
    /// Prefix length: how many leading bits neighbours share with `address`.
    pub prefix: u8,
}

/// A neighbour whose Ethernet address is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, SerializeDisplay, DeserializeFromStr)]
pub struct Neighbour {
    /// Its IP address.
    pub ip: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddr,
}

/// The text is not an address of the kind that the flag accepts.
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

text_schema! {
    Network: "An address and the prefix length of its network, such as 10.0.0.1/24.";
    Neighbour: "An address and its Ethernet address, such as 10.0.0.2=02:00:00:00:00:02.";
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn errors_of_times_with_a_least_value_suggest_nothing_below_it() {
        let message = |parse: fn(&str) -> Result<Nanos, String>, text| parse(text).unwrap_err();
        assert_eq!(some_time("40ms"), Ok(Nanos::from_millis(40)));
        for none in ["0", "0s", "0.0ms"] {
            assert!(message(some_time, none).contains("above zero, as in 5s"), "{}", message(some_time, none));
        }
        assert!(message(some_time, "0.4ns").ends_with("write 1ns for a time"));
        assert!(message(interval, "7").ends_with("write 7s or 7ms for a time"));
        for short in ["999us", "0.3ns", "12.5ns", "0"] {
            assert!(message(interval, short).contains("at least 1ms, as in 1s"), "{}", message(interval, short));
        }
    }

    #[test]
    fn addresses_round_trip_and_malformed_ones_are_errors() {
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
    fn the_greeted_wake_point_is_each_if_a_single_completion_can_matter() {
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
