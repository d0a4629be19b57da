//! The kinds of apps, and the keys of each kind.

use std::fmt;

use super::{Shape, Via, WhenBlocked};

/// A kind of app.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Closed loop, as fast as the stack accepts.
    Bulk,
    /// Open loop at a constant rate.
    Cbr,
    /// Open loop, a Poisson process.
    Poisson,
    /// Open loop at a constant rate in on phases, with off phases between them.
    OnOff,
    /// Closed loop: request, response, think time.
    ReqResp,
    /// Open loop: recorded times and sizes.
    Trace,
    /// Receives, and checks what comes.
    Sink,
    /// Receives, and sends each datagram back.
    Echo,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] =
        [Self::Bulk, Self::Cbr, Self::Poisson, Self::OnOff, Self::ReqResp, Self::Trace, Self::Sink, Self::Echo];

    /// The spelling in flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Cbr => "cbr",
            Self::Poisson => "poisson",
            Self::OnOff => "onoff",
            Self::ReqResp => "reqresp",
            Self::Trace => "trace",
            Self::Sink => "sink",
            Self::Echo => "echo",
        }
    }

    /// How it sends, in a sentence for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Bulk => "As fast as the stack accepts: a file transfer. Closed loop, so backpressure slows it down.",
            Self::Cbr => "At a constant rate: voice or video. Open loop: its schedule does not depend on the stack.",
            Self::Poisson => "At random times, independent of each other: many users. Open loop.",
            Self::OnOff => {
                "At a constant rate in on phases, nothing in the off phases between them: bursts. Open loop. rate and \
                 load are those of the on phase."
            }
            Self::ReqResp => {
                "A request, its response (the completion, or with via=echo the datagram that comes back), then the think \
                 time, and again. Closed loop."
            }
            Self::Trace => {
                "Recorded packets, at their times after the first: a pcap file of Ethernet frames, or a table with the \
                 line time_ns,size at its top. Open loop."
            }
            Self::Sink => {
                "Receives on a port, and checks sequence numbers: loss, reordering and duplicates. Needs a driver with a \
                 way up."
            }
            Self::Echo => {
                "Receives on a port, and sends each datagram back to its sender. Needs a driver with a way up."
            }
        }
    }

    /// The least settings that an app of this kind needs besides its name, as they are spelled behind it.
    pub const fn example(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Cbr => "cbr:rate=100Mbit",
            Self::Poisson => "poisson:load=0.9",
            Self::OnOff => "onoff:rate=200Mbit,on=2ms,off=6ms",
            Self::ReqResp => "reqresp:think=1ms",
            Self::Trace => "trace:file=recorded.pcap",
            Self::Sink => "sink:port=9",
            Self::Echo => "echo:port=7",
        }
    }

    /// Its keys, in the order in which messages list them.
    pub fn keys(self) -> impl Iterator<Item = Key> {
        Key::ALL.into_iter().filter(move |key| key.belongs_to(self))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A key of an app's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// Name in reports.
    Name,
    /// File of recorded times and sizes.
    File,
    /// UDP payload.
    Size,
    /// Most packets that the app passes to the stack in one call.
    Burst,
    /// Payload bits or packets per second.
    Rate,
    /// Share of the link's time.
    Load,
    /// Mean on phase.
    On,
    /// Mean off phase.
    Off,
    /// Mean think time.
    Think,
    /// The distribution of phases or think times.
    Distribution,
    /// How heavy the tail of that distribution is.
    Shape,
    /// Where in its on/off period the app begins.
    Phase,
    /// Whether the app waits or skips the packet when it is blocked.
    WhenBlocked,
    /// Send budget in bytes of payload.
    Budget,
    /// Destination.
    To,
    /// What the response to a request is.
    Via,
    /// The port on which the app receives.
    Port,
    /// How many datagrams wait for the app at most.
    Queue,
}

impl Key {
    /// Every key.
    pub const ALL: [Self; 18] = [
        Self::Name,
        Self::File,
        Self::Size,
        Self::Burst,
        Self::Rate,
        Self::Load,
        Self::On,
        Self::Off,
        Self::Think,
        Self::Distribution,
        Self::Shape,
        Self::Phase,
        Self::WhenBlocked,
        Self::Budget,
        Self::To,
        Self::Via,
        Self::Port,
        Self::Queue,
    ];

