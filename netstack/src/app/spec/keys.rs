//! The kinds of apps, and the keys of each kind.

use std::fmt;

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
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Bulk, Self::Cbr, Self::Poisson, Self::OnOff, Self::ReqResp, Self::Trace];

    /// The spelling in flags.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bulk => "bulk",
            Self::Cbr => "cbr",
            Self::Poisson => "poisson",
            Self::OnOff => "onoff",
            Self::ReqResp => "reqresp",
            Self::Trace => "trace",
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
}

impl Key {
    /// Every key.
    pub const ALL: [Self; 15] = [
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
        }
    }

    /// Whether apps of `kind` have it.
    pub const fn belongs_to(self, kind: Kind) -> bool {
        match self {
            Self::Name | Self::Budget | Self::To => true,
            Self::File => matches!(kind, Kind::Trace),
            Self::Size => !matches!(kind, Kind::Trace),
            Self::Burst => matches!(kind, Kind::Bulk),
            Self::Rate | Self::Load => matches!(kind, Kind::Cbr | Kind::Poisson | Kind::OnOff),
            Self::WhenBlocked => matches!(kind, Kind::Cbr | Kind::Poisson | Kind::OnOff | Kind::Trace),
            Self::On | Self::Off | Self::Phase => matches!(kind, Kind::OnOff),
            Self::Think => matches!(kind, Kind::ReqResp),
            Self::Distribution | Self::Shape => matches!(kind, Kind::OnOff | Kind::ReqResp),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