    /// The spelling in flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::File => "file",
            Self::Size => "size",
            Self::Burst => "burst",
            Self::Rate => "rate",
            Self::Load => "load",
            Self::On => "on",
            Self::Off => "off",
            Self::Think => "think",
            Self::Distribution => "distribution",
            Self::Shape => "shape",
            Self::Phase => "phase",
            Self::WhenBlocked => "when-blocked",
            Self::Budget => "budget",
            Self::To => "to",
            Self::Via => "via",
            Self::Port => "port",
            Self::Queue => "queue",
        }
    }

    /// What it sets, in a sentence for people.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Name => "Its name in reports; letters, digits, - _ and .",
            Self::File => "The recorded packets.",
            Self::Size => "UDP payload of a packet, or a mix of sizes with weights, as in 64B:7/576B:4/1472B:1.",
            Self::Burst => "Most packets that it passes to the stack in one call.",
            Self::Rate => "Payload bits per second, or packets per second.",
            Self::Load => "Share of the link's time that the frames take; may exceed 1.",
            Self::On => "Mean length of an on phase.",
            Self::Off => "Mean length of an off phase.",
            Self::Think => "Mean time from a response to the next request.",
            Self::Distribution => "Of the lengths of phases, or of think times.",
            Self::Shape => {
                "Of distribution=pareto, at least 1.01: below 2, the tail is so heavy that there is no variance."
            }
            Self::Phase => "Where in its on/off period the app begins.",
            Self::WhenBlocked => {
                "Where there is no room: wait and fall behind the schedule, or skip the packet (refused)."
            }
            Self::Budget => "Most bytes of payload under way at once; then its next send waits.",
            Self::To => "Destination of its packets.",
            Self::Via => "The response: the completion of the request, or the datagram that an echo sends back.",
            Self::Port => "The UDP port on which it receives.",
            Self::Queue => "Most datagrams that wait for it; what comes beyond is dropped.",
        }
    }

    /// How its value is spelled.
    pub fn value(self) -> String {
        match self {
            Self::Name => "TEXT".to_owned(),
            Self::File => "PATH".to_owned(),
            Self::Size => "SIZE|MIX".to_owned(),
            Self::Rate => "RATE".to_owned(),
            Self::Load => "SHARE".to_owned(),
            Self::On | Self::Off | Self::Think => "TIME".to_owned(),
            Self::Burst | Self::Shape | Self::Port | Self::Queue => "NUMBER".to_owned(),
            Self::Phase => "TIME|random".to_owned(),
            Self::Distribution | Self::WhenBlocked | Self::Via => self.choices().join("|"),
            Self::Budget => "SIZE".to_owned(),
            Self::To => "IP:PORT".to_owned(),
        }
    }

    /// Its values, if they are a few words.
    pub fn choices(self) -> Vec<&'static str> {
        match self {
            Self::Distribution => Shape::NAMES.into(),
            Self::WhenBlocked => WhenBlocked::ALL.map(WhenBlocked::name).into(),
            Self::Via => Via::ALL.map(Via::name).into(),
            _ => Vec::new(),
        }
    }

    /// Whether apps of `kind` have it.
    pub const fn belongs_to(self, kind: Kind) -> bool {
        match self {
            Self::Name => true,
            Self::Budget => !matches!(kind, Kind::Sink),
            Self::To => !matches!(kind, Kind::Sink | Kind::Echo),
            Self::File => matches!(kind, Kind::Trace),
            Self::Size => !matches!(kind, Kind::Trace | Kind::Sink | Kind::Echo),
            Self::Burst => matches!(kind, Kind::Bulk),
            Self::Rate | Self::Load => matches!(kind, Kind::Cbr | Kind::Poisson | Kind::OnOff),
            Self::WhenBlocked => matches!(kind, Kind::Cbr | Kind::Poisson | Kind::OnOff | Kind::Trace),
            Self::On | Self::Off | Self::Phase => matches!(kind, Kind::OnOff),
            Self::Think | Self::Via => matches!(kind, Kind::ReqResp),
            Self::Port | Self::Queue => matches!(kind, Kind::Sink | Kind::Echo),
            Self::Distribution | Self::Shape => matches!(kind, Kind::OnOff | Kind::ReqResp),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
